//! The keepalive: pings at an interval, and the loss of a peer.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinHandle, coop},
    time::{Instant, sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, Message, Role, Timeout, WebSocket};

use crate::support::{
    expect,
    frames::{FIN, PING, PONG, TEXT, close, frame},
    pinging, poll_once, secs, soon,
};

const HOUR: Duration = Duration::from_secs(3600);

/// A server's connection, and the client's end of the stream.
fn server(config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 16);
    (WebSocket::new(near, Role::Server, config), far)
}

type Received = JoinHandle<Result<Option<Message>, Error>>;

fn recv(mut ws: WebSocket<DuplexStream>) -> Received {
    tokio::spawn(async move { ws.recv().await })
}

/// Reads a ping of the keepalive and returns its payload.
async fn ping(far: &mut DuplexStream) -> Vec<u8> {
    let mut header = [0; 2];
    far.read_exact(&mut header).await.unwrap();
    assert_eq!(header[0], FIN | PING, "{header:?}");
    let mut payload = vec![0; header[1].into()];
    far.read_exact(&mut payload).await.unwrap();
    payload
}

async fn pong(far: &mut DuplexStream, payload: &[u8]) {
    let pong = frame(Role::Client, FIN | PONG, payload);
    far.write_all(&pong).await.unwrap();
}

/// Answers each ping at once. Returns the times of the pings.
fn answer(mut far: DuplexStream) -> JoinHandle<Vec<Duration>> {
    let start = Instant::now();
    tokio::spawn(async move {
        let mut times = Vec::new();
        while far.read_u8().await.is_ok_and(|first| first == FIN | PING) {
            times.push(start.elapsed());
            let mut payload = vec![0; far.read_u8().await.unwrap().into()];
            far.read_exact(&mut payload).await.unwrap();
            pong(&mut far, &payload).await;
        }
        times
    })
}

/// The tolerance. Timers count milliseconds, and each ping may be late by one or two.
fn at_every(interval: u64, times: &[Duration]) -> bool {
    (1..).zip(times).all(|(number, time)| {
        let due = secs(interval) * number;
        (due..due + Duration::from_millis(10)).contains(time)
    })
}

/// Checks that the peer was given up, and received a Close frame.
async fn given_up(received: Received, far: &mut DuplexStream) {
    let error = soon(received).await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Ping { .. })),
        "{error:?}"
    );
    let mut rest = Vec::new();
    far.read_to_end(&mut rest).await.unwrap();
    let expected = close(Role::Server, 1011, "keepalive ping timeout");
    assert!(rest.ends_with(&expected), "{rest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_sent_after_the_interval_and_none_before() {
    let (ws, mut far) = server(&pinging(30, 20));
    let start = Instant::now();
    let task = recv(ws);
    ping(&mut far).await;
    assert_eq!(start.elapsed(), secs(30));
    assert!(!task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_answers_keeps_the_connection_for_hours() {
    for (interval, timeout) in [(20, 20), (60, 5), (20, 19)] {
        let (ws, far) = server(&pinging(interval, timeout));
        let answered = answer(far);
        let task = recv(ws);
        sleep(HOUR + secs(1)).await;
        assert!(!task.is_finished());
        task.abort();
        let times = answered.await.unwrap();
        assert_eq!(times.len() as u64, 3600 / interval, "{times:?}");
        assert!(at_every(interval, &times[..10]), "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interval_shorter_than_the_timeout_is_kept_too() {
    let (ws, far) = server(&pinging(10, 30));
    let answered = answer(far);
    let task = recv(ws);
    sleep(secs(101)).await;
    task.abort();
    let times = answered.await.unwrap();
    assert!(times.len() == 10 && at_every(10, &times), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn latency_is_the_round_trip_time_of_the_last_ping_that_was_answered() {
    let (mut ws, mut far) = server(&pinging(20, 20));
    assert_eq!(ws.latency(), None);
    for millis in [70, 5, 19_000] {
        let answered = async {
            let payload = ping(&mut far).await;
            sleep(Duration::from_millis(millis)).await;
            pong(&mut far, &payload).await;
            let message = frame(Role::Client, FIN | TEXT, b"m");
            far.write_all(&message).await.unwrap();
        };
        let (received, ()) = tokio::join!(ws.recv(), answered);
        received.unwrap();
        assert_eq!(ws.latency(), Some(Duration::from_millis(millis)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_after_the_interval_and_the_timeout() {
    for (interval, timeout) in [(20, 20), (60, 5), (5, 60)] {
        let (mut ws, mut far) = server(&pinging(interval, timeout));
        let handle = ws.handle();
        let start = Instant::now();
        for _ in 0..3 {
            let error = ws.recv().await.unwrap_err();
            assert!(
                matches!(error, Error::Timeout(Timeout::Ping { .. })),
                "{error:?}"
            );
        }
        assert_eq!(start.elapsed(), secs(interval + timeout));
        assert!(ws.send("late").await.unwrap_err().is_timeout());
        assert_eq!(ws.closed().unwrap().code(), CloseCode::ABNORMAL);
        let sent = handle.closed().await.sent.unwrap();
        assert_eq!(sent.code(), Some(CloseCode::INTERNAL_ERROR));
        ping(&mut far).await;
        given_up(recv(ws), &mut far).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_sends_a_pong_is_alive_while_it_sends_anything_else() {
    // python-websockets#1527: there the keepalive gives up a peer that is busy sending.
    let (mut ws, mut far) = server(&pinging(20, 20));
    let talk = tokio::spawn(async move {
        loop {
            sleep(secs(19)).await;
            if far
                .write_all(&frame(Role::Client, FIN | PING, b""))
                .await
                .is_err()
            {
                return;
            }
        }
    });
    assert!(timeout(3 * HOUR, ws.recv()).await.is_err());
    assert_eq!(ws.latency(), None);
    drop(ws);
    talk.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ping_that_was_not_answered_is_forgotten_with_the_next() {
    let (mut ws, mut far) = server(&pinging(20, 20));
    let mut payloads = Vec::new();
    for _ in 0..3 {
        assert!(timeout(secs(20), ws.recv()).await.is_err());
        far.write_all(&frame(Role::Client, FIN | PONG, b"no answer"))
            .await
            .unwrap();
        payloads.push(ping(&mut far).await);
    }
    assert!(payloads[0] != payloads[1] && payloads[1] != payloads[2]);
    for (payload, known) in [
        (&payloads[0], false),
        (&payloads[1], false),
        (&payloads[2], true),
    ] {
        pong(&mut far, payload).await;
        assert!(poll_once(ws.recv()).is_pending());
        assert_eq!(ws.latency().is_some(), known);
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_busy_for_long_finds_the_pong_before_it_judges() {
    let (mut ws, mut far) = server(&pinging(20, 20));
    for _ in 0..3 {
        assert!(timeout(secs(21), ws.recv()).await.is_err());
        let payload = ping(&mut far).await;
        pong(&mut far, &payload).await;
        // The handler waits for another event.
        sleep(secs(600)).await;
        assert!(poll_once(ws.recv()).is_pending());
        assert!(timeout(secs(1), ws.recv()).await.is_err());
        let payload = ping(&mut far).await;
        pong(&mut far, &payload).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_recv_that_is_dropped_every_second_postpones_no_ping() {
    let (mut ws, far) = server(&pinging(20, 20));
    let answered = answer(far);
    for _ in 0..601 {
        assert!(timeout(secs(1), ws.recv()).await.is_err());
    }
    drop(ws);
    let times = answered.await.unwrap();
    assert_eq!(times.len(), 30);
    assert!(at_every(20, &times), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_come_every_second_postpone_no_ping_and_are_all_received() {
    let (mut ws, far) = server(&pinging(20, 20));
    let (mut far_read, mut far_write) = tokio::io::split(far);
    let talk = tokio::spawn(async move {
        for _ in 0..601 {
            sleep(secs(1)).await;
            far_write
                .write_all(&frame(Role::Client, FIN | TEXT, b"m"))
                .await
                .unwrap();
        }
        far_write
            .write_all(&close(Role::Client, 1000, ""))
            .await
            .unwrap();
    });
    let mut received = 0;
    while ws.recv().await.unwrap().is_some() {
        received += 1;
        if received == 601 {
            drop(ws);
            break;
        }
    }
    assert_eq!(received, 601);
    drop(talk.await);
    let mut written = Vec::new();
    far_read.read_to_end(&mut written).await.unwrap();
    assert_eq!(written.len(), 30 * 6, "30 pings");
}

#[tokio::test(start_paused = true)]
async fn no_interval_means_no_pings_and_no_timeout_means_that_nobody_is_given_up() {
    for config in [
        Config::new(),
        Config::new().ping_interval(None),
        pinging(20, 20).ping_interval(None),
    ] {
        let (ws, mut far) = server(&config);
        let task = recv(ws);
        assert!(timeout(24 * HOUR, far.read_u8()).await.is_err());
        task.abort();
    }
    let (ws, mut far) = server(&pinging(20, 20).ping_timeout(None));
    let task = recv(ws);
    for _ in 0..1000 {
        let start = Instant::now();
        ping(&mut far).await;
        assert!((19..=20).contains(&start.elapsed().as_secs()));
    }
    assert!(!task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn an_interval_without_end_is_none() {
    for interval in [Duration::MAX, Duration::from_secs(u64::MAX >> 1)] {
        let (ws, mut far) = server(&Config::new().ping_interval(interval));
        let task = recv(ws);
        assert!(timeout(1000 * HOUR, far.read_u8()).await.is_err());
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_application_and_those_of_the_keepalive_do_not_meet() {
    let (mut ws, mut far) = server(&pinging(20, 20));
    let mine = ws.ping_with("mine").await.unwrap();
    expect(&mut far, &frame(Role::Server, FIN | PING, b"mine")).await;
    assert!(timeout(secs(20), ws.recv()).await.is_err());
    let payload = ping(&mut far).await;
    pong(&mut far, b"mine").await;
    pong(&mut far, &payload).await;
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(mine.await.unwrap(), secs(20));
    assert_eq!(ws.latency(), Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_sent_although_the_tasks_budget_ran_out_when_the_timer_was_set() {
    // A timer that is polled then is not registered: the task is only asked to poll again.
    for used in 100..=128 {
        let (mut ws, mut far) = server(&pinging(20, 20));
        let task = tokio::spawn(async move {
            poll_fn(|cx| {
                for _ in 0..used {
                    if let Poll::Ready(budget) = coop::poll_proceed(cx) {
                        budget.made_progress();
                    }
                }
                assert!(ws.poll_recv(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            ws.recv().await
        });
        soon(ping(&mut far)).await;
        task.abort();
    }
}
