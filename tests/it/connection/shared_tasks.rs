//! Two tasks poll one connection through a lock of their own, and both are woken.
//!
//! `StreamExt::split` of futures works like this: one task polls `recv`, the other one any method that
//! sends, and the lock is held for the time of a poll.

use std::{
    future::poll_fn,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, sink},
    task::{JoinHandle, yield_now},
    time::{sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, Message, Role, WebSocket};

use crate::support::{
    expect,
    frames::{FIN, PING, PONG, TEXT, close, frame},
    soon,
    tasks::{Tasks, runtime},
};

type Shared = Arc<Mutex<WebSocket<DuplexStream>>>;

/// Polls one method. Each poll creates a new future.
type Method = fn(&mut WebSocket<DuplexStream>, &mut Context<'_>) -> Poll<Result<(), Error>>;

/// The methods of the task that sends. Each waits while the queue is full.
const METHODS: [(&str, Method); 6] = [
    ("send", |ws, cx| pin!(ws.send("m")).poll(cx)),
    ("feed", |ws, cx| pin!(ws.feed("m")).poll(cx)),
    ("flush", |ws, cx| pin!(ws.flush()).poll(cx)),
    ("reserve", |ws, cx| pin!(ws.reserve()).poll(cx).map_ok(drop)),
    ("ping", |ws, cx| {
        pin!(ws.ping_with("m")).poll(cx).map_ok(drop)
    }),
    ("pong", |ws, cx| pin!(ws.pong("m")).poll(cx)),
];

/// A connection with a full queue, and the client's end of the stream.
fn full() -> (Shared, DuplexStream) {
    let (near, far) = duplex(32);
    let config = Config::new().write_high_water(10);
    let mut ws = WebSocket::new(near, Role::Server, &config);
    ws.try_feed(vec![7; 100]).unwrap();
    (Arc::new(Mutex::new(ws)), far)
}

fn queued() -> Vec<u8> {
    frame(Role::Server, FIN | 2, &[7; 100])
}

fn recv(ws: &Shared) -> JoinHandle<Result<Option<Message>, Error>> {
    let ws = Arc::clone(ws);
    tokio::spawn(poll_fn(move |cx| ws.lock().unwrap().poll_recv(cx)))
}

fn run(ws: &Shared, method: Method) -> JoinHandle<Result<(), Error>> {
    let ws = Arc::clone(ws);
    tokio::spawn(poll_fn(move |cx| method(&mut ws.lock().unwrap(), cx)))
}

#[tokio::test(start_paused = true)]
async fn recv_and_each_method_that_sends_are_woken_in_two_tasks() {
    for (name, method) in METHODS {
        for recv_first in [true, false] {
            let (ws, mut far) = full();
            let (reader, writer);
            if recv_first {
                reader = recv(&ws);
                yield_now().await;
                writer = run(&ws, method);
            } else {
                writer = run(&ws, method);
                yield_now().await;
                reader = recv(&ws);
            }
            yield_now().await;
            far.write_all(&frame(Role::Client, FIN | PING, b"p"))
                .await
                .unwrap();
            yield_now().await;
            assert!(!writer.is_finished() && !reader.is_finished(), "{name}");
            expect(&mut far, &queued()).await;
            expect(&mut far, &frame(Role::Server, FIN | PONG, b"p")).await;
            let message = frame(Role::Client, FIN | TEXT, b"m");
            far.write_all(&message).await.unwrap();
            soon(writer).await.unwrap().unwrap();
            assert_eq!(
                soon(reader).await.unwrap().unwrap(),
                Some("m".into()),
                "{name}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn both_tasks_learn_of_the_end_that_one_of_them_meets() {
    for (name, method) in METHODS {
        let (ws, mut far) = full();
        let reader = recv(&ws);
        let writer = run(&ws, method);
        yield_now().await;
        far.shutdown().await.unwrap();
        assert!(
            soon(reader).await.unwrap().unwrap_err().is_closed(),
            "{name}"
        );
        assert!(
            soon(writer).await.unwrap().unwrap_err().is_closed(),
            "{name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn recv_and_close_are_woken_in_two_tasks() {
    let methods: [Method; 2] = [
        |ws, cx| pin!(ws.close(CloseCode::NORMAL, "")).poll(cx),
        |ws, cx| pin!(ws.send_close(CloseCode::NORMAL, "")).poll(cx),
    ];
    for method in methods {
        let (ws, mut far) = full();
        let reader = recv(&ws);
        yield_now().await;
        let closer = run(&ws, method);
        yield_now().await;
        expect(&mut far, &queued()).await;
        expect(&mut far, &close(Role::Server, 1000, "")).await;
        far.write_all(&close(Role::Client, 1000, "")).await.unwrap();
        drop(far);
        soon(closer).await.unwrap().unwrap();
        assert_eq!(soon(reader).await.unwrap().unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_method_goes_on_after_the_task_that_received_has_gone() {
    for (name, method) in METHODS {
        let (ws, mut far) = full();
        let reader = recv(&ws);
        yield_now().await;
        let writer = run(&ws, method);
        yield_now().await;
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
        let reads = tokio::spawn(async move { tokio::io::copy(&mut far, &mut sink()).await });
        soon(writer).await.unwrap().expect(name);
        reads.abort();
    }
}

#[test]
fn no_wake_up_is_lost_in_whatever_order_two_tasks_share_each_end() {
    const MESSAGES: usize = 20;
    let runtime = runtime();
    let _entered = runtime.enter();
    for seed in 0..200 {
        let (near, far) = duplex(1 + seed % 50);
        let config = Config::new().write_high_water(10);
        let client = WebSocket::new(near, Role::Client, &config);
        let server = WebSocket::new(far, Role::Server, &config);
        let mut tasks = Tasks::default();
        for ws in [client, server] {
            let ws = Arc::new(Mutex::new(ws));
            let other = Arc::clone(&ws);
            tasks.spawn(async move {
                for number in 0..MESSAGES {
                    let message = Message::from(number.to_string());
                    poll_fn(|cx| pin!(ws.lock().unwrap().feed(message.clone())).poll(cx))
                        .await
                        .unwrap();
                }
                poll_fn(|cx| pin!(ws.lock().unwrap().flush()).poll(cx))
                    .await
                    .unwrap();
            });
            tasks.spawn(async move {
                for number in 0..MESSAGES {
                    let received = poll_fn(|cx| other.lock().unwrap().poll_recv(cx)).await;
                    assert_eq!(received.unwrap(), Some(number.to_string().into()));
                }
            });
        }
        tasks.run(seed as u64);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_took_the_connection_over_and_only_sends_answers_pings() {
    // The first task has dropped its `recv` while it waited, so that its waker is still registered.
    let (near, mut far) = duplex(1 << 16);
    let mut ws = WebSocket::new(near, Role::Server, &Config::new());
    assert!(timeout(Duration::from_secs(1), ws.recv()).await.is_err());
    let sender = tokio::spawn(async move {
        for _ in 0..10 {
            ws.send("tick").await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        ws
    });
    far.write_all(&frame(Role::Client, FIN | PING, b"p"))
        .await
        .unwrap();
    drop(soon(sender).await.unwrap());
    let mut written = Vec::new();
    far.read_to_end(&mut written).await.unwrap();
    let pong = frame(Role::Server, FIN | PONG, b"p");
    let answers = written.windows(pong.len()).filter(|it| *it == pong).count();
    assert_eq!(answers, 1);
}
