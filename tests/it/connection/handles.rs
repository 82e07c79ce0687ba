//! Handles send on a connection from other tasks.

use std::{pin::pin, task::Poll};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinSet, yield_now},
};
use wsimd::{CloseCode, Config, Error, Handle, Message, Role, SendError, TrySendError, WebSocket};

use crate::support::{
    expect,
    frames::{BINARY, FIN, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Script, Write},
    soon, with_handle,
};

/// A server's connection, a handle of it, and the client's end of the stream.
fn server(size: usize, config: &Config) -> (WebSocket<DuplexStream>, Handle, DuplexStream) {
    let (near, far) = duplex(size);
    let mut ws = WebSocket::new(near, Role::Server, config);
    let handle = ws.handle();
    (ws, handle, far)
}

fn text(payload: &str) -> Vec<u8> {
    frame(Role::Server, FIN | TEXT, payload.as_bytes())
}

#[tokio::test(start_paused = true)]
async fn what_a_handle_sends_leaves_at_once_from_a_recv_that_waits() {
    let (mut ws, handle, mut far) = server(1024, &Config::new());
    let task = tokio::spawn(async move { ws.recv().await });
    yield_now().await;
    for message in ["one", "two"] {
        handle.send(message).await.unwrap();
        expect(&mut far, &text(message)).await;
        handle.try_send(message).unwrap();
        expect(&mut far, &text(message)).await;
    }
    assert!(!task.is_finished());
}

#[tokio::test]
async fn what_a_handle_sends_leaves_while_the_connection_sends_or_flushes() {
    for role in ROLES {
        let (mut ws, handle, seen) = with_handle(role, Config::new(), Script::new([]).silent());
        handle.send("pushed").await.unwrap();
        assert_eq!((ws.buffered(), seen.writes()), (0, 0));
        ws.flush().await.unwrap();
        assert_eq!(seen.written(), frame(role, FIN | TEXT, b"pushed"));
        handle.send("pushed").await.unwrap();
        ws.send("sent").await.unwrap();
        let expected = ["pushed", "sent", "pushed"].map(|m| frame(role, FIN | TEXT, m.as_bytes()));
        assert_eq!(seen.written().len(), expected.concat().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_send_each_in_its_order_and_nothing_is_lost() {
    const TASKS: usize = 8;
    const EACH: usize = 500;
    let (mut ws, handle, far) = server(256, &Config::new().inbox_size(3));
    let task = tokio::spawn(async move { ws.recv().await });
    let mut senders = JoinSet::new();
    for sender in 0..TASKS {
        let handle = handle.clone();
        senders.spawn(async move {
            for number in 0..EACH {
                handle.send(format!("{sender} {number}")).await.unwrap();
            }
        });
    }
    let mut client = WebSocket::new(far, Role::Client, &Config::new());
    let mut next = [0; TASKS];
    for _ in 0..TASKS * EACH {
        let message = soon(client.recv()).await.unwrap().unwrap();
        let (sender, number) = message.as_text().unwrap().split_once(' ').unwrap();
        let sender: usize = sender.parse().unwrap();
        assert_eq!(next[sender].to_string(), number);
        next[sender] += 1;
    }
    assert_eq!(next, [EACH; TASKS]);
    client.close(CloseCode::NORMAL, "").await.unwrap();
    assert_eq!(soon(task).await.unwrap().unwrap(), None);
}

#[tokio::test]
async fn a_full_inbox_gives_the_message_back() {
    for size in [1, 2, 64] {
        let config = Config::new().inbox_size(size);
        let (mut ws, handle, seen) = with_handle(Role::Server, config, Script::new([]).silent());
        for number in 0..size {
            handle.try_send(number.to_string()).unwrap();
        }
        let other = handle.clone();
        match other.try_send("too much") {
            Err(TrySendError::Full(message)) => assert_eq!(message, Message::from("too much")),
            other => panic!("{other:?}"),
        }
        assert!(poll_once(handle.send("too much")).is_pending());
        assert_eq!(ws.buffered(), 0);
        // One poll takes a part of a long queue.
        for _ in 0..4 {
            assert!(poll_once(ws.recv()).is_pending());
        }
        handle.try_send("fits").unwrap();
        assert!(poll_once(ws.recv()).is_pending());
        let expected: Vec<u8> = (0..size)
            .flat_map(|number| text(&number.to_string()))
            .collect();
        assert_eq!(seen.written(), [expected, text("fits")].concat());
    }
}

#[tokio::test]
async fn an_inbox_holds_64_messages_unless_told_otherwise_and_one_at_least() {
    for (config, size) in [(Config::new(), 64), (Config::new().inbox_size(0), 1)] {
        let (_ws, handle, _) = with_handle(Role::Server, config, Script::new([]).silent());
        let accepted = (0..1000).take_while(|_| handle.try_send("m").is_ok());
        assert_eq!(accepted.count(), size);
    }
    let huge = Config::new().inbox_size(usize::MAX);
    let (_ws, handle, _) = with_handle(Role::Server, huge, Script::new([]).silent());
    handle.try_send("no panic").unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_for_room_goes_on_when_there_is_some() {
    let (mut ws, handle, mut far) = server(1024, &Config::new().inbox_size(1));
    handle.send("one").await.unwrap();
    let waiting = tokio::spawn(async move { handle.send("two").await });
    yield_now().await;
    assert!(!waiting.is_finished());
    let task = tokio::spawn(async move { ws.recv().await });
    soon(waiting).await.unwrap().unwrap();
    expect(&mut far, &[text("one"), text("two")].concat()).await;
    assert!(!task.is_finished());
}

#[tokio::test]
async fn a_send_that_is_dropped_was_not_accepted() {
    let config = Config::new().inbox_size(1);
    let (mut ws, handle, seen) = with_handle(Role::Server, config, Script::new([]).silent());
    handle.send("one").await.unwrap();
    assert!(poll_once(handle.send("dropped")).is_pending());
    {
        // The future is dropped after it was granted its room, and before it was polled again.
        let mut woken = pin!(handle.send("dropped"));
        assert!(poll_once(woken.as_mut()).is_pending());
        assert!(poll_once(ws.recv()).is_pending());
    }
    handle.try_send("two").unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), [text("one"), text("two")].concat());
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused_by_the_handle_and_changes_nothing() {
    let config = Config::new().max_outgoing_message_size(5).inbox_size(1);
    let (mut ws, handle, seen) = with_handle(Role::Server, config, Script::new([]).silent());
    let too_large = handle.send("123456").await.unwrap_err();
    assert!(
        matches!(too_large, Error::Send(SendError::MessageTooBig { .. })),
        "{too_large:?}"
    );
    let too_large = handle.try_send("123456").unwrap_err();
    assert!(
        matches!(too_large, TrySendError::Error(Error::Send(_))),
        "{too_large:?}"
    );
    let forbidden = handle.close(CloseCode::ABNORMAL, "").await.unwrap_err();
    assert!(
        matches!(forbidden, Error::Send(SendError::InvalidCloseCode(_))),
        "{forbidden:?}"
    );
    handle.try_send("12345").unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), text("12345"));
}

/// The close information of a handle whose connection has ended.
async fn refusal(handle: &Handle) -> wsimd::Closed {
    let closed = soon(handle.closed()).await;
    assert!(handle.is_closed());
    handle.abort();
    for error in [
        handle.send("late").await.unwrap_err(),
        handle.force_send("late").unwrap_err(),
        handle.close(CloseCode::NORMAL, "").await.unwrap_err(),
        handle.try_close(CloseCode::NORMAL, "").unwrap_err(),
    ] {
        match error {
            Error::Closed(facts) => assert_eq!(*facts, closed),
            other => panic!("{other:?}"),
        }
    }
    match handle.try_send("late") {
        Err(TrySendError::Error(Error::Closed(facts))) => assert_eq!(*facts, closed),
        other => panic!("{other:?}"),
    }
    closed
}

#[tokio::test]
async fn a_handle_knows_how_the_peer_closed_the_connection() {
    for role in ROLES {
        let input = close(role.peer(), 4000, "bye");
        let (mut ws, handle, seen) = with_handle(role, Config::new(), Script::whole(&input));
        assert!(poll_once(handle.closed()).is_pending());
        ws.recv().await.unwrap_err();
        let closed = refusal(&handle).await;
        assert_eq!((u16::from(closed.code()), closed.reason()), (4000, "bye"));
        assert!(closed.received_first && closed.is_complete());
        assert_eq!(ws.closed(), Some(closed.clone()));
        // A handle that waits later returns the same.
        assert_eq!(refusal(&ws.handle()).await, closed);
        assert_eq!(ws.handle(), handle);
        assert_eq!(seen.written(), close(role, 4000, "bye"));
    }
}

#[tokio::test]
async fn our_close_frame_follows_what_was_accepted_and_nothing_follows_it() {
    let input = close(Role::Client, 1001, "restart");
    let (mut ws, handle, seen) = with_handle(Role::Server, Config::new(), Script::whole(&input));
    handle.send("accepted").await.unwrap();
    ws.send_close(CloseCode::GOING_AWAY, "restart")
        .await
        .unwrap();
    assert!(handle.is_closed());
    let error = handle.send("late").await.unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closed)), "{error:?}");
    // The connection ends only after the answer of the peer.
    assert!(poll_once(handle.closed()).is_pending());
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(refusal(&handle).await, ws.closed().unwrap());
    assert!(ws.closed().unwrap().is_clean());
    let expected = [text("accepted"), close(Role::Server, 1001, "restart")];
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn a_handle_learns_of_a_violation_of_the_end_of_the_stream_and_of_a_dropped_connection() {
    let violation = frame(Role::Client, FIN | 3, b"");
    let (mut ws, handle, _) = with_handle(Role::Server, Config::new(), Script::whole(&violation));
    ws.recv().await.unwrap_err();
    let sent = refusal(&handle).await.sent.unwrap();
    assert_eq!(sent.code(), Some(CloseCode::PROTOCOL_ERROR));

    let (mut ws, handle, _) = with_handle(Role::Server, Config::new(), Script::new([]));
    ws.recv().await.unwrap_err();
    assert_eq!(refusal(&handle).await.code(), CloseCode::ABNORMAL);

    let (ws, handle, _) = with_handle(Role::Server, Config::new(), Script::new([]).silent());
    let waiting = tokio::spawn({
        let handle = handle.clone();
        async move { handle.closed().await }
    });
    yield_now().await;
    drop(ws);
    assert_eq!(soon(waiting).await.unwrap(), refusal(&handle).await);
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_fails_when_the_connection_ends() {
    let (ws, handle, _far) = server(1024, &Config::new().inbox_size(1));
    handle.send("one").await.unwrap();
    let waiting = tokio::spawn(async move { handle.send("two").await });
    yield_now().await;
    drop(ws);
    assert!(soon(waiting).await.unwrap().unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_handle_closes_a_connection_whose_recv_waits() {
    let (mut ws, handle, mut far) = server(1024, &Config::new());
    let task = tokio::spawn(async move {
        let messages = [ws.recv().await.unwrap(), ws.recv().await.unwrap()];
        (messages, ws.closed().unwrap())
    });
    yield_now().await;
    handle.send("last").await.unwrap();
    handle
        .close(CloseCode::GOING_AWAY, "shutdown")
        .await
        .unwrap();
    expect(
        &mut far,
        &[text("last"), close(Role::Server, 1001, "shutdown")].concat(),
    )
    .await;
    assert!(poll_once(handle.closed()).is_pending());
    match handle.try_send("late") {
        Err(TrySendError::Error(Error::Send(SendError::Closed))) => {}
        other => panic!("{other:?}"),
    }
    let answer = [
        frame(Role::Client, FIN | TEXT, b"on its way"),
        close(Role::Client, 1001, "shutdown"),
    ];
    far.write_all(&answer.concat()).await.unwrap();
    assert!(soon(far.read_u8()).await.is_err());
    drop(far);
    let (messages, closed) = soon(task).await.unwrap();
    assert_eq!(messages, [Some("on its way".into()), None]);
    assert!(closed.is_clean() && !closed.received_first);
    assert_eq!(refusal(&handle).await, closed);
}

#[tokio::test(start_paused = true)]
async fn a_close_through_a_handle_has_a_deadline() {
    let (mut ws, handle, _far) = server(1024, &Config::new());
    let task = tokio::spawn(async move { ws.recv().await });
    yield_now().await;
    handle.close(CloseCode::NORMAL, "").await.unwrap();
    assert!(soon(task).await.unwrap().unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_handle_goes_with_a_connection_that_is_taken_apart_or_split() {
    let (ws, handle, mut far) = server(1024, &Config::new());
    handle.send("one").await.unwrap();
    let (mut read, write) = WebSocket::from_parts(ws.into_parts()).split();
    let task = tokio::spawn(async move { read.recv().await });
    expect(&mut far, &text("one")).await;
    handle.send("two").await.unwrap();
    expect(&mut far, &text("two")).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(poll_once(handle.closed()).is_pending());
    drop(write);
    soon(handle.closed()).await;
}

#[test]
fn a_peer_that_does_not_read_keeps_the_queue_at_its_high_water_mark() {
    const SIZE: usize = 100;
    let config = Config::new().write_high_water(1000).inbox_size(8);
    let script = Script::new([]).silent().writes([Write::Pending]);
    let (mut ws, handle, _) = with_handle(Role::Server, config, script);
    let mut accepted = 0;
    for _ in 0..100 {
        while handle.try_send(vec![0; SIZE]).is_ok() {
            accepted += 1;
        }
        assert!(poll_once(ws.recv()).is_pending());
        assert!(poll_once(ws.flush()).is_pending());
        assert!(ws.buffered() <= 1000 + SIZE + 4, "{}", ws.buffered());
    }
    assert!(accepted * SIZE <= 1000 + 9 * SIZE, "{accepted} messages");
}

#[test]
fn handles_that_never_pause_do_not_hold_up_what_the_connection_sends() {
    let writes = [Write::Pending, Write::Some(50)];
    let writes = std::iter::repeat_n(writes, 100_000).flatten();
    let script = Script::new([]).silent().writes(writes);
    let config = Config::new().write_high_water(1000);
    let (mut ws, handle, _) = with_handle(Role::Server, config, script);
    let mut send = pin!(ws.send("mine"));
    for _ in 0..1000 {
        while handle.try_send(vec![0; 100]).is_ok() {}
        if let Poll::Ready(sent) = poll_once(send.as_mut()) {
            return sent.unwrap();
        }
    }
    panic!("50,000 bytes have left, and the four are waited for");
}

#[tokio::test]
async fn handles_that_never_pause_do_not_hold_up_what_the_connection_receives() {
    let input = frame(Role::Client, FIN | TEXT, b"m");
    let (mut ws, handle, _) = with_handle(
        Role::Server,
        Config::new(),
        Script::chunks([&input[..]]).silent(),
    );
    let flood = tokio::spawn(async move { while handle.send("flood").await.is_ok() {} });
    assert_eq!(soon(ws.recv()).await.unwrap(), Some("m".into()));
    drop(ws);
    soon(flood).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_inbox_with_more_than_the_queue_has_room_for_leaves_without_another_event() {
    for role in ROLES {
        for (messages, len) in [(10, 20_000), (40, 10), (3, 100_000)] {
            let (near, mut far) = duplex(1 << 20);
            let config = Config::new().masking_keys(key);
            let mut ws = WebSocket::new(near, role, &config);
            let handle = ws.handle();
            for _ in 0..messages {
                handle.try_send(vec![7; len]).unwrap();
            }
            let task = tokio::spawn(async move { ws.recv().await });
            let message = frame(role, FIN | BINARY, &vec![7; len]);
            expect(&mut far, &message.repeat(messages)).await;
            assert!(!task.is_finished());
        }
    }
}
