//! No source of work starves the others, and work does not count as silence.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    task::{JoinSet, coop, yield_now},
    time::{advance, sleep, timeout},
};
use wsimd::{Config, Error, Message, Role, Timeout, TrySendError, WebSocket, net::Stream};

use crate::support::{
    endless::Endless,
    frames::{FIN, PING, PONG, TEXT, frame},
    poll_once,
    script::{Script, Write},
    serve::{Running, with_server},
};

/// More polls than a source of work may take before the next source.
const FEW: usize = 200;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn message() -> Vec<u8> {
    frame(Role::Client, FIN | TEXT, b"m")
}

/// Polls `recv` until the message comes. Calls `before` ahead of each poll.
fn polls_until_received(
    ws: &mut WebSocket<impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>,
    mut before: impl FnMut(),
) -> usize {
    for polls in 1..=FEW {
        before();
        if let Poll::Ready(received) = poll_once(ws.recv()) {
            assert_eq!(received.unwrap(), Some("m".into()));
            return polls;
        }
    }
    panic!("nothing was received in {FEW} polls");
}

#[tokio::test]
async fn an_inbox_that_is_never_empty_lets_recv_read() {
    for (inbox, len, most) in [
        (64, 16, usize::MAX),
        (256, 16, usize::MAX),
        (4096, 1000, usize::MAX),
        // The stream takes fewer bytes than the inbox supplies.
        (256, 1000, 100),
        (256, 1000, 1),
        // Each message is more than one poll writes.
        (64, 8 << 20, usize::MAX),
    ] {
        let config = Config::new().inbox_size(inbox);
        let (stream, _) = Endless::new(message(), Vec::new());
        let stream = stream.write(Write::Some(most));
        let mut ws = WebSocket::new(stream, Role::Server, &config);
        let handle = ws.handle();
        let payload = Message::from(vec![7; len]);
        polls_until_received(
            &mut ws,
            || {
                while handle.try_send(payload.clone()).is_ok() {}
            },
        );
    }
}

#[tokio::test]
async fn a_queue_that_is_written_for_long_lets_recv_read() {
    for most in [1, 100, 10_000] {
        let config = Config::new().write_high_water(10 << 20);
        let (stream, _) = Endless::new(message(), Vec::new());
        let stream = stream.write(Write::Some(most));
        let mut ws = WebSocket::new(stream, Role::Server, &config);
        ws.try_feed(vec![7; 8 << 20]).unwrap();
        polls_until_received(&mut ws, || ());
    }
}

#[tokio::test]
async fn control_frames_that_never_rest_let_recv_read_and_the_queue_leave() {
    for control in [PING, PONG] {
        let frames = frame(Role::Client, FIN | control, b"").repeat(5000);
        let first = [&frames[..], &message()].concat();
        let (stream, counts) = Endless::new(first, frames);
        let mut ws = WebSocket::new(stream, Role::Server, &Config::new());
        ws.try_feed("fed").unwrap();
        assert!(poll_once(ws.recv()).is_pending());
        assert!(counts.written() > 0, "the queue has not left");
        polls_until_received(&mut ws, || ());
        for _ in 0..1000 {
            ws.try_feed("fed").unwrap();
            let before = counts.written();
            assert!(poll_once(ws.recv()).is_pending());
            assert!(counts.written() > before, "the queue has not left");
        }
    }
}

async fn pushed_at(inbox: usize) {
    const TASKS: usize = 8;
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    let config = Config::new()
        .inbox_size(inbox)
        .ping_interval(millis(300))
        .ping_timeout(millis(300));
    let server = Running::start(config, move |mut ws: WebSocket<Stream>| {
        let count = Arc::clone(&count);
        let mut pushers = JoinSet::new();
        for _ in 0..TASKS {
            let handle = ws.handle();
            pushers.spawn(async move { while handle.send(vec![7; 16]).await.is_ok() {} });
        }
        async move {
            while let Ok(Some(_)) = ws.recv().await {
                count.fetch_add(1, Ordering::Relaxed);
            }
            drop(pushers);
        }
    })
    .await;
    let (mut read, mut write) = server.client().await.split();
    let reader = tokio::spawn(async move { while let Ok(Some(_)) = read.recv().await {} });
    // Longer than the timeout of a silent peer.
    for sent in 1..=80 {
        write.send("hello").await.expect("the peer was dropped");
        sleep(millis(10)).await;
        assert!(sent < 50 || received.load(Ordering::Relaxed) > 0);
    }
    assert!(!reader.is_finished(), "the peer was dropped");
    assert!(received.load(Ordering::Relaxed) >= 40);
    reader.abort();
}

#[tokio::test]
async fn a_handler_receives_while_handles_keep_its_inbox_full() {
    pushed_at(127).await;
    pushed_at(256).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_receives_while_handles_keep_its_inbox_full_among_threads() {
    pushed_at(1024).await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_was_not_tried_is_not_taken_for_silence() {
    let config = Config::new()
        .ping_interval(Duration::from_secs(20))
        .ping_timeout(Duration::from_secs(20));
    for used in 100..=128 {
        let (near, mut far) = duplex(1024);
        let mut ws = WebSocket::new(near, Role::Server, &config);
        assert!(timeout(Duration::from_secs(21), ws.recv()).await.is_err());
        // The peer answers the ping, and the task is busy for longer than the timeout.
        let pong = [frame(Role::Client, FIN | PONG, b""), message()].concat();
        far.write_all(&pong).await.unwrap();
        sleep(Duration::from_secs(60)).await;
        yield_now().await;
        let received = tokio::spawn(async move {
            let mut is_used = false;
            poll_fn(|cx| {
                if !is_used {
                    use_budget(used, cx);
                    is_used = true;
                }
                ws.poll_recv(cx)
            })
            .await
        });
        assert_eq!(received.await.unwrap().unwrap(), Some("m".into()), "{used}");
    }
}

fn use_budget(units: usize, cx: &mut Context<'_>) {
    for _ in 0..units {
        if let Poll::Ready(budget) = coop::poll_proceed(cx) {
            budget.made_progress();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_sent_over_a_stream_that_uses_no_budget_though_the_task_has_none() {
    let config = Config::new().ping_interval(Duration::from_secs(20));
    for used in 120..=128 {
        let script = Script::new([]).silent();
        let seen = script.seen.clone();
        let mut ws = WebSocket::new(script, Role::Server, &config);
        let task = tokio::spawn(async move {
            let mut is_used = false;
            poll_fn(|cx| {
                if !is_used {
                    use_budget(used, cx);
                    is_used = true;
                }
                ws.poll_recv(cx)
            })
            .await
        });
        sleep(Duration::from_secs(21)).await;
        assert!(seen.writes() > 0, "{used} units were used");
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_is_given_up_though_it_never_stops_sending() {
    let config = Config::new()
        .ping_interval(Duration::from_secs(1))
        .ping_timeout(Duration::from_secs(1));
    for frames in [1, 1000] {
        let pings = frame(Role::Client, FIN | PING, b"p").repeat(frames);
        let (stream, _) = Endless::new(Vec::new(), pings);
        let stream = stream.write(Write::Pending);
        let mut ws = WebSocket::new(stream, Role::Server, &config);
        let mut polls = 0;
        let ended = loop {
            if let Poll::Ready(ended) = poll_once(ws.recv()) {
                break ended;
            }
            polls += 1;
            assert!(polls < FEW, "a peer that takes nothing was kept");
            advance(millis(50)).await;
        };
        let is_timeout = matches!(ended, Err(Error::Timeout(Timeout::Ping { .. })));
        assert!(is_timeout, "{ended:?}");
    }
}

#[tokio::test]
async fn a_handler_that_only_sends_lets_its_neighbours_run() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    with_server(
        move |mut ws| {
            let count = Arc::clone(&count);
            async move {
                while ws.send(vec![7; 16]).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        },
        |ws| async move {
            let (mut read, _write) = ws.split();
            let reader = tokio::spawn(async move { while let Ok(Some(_)) = read.recv().await {} });
            let mut most = 0;
            for _ in 0..2000 {
                let before = sent.load(Ordering::Relaxed);
                yield_now().await;
                most = most.max(sent.load(Ordering::Relaxed) - before);
            }
            assert!(most > 0, "nothing was sent");
            // Four operations take a unit of the 128 that a task has, and the handler may run twice.
            assert!(most <= 2 * 512, "{most} messages without a pause");
            reader.abort();
            Ok(())
        },
    )
    .await;
}

/// Counts the repetitions of an operation until another task has run.
async fn repetitions(mut operation: impl AsyncFnMut()) -> usize {
    let other = tokio::spawn(async {});
    for repetition in 0..10_000 {
        operation().await;
        if other.is_finished() {
            return repetition;
        }
    }
    panic!("no other task has run");
}

#[tokio::test]
async fn a_loop_over_an_operation_that_fails_lets_other_tasks_run() {
    let ended = || WebSocket::new(Script::new([]), Role::Server, &Config::new());
    let mut ws = ended();
    repetitions(async || drop(ws.recv().await.unwrap_err())).await;
    repetitions(async || drop(ws.send("m").await.unwrap_err())).await;
    repetitions(async || drop(ws.feed("m").await.unwrap_err())).await;
    repetitions(async || drop(ws.reserve().await.map(drop).unwrap_err())).await;
    repetitions(async || drop(ws.ping_with("m").await.map(drop).unwrap_err())).await;
    repetitions(async || drop(ws.flush().await)).await;
    let handle = ws.handle();
    repetitions(async || drop(handle.send("m").await.unwrap_err())).await;
    let (mut read, mut write) = ended().split();
    repetitions(async || drop(read.recv().await.unwrap_err())).await;
    repetitions(async || drop(write.send("m").await.unwrap_err())).await;
}

#[tokio::test]
async fn a_loop_over_a_message_that_may_not_be_sent_lets_other_tasks_run() {
    let config = Config::new().max_outgoing_message_size(1);
    let mut ws = WebSocket::new(Script::new([]).silent(), Role::Server, &config);
    repetitions(async || drop(ws.send("long").await.unwrap_err())).await;
    let handle = ws.handle();
    repetitions(async || drop(handle.send("long").await.unwrap_err())).await;
}

#[tokio::test]
async fn a_loop_over_a_full_queue_lets_other_tasks_run() {
    let config = Config::new().write_high_water(0);
    let mut ws = WebSocket::new(Script::new([]).silent(), Role::Server, &config);
    repetitions(async || {
        while !matches!(ws.try_feed("m"), Err(TrySendError::Full(_))) {}
        ws.flush().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_recv_that_used_up_its_poll_wakes_its_task() {
    let frames = frame(Role::Client, FIN | PONG, b"").repeat(1000);
    let script = Script::whole(&[&frames[..], &message()].concat()).silent();
    let mut ws = WebSocket::new(script, Role::Server, &Config::new());
    let received = timeout(Duration::from_secs(10), ws.recv()).await;
    assert_eq!(received.expect("never woken").unwrap(), Some("m".into()));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(pin!(ws.recv()).poll(&mut cx).is_pending());
}

#[cfg(unix)]
#[tokio::test]
async fn pings_over_a_socket_that_never_rest_let_recv_read() {
    let (near, far) = tokio::net::UnixStream::pair().unwrap();
    let mut ws = WebSocket::new(near, Role::Server, &Config::new());
    let (mut far_read, mut far_write) = far.into_split();
    let pings = frame(Role::Client, FIN | PING, b"p").repeat(1000);
    let flood = tokio::spawn(async move {
        for _ in 0..100 {
            far_write.write_all(&pings).await.unwrap();
        }
        far_write.write_all(&message()).await.unwrap();
        far_write
    });
    let sink = tokio::spawn(async move {
        let mut pongs = vec![0; 1 << 16];
        while far_read.read(&mut pongs).await.is_ok_and(|len| len > 0) {}
    });
    let received = timeout(Duration::from_secs(60), ws.recv()).await.unwrap();
    assert_eq!(received.unwrap(), Some("m".into()));
    drop(flood.await.unwrap());
    sink.abort();
}
