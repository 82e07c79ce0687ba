//! The inbox of handles: its bounds, its order, and the requests that go past it.

use std::{
    collections::HashSet,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    task::Poll,
    thread,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};
use wsimd::{
    CloseCode, Closed, Config, Error, Handle, Message, Role, SendError, Timeout, TrySendError,
    WebSocket,
};

use crate::support::{
    expect,
    frames::{FIN, PING, TEXT, close, frame},
    poll_once,
    script::{Script, Seen, Write},
    secs, soon, with_handle,
};

/// A connection whose peer is silent and takes all that is written.
fn silent(config: &Config) -> (WebSocket<Script>, Handle, Seen) {
    with_handle(Role::Server, config.clone(), Script::new([]).silent())
}

/// A connection whose peer takes nothing.
fn stuck(config: &Config) -> (WebSocket<Script>, Handle, Seen) {
    with_handle(
        Role::Server,
        config.clone(),
        Script::new([]).silent().writes([Write::Pending]),
    )
}

fn server(config: &Config) -> (WebSocket<DuplexStream>, Handle, DuplexStream) {
    let (near, far) = duplex(1024);
    let mut ws = WebSocket::new(near, Role::Server, config);
    let handle = ws.handle();
    (ws, handle, far)
}

fn texts(payloads: &[&str]) -> Vec<u8> {
    let frames = payloads
        .iter()
        .map(|payload| frame(Role::Server, FIN | TEXT, payload.as_bytes()));
    frames.collect::<Vec<_>>().concat()
}

fn is_full(sent: Result<(), TrySendError>) -> bool {
    matches!(sent, Err(TrySendError::Full(_)))
}

#[tokio::test]
async fn an_inbox_is_bounded_in_bytes() {
    let (mut ws, handle, seen) = silent(&Config::new().inbox_bytes(10));
    handle.try_send("12345").unwrap();
    handle.try_send("6789").unwrap();
    assert!(is_full(handle.try_send("ab")));
    handle.try_send("a").unwrap();
    assert!(is_full(handle.try_send("b")));
    handle.try_send("").unwrap();
    assert!(poll_once(handle.send("b")).is_pending());
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), texts(&["12345", "6789", "a", ""]));
    handle.try_send("1234567890").unwrap();
}

#[tokio::test]
async fn one_message_fits_into_an_empty_inbox_however_long_it_is() {
    for bytes in [0, 10] {
        let (mut ws, handle, _) = silent(&Config::new().inbox_bytes(bytes));
        for _ in 0..2 {
            handle.try_send(vec![0; 1000]).unwrap();
            assert!(is_full(handle.try_send("1")));
            assert!(is_full(handle.try_send(vec![0; 1000])));
            assert!(poll_once(ws.recv()).is_pending());
        }
    }
}

#[tokio::test]
async fn an_inbox_holds_a_mebibyte_unless_told_otherwise() {
    let (_ws, handle, _) = silent(&Config::new());
    handle.try_send(vec![0; 1 << 20]).unwrap();
    assert!(is_full(handle.try_send("1")));
    let (_ws, handle, _) = silent(&Config::new().inbox_bytes(None));
    for _ in 0..5 {
        handle.try_send(vec![0; 1 << 20]).unwrap();
    }
}

#[tokio::test]
async fn a_later_send_takes_no_room_from_one_that_waits() {
    let (mut ws, handle, seen) = silent(&Config::new().inbox_bytes(10));
    handle.try_send("1234567").unwrap();
    let mut long = pin!(handle.send("abcde"));
    assert!(poll_once(long.as_mut()).is_pending());
    // There is room for the message.
    assert!(is_full(handle.try_send("x")));
    let mut short = pin!(handle.send("y"));
    assert!(poll_once(short.as_mut()).is_pending());
    assert!(poll_once(ws.recv()).is_pending());
    // Both sends have reserved their room. The rest of the room is for others.
    assert!(is_full(handle.try_send("12345")));
    handle.try_send("1234").unwrap();
    assert!(matches!(poll_once(long), Poll::Ready(Ok(()))));
    assert!(matches!(poll_once(short), Poll::Ready(Ok(()))));
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), texts(&["1234567", "1234", "abcde", "y"]));
}

#[tokio::test(start_paused = true)]
async fn sends_that_wait_are_served_in_their_order() {
    let (mut ws, handle, mut far) = server(&Config::new().inbox_size(1));
    let payloads = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    let mut senders = JoinSet::new();
    for payload in payloads {
        let handle = handle.clone();
        senders.spawn(async move { handle.send(payload).await });
        yield_now().await;
    }
    let task = tokio::spawn(async move { ws.recv().await });
    expect(&mut far, &texts(&payloads)).await;
    assert!(!task.is_finished());
}

/// The progress of a send when it is dropped.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Unpolled,
    Waiting,
    Granted,
}

#[tokio::test(start_paused = true)]
async fn the_room_of_a_send_that_is_dropped_is_for_the_next_one() {
    for stage in [Stage::Unpolled, Stage::Waiting, Stage::Granted] {
        let (mut ws, handle, mut far) = server(&Config::new().inbox_size(1));
        handle.try_send("1").unwrap();
        let mut dropped = Box::pin(handle.send("dropped"));
        if !matches!(stage, Stage::Unpolled) {
            assert!(poll_once(dropped.as_mut()).is_pending());
        }
        let next = handle.clone();
        let next = tokio::spawn(async move { next.send("2").await });
        yield_now().await;
        if matches!(stage, Stage::Granted) {
            assert!(poll_once(ws.recv()).is_pending());
            yield_now().await;
            assert!(!next.is_finished(), "{stage:?}");
        }
        drop(dropped);
        let task = tokio::spawn(async move { ws.recv().await });
        soon(next).await.unwrap().unwrap();
        expect(&mut far, &texts(&["1", "2"])).await;
        handle.send("3").await.unwrap();
        expect(&mut far, &texts(&["3"])).await;
        assert!(!task.is_finished());
    }
}

#[tokio::test]
async fn a_long_message_that_gives_up_lets_a_short_one_in() {
    let (_ws, handle, _) = silent(&Config::new().inbox_bytes(10));
    handle.try_send("12345").unwrap();
    let mut long = Box::pin(handle.send("1234567890"));
    assert!(poll_once(long.as_mut()).is_pending());
    let mut short = pin!(handle.send("12345"));
    assert!(poll_once(short.as_mut()).is_pending());
    drop(long);
    assert!(matches!(poll_once(short), Poll::Ready(Ok(()))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_that_give_up_at_any_moment_lose_nothing_and_block_nothing() {
    const TASKS: usize = 8;
    const EACH: usize = 300;
    let (near, far) = duplex(256);
    let config = Config::new().inbox_size(2).inbox_bytes(20);
    let mut ws = WebSocket::new(near, Role::Server, &config);
    let handle = ws.handle();
    let task = tokio::spawn(async move { ws.recv().await });
    let mut senders = JoinSet::new();
    for sender in 0..TASKS {
        let handle = handle.clone();
        senders.spawn(async move {
            let mut accepted = Vec::new();
            for number in 0..EACH {
                let message = format!("{sender} {number}");
                let mut send = Box::pin(handle.send(message.clone()));
                for _ in 0..number % 4 {
                    if let Poll::Ready(sent) = poll_once(send.as_mut()) {
                        sent.unwrap();
                        accepted.push(message.clone());
                        break;
                    }
                    yield_now().await;
                }
            }
            accepted
        });
    }
    let received = tokio::spawn(async move {
        let mut client = WebSocket::new(far, Role::Client, &Config::new());
        let mut received = HashSet::new();
        while let Some(message) = client.recv().await.unwrap() {
            assert!(received.insert(message.as_text().unwrap().to_owned()));
        }
        received
    });
    let mut accepted = HashSet::new();
    while let Some(sender) = soon(senders.join_next()).await {
        accepted.extend(sender.unwrap());
    }
    soon(handle.send("the last")).await.unwrap();
    accepted.insert("the last".to_owned());
    handle.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(soon(received).await.unwrap(), accepted);
    assert_eq!(soon(task).await.unwrap().unwrap(), None);
}

#[test]
#[expect(
    clippy::mutable_key_type,
    reason = "the address of the inbox is the key, and it stays"
)]
fn handles_are_equal_when_their_connection_is_the_same() {
    let (mut ws, handle, _) = silent(&Config::new());
    let (_other, stranger, _) = silent(&Config::new());
    assert_eq!(handle, handle.clone());
    assert_eq!(handle, ws.handle());
    assert_ne!(handle, stranger);
    let room: HashSet<_> = [handle.clone(), ws.handle(), stranger].into();
    assert_eq!(room.len(), 2);
    let mut ws = WebSocket::from_parts(ws.into_parts());
    assert_eq!(handle, ws.handle());
}

#[test]
fn a_handle_prints_no_payload() {
    let (_ws, handle, _) = silent(&Config::new());
    handle.try_send("secret").unwrap();
    let debug = format!("{handle:?}");
    assert!(
        debug.contains("messages: 1") && !debug.contains("secret"),
        "{debug}"
    );
}

#[tokio::test]
async fn a_close_waits_for_no_room_and_follows_what_was_accepted() {
    let (mut ws, handle, seen) = silent(&Config::new().inbox_size(2));
    handle.try_send("1").unwrap();
    handle.try_send("2").unwrap();
    let mut waiting = pin!(handle.send("3"));
    assert!(poll_once(waiting.as_mut()).is_pending());
    let closed = poll_once(handle.close(CloseCode::NORMAL, "bye"));
    assert!(matches!(closed, Poll::Ready(Ok(()))));
    match poll_once(waiting) {
        Poll::Ready(Err(error)) => assert!(error.is_closed()),
        other => panic!("{other:?}"),
    }
    let again = poll_once(handle.close(CloseCode::NORMAL, "bye"));
    assert!(matches!(
        again,
        Poll::Ready(Err(Error::Send(SendError::Closed)))
    ));
    assert!(poll_once(ws.recv()).is_pending());
    let expected = [texts(&["1", "2"]), close(Role::Server, 1000, "bye")];
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn a_close_that_does_not_wait_goes_past_the_messages() {
    for graceful_first in [false, true] {
        let (mut ws, handle, seen) = silent(&Config::new());
        handle.try_send("dropped").unwrap();
        if graceful_first {
            handle.close(CloseCode::NORMAL, "replaced").await.unwrap();
        }
        handle
            .try_close(CloseCode::POLICY_VIOLATION, "slow")
            .unwrap();
        let again = handle.try_close(CloseCode::NORMAL, "").unwrap_err();
        assert!(again.is_closed());
        assert!(handle.close(CloseCode::NORMAL, "").await.is_err());
        assert!(poll_once(ws.recv()).is_pending());
        assert_eq!(seen.written(), close(Role::Server, 1008, "slow"));
    }
}

#[test]
fn a_code_that_may_not_be_sent_is_refused_and_closes_nothing() {
    let (_ws, handle, _) = silent(&Config::new());
    let refused = handle.try_close(CloseCode::NO_STATUS, "").unwrap_err();
    assert!(matches!(
        refused,
        Error::Send(SendError::InvalidCloseCode(_))
    ));
    assert!(!handle.is_closed());
    handle.try_send("still open").unwrap();
}

/// The client reads nothing, and sends a ping now and then.
#[tokio::test(start_paused = true)]
async fn a_close_ends_a_peer_that_reads_nothing_at_the_deadline_after_the_call() {
    for past_the_queue in [false, true] {
        let config = Config::new()
            .close_timeout(secs(3))
            .ping_interval(secs(3))
            .ping_timeout(secs(3));
        let (mut ws, handle, mut far) = server(&config);
        while handle.try_send(vec![0; 100]).is_ok() {}
        let pings = tokio::spawn(async move {
            while far
                .write_all(&frame(Role::Client, FIN | PING, b""))
                .await
                .is_ok()
            {
                sleep(secs(1)).await;
            }
        });
        let start = Instant::now();
        if past_the_queue {
            handle.try_close(CloseCode::POLICY_VIOLATION, "").unwrap();
        } else {
            let close = handle.close(CloseCode::POLICY_VIOLATION, "");
            close.await.unwrap();
        }
        // The connection is polled later.
        sleep(secs(1)).await;
        let error = ws.recv().await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Close { .. })),
            "{error:?}"
        );
        assert_eq!(start.elapsed(), secs(3));
        assert_eq!(soon(handle.closed()).await, ws.closed().unwrap());
        drop(ws);
        soon(pings).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_the_connection_without_a_close_frame() {
    for (mut ws, handle, seen) in [silent(&Config::new()), stuck(&Config::new())] {
        handle.try_send("dropped").unwrap();
        let aborter = handle.clone();
        let task = tokio::spawn(async move { (ws.recv().await, ws.closed()) });
        yield_now().await;
        let written = seen.written().len();
        assert!(handle.try_send("dropped too").is_ok());
        aborter.abort();
        assert!(handle.is_closed());
        let (received, closed) = soon(task).await.unwrap();
        match received {
            Err(Error::Closed(facts)) => assert_eq!(Some(*facts), closed),
            other => panic!("{other:?}"),
        }
        assert_eq!(closed, Some(Closed::default()));
        assert_eq!(handle.closed().await.code(), CloseCode::ABNORMAL);
        assert_eq!(seen.written().len(), written);
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_a_connection_that_waits_for_the_answer_to_its_close_frame() {
    let (mut ws, handle, mut far) = server(&Config::new().close_timeout(secs(1000)));
    let task = tokio::spawn(async move { (ws.recv().await, ws.closed()) });
    handle.close(CloseCode::NORMAL, "").await.unwrap();
    expect(&mut far, &close(Role::Server, 1000, "")).await;
    let refused = handle.try_close(CloseCode::NORMAL, "").unwrap_err();
    assert!(refused.is_closed());
    handle.abort();
    let (received, closed) = soon(task).await.unwrap();
    assert!(received.unwrap_err().is_closed());
    assert!(closed.as_ref().unwrap().sent.is_some());
    assert_eq!(Some(handle.closed().await), closed);
}

#[tokio::test]
async fn a_handle_knows_of_a_dropped_connection_what_the_connection_knew() {
    let (ws, handle, _) = silent(&Config::new());
    handle.close(CloseCode::NORMAL, "never sent").await.unwrap();
    drop(ws);
    assert_eq!(soon(handle.closed()).await, Closed::default());
    let (mut ws, handle, _) = silent(&Config::new());
    ws.send_close(CloseCode::NORMAL, "sent").await.unwrap();
    drop(ws);
    let closed = soon(handle.closed()).await;
    assert_eq!(closed.sent.unwrap().reason(), "sent");
}

#[tokio::test(start_paused = true)]
async fn handlers_that_wait_for_the_inbox_of_each_other_get_on_after_the_keepalive_time() {
    let config = Config::new()
        .inbox_size(1)
        .ping_interval(secs(3))
        .ping_timeout(secs(5));
    let (mut left, to_left, far_left) = server(&config);
    let (mut right, to_right, far_right) = server(&config);
    let start = Instant::now();
    let handler = async |ws: &mut WebSocket<DuplexStream>, other: &Handle| {
        other.send("fits").await.unwrap();
        let sent = other.send("waits").await;
        assert_eq!(start.elapsed(), secs(5));
        assert!(timeout(secs(1), ws.recv()).await.is_err());
        sent
    };
    let both = async { tokio::join!(handler(&mut left, &to_right), handler(&mut right, &to_left)) };
    let (first, second) = soon(both).await;
    // The handler that gives up first receives again, which makes room for the other one.
    let (error, sent) = match first {
        Err(error) => (error, second),
        Ok(()) => (second.unwrap_err(), first),
    };
    assert!(
        matches!(error, Error::Timeout(Timeout::Inbox { .. })),
        "{error:?}"
    );
    sent.unwrap();
    let written = [far_left, far_right].map(|mut far| {
        let mut bytes = vec![0; 1024];
        match poll_once(far.read(&mut bytes)) {
            Poll::Ready(Ok(len)) => bytes[..len].to_vec(),
            other => panic!("{other:?}"),
        }
    });
    let [both, one] = [texts(&["fits", "waits"]), texts(&["fits"])];
    assert!(written == [both.clone(), one.clone()] || written == [one, both]);
}

#[tokio::test(start_paused = true)]
async fn a_message_taken_out_starts_the_time_of_a_send_that_waits_again() {
    let config = Config::new()
        .inbox_size(1)
        .ping_interval(secs(30))
        .ping_timeout(secs(5));
    let (mut ws, handle, _far) = server(&config);
    handle.send("1").await.unwrap();
    let start = Instant::now();
    let senders = ["2", "3"].map(|message| {
        let handle = handle.clone();
        tokio::spawn(async move { (handle.send(message).await, Instant::now()) })
    });
    sleep(secs(4)).await;
    assert!(poll_once(ws.recv()).is_pending());
    let [second, third] = senders;
    let (sent, _) = soon(second).await.unwrap();
    sent.unwrap();
    let (sent, at) = soon(third).await.unwrap();
    assert!(sent.unwrap_err().is_timeout());
    assert_eq!(at - start, secs(9));
}

#[tokio::test(start_paused = true)]
async fn a_send_waits_without_limit_where_there_is_no_keepalive() {
    let long = Config::new().inbox_size(1).ping_timeout(secs(1));
    let configs = [
        long.clone(),
        long.clone().ping_interval(None),
        long.ping_interval(secs(1)).ping_timeout(None),
    ];
    for config in configs {
        let (_ws, handle, _) = silent(&config);
        handle.send("1").await.unwrap();
        assert!(timeout(secs(100_000), handle.send("2")).await.is_err());
    }
}

#[test]
fn the_oldest_messages_make_room_for_a_message_that_must_get_in() {
    let (mut ws, handle, seen) = silent(&Config::new().inbox_size(3).inbox_bytes(10));
    assert_eq!(handle.force_send("1").unwrap(), 0);
    assert_eq!(handle.force_send("2").unwrap(), 0);
    assert_eq!(handle.force_send("3").unwrap(), 0);
    assert_eq!(handle.force_send("4").unwrap(), 1);
    assert_eq!(handle.force_send("12345678").unwrap(), 1);
    assert_eq!(handle.force_send("12345").unwrap(), 3);
    assert_eq!(handle.force_send("6").unwrap(), 0);
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), texts(&["12345", "6"]));
    assert_eq!(handle.force_send(vec![0; 100]).unwrap(), 0);
    assert_eq!(handle.force_send(vec![0; 100]).unwrap(), 1);
}

#[test]
fn a_message_that_must_get_in_takes_no_granted_room() {
    let (mut ws, handle, seen) = silent(&Config::new().inbox_size(1));
    handle.try_send("1").unwrap();
    let mut waiting = pin!(handle.send("waits"));
    assert!(poll_once(waiting.as_mut()).is_pending());
    assert!(poll_once(ws.recv()).is_pending());
    for dropped in [0, 1, 1] {
        assert_eq!(handle.force_send("forced").unwrap(), dropped);
    }
    assert!(matches!(poll_once(waiting), Poll::Ready(Ok(()))));
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), texts(&["1", "forced", "waits"]));
}

/// A payload that uses the inbox when it is freed.
struct Nested(Handle, Arc<AtomicBool>);

impl AsRef<[u8]> for Nested {
    fn as_ref(&self) -> &[u8] {
        b"nested"
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let _ = self.0.try_send("freed");
        self.1.store(true, Ordering::Relaxed);
    }
}

#[test]
fn payloads_are_freed_outside_the_lock() {
    type Free = fn(WebSocket<Script>, &Handle);
    let ways: [Free; 5] = [
        |_ws, handle| handle.try_close(CloseCode::NORMAL, "").unwrap(),
        |_ws, handle| handle.abort(),
        |_ws, handle| assert_eq!(handle.force_send("forced").unwrap(), 1),
        |ws, _| drop(ws),
        |mut ws, _| assert!(poll_once(ws.recv()).is_pending()),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        let (done, finished) = mpsc::channel();
        thread::spawn(move || {
            let (ws, handle, _) = silent(&Config::new().inbox_size(1));
            let freed = Arc::new(AtomicBool::new(false));
            let nested = Nested(handle.clone(), Arc::clone(&freed));
            handle.try_send(Bytes::from_owner(nested)).unwrap();
            way(ws, &handle);
            assert!(freed.load(Ordering::Relaxed), "way {number}");
            done.send(()).unwrap();
        });
        finished.recv_timeout(secs(10)).unwrap();
    }
}

#[tokio::test]
async fn a_task_that_sends_without_a_pause_lets_other_tasks_run() {
    let config = Config::new().inbox_size(usize::MAX).inbox_bytes(None);
    let (_ws, handle, _) = silent(&config);
    let other = tokio::spawn(async {});
    let mut sent = 0;
    while !other.is_finished() {
        handle.send(Message::from("")).await.unwrap();
        sent += 1;
        assert!(sent < 10_000);
    }
}
