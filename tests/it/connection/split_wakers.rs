//! The two halves of a connection poll one stream, and neither takes the other's wake-up.
//!
//! tokio-websockets#92, #96: there the waker of one half replaced that of the other, which then hung.

use std::{
    io::ErrorKind,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::oneshot,
    task::{JoinHandle, JoinSet, yield_now},
};
use wsimd::{CloseCode, Config, Error, Message, ReadHalf, Role, WebSocket, WriteHalf};

use crate::support::{
    expect,
    frames::{FIN, PING, PONG, TEXT, close, frame},
    poll_once, soon,
    tasks::{Random, Tasks, runtime},
};

/// The number of repetitions of a test that depends on threads.
const TIMES: u64 = 200;

/// Messages that each end sends.
const MESSAGES: u8 = 20;

fn config() -> Config {
    Config::new().write_high_water(100)
}

fn pair(size: usize) -> [WebSocket<DuplexStream>; 2] {
    let (near, far) = duplex(size);
    [
        WebSocket::new(near, Role::Client, &config()),
        WebSocket::new(far, Role::Server, &config()),
    ]
}

async fn send_all(write: &mut WriteHalf<DuplexStream>, seed: u64) {
    let mut random = Random::new(seed);
    for number in 0..MESSAGES {
        let message = vec![number; random.below(300)];
        match random.below(4) {
            0 => write.feed(message).await.unwrap(),
            1 => {
                drop(write.ping_with(vec![number]).await.unwrap());
                write.send(message).await.unwrap();
            }
            _ => write.send(message).await.unwrap(),
        }
    }
    write.flush().await.unwrap();
}

async fn recv_all(read: &mut ReadHalf<DuplexStream>) {
    for number in 0..MESSAGES {
        let message = read.recv().await.unwrap().expect("a message was lost");
        assert!(message.as_bytes().iter().all(|byte| *byte == number));
    }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Both ends send and receive in tasks of their own. The client closes after the last message.
fn exchange(size: usize, seed: u64) -> [Task; 4] {
    let [client, server] = pair(size);
    let (mut client_read, mut client_write) = client.split();
    let (mut server_read, mut server_write) = server.split();
    let (received, all_received) = oneshot::channel();
    let (sent, all_sent) = oneshot::channel();
    [
        Box::pin(async move {
            send_all(&mut client_write, seed).await;
            all_received.await.unwrap();
            all_sent.await.unwrap();
            client_write
                .send_close(CloseCode::NORMAL, "")
                .await
                .unwrap();
        }),
        Box::pin(async move {
            recv_all(&mut client_read).await;
            received.send(()).unwrap();
            assert_eq!(client_read.recv().await.unwrap(), None);
        }),
        Box::pin(async move {
            send_all(&mut server_write, seed + 1).await;
            sent.send(()).unwrap();
        }),
        Box::pin(async move {
            recv_all(&mut server_read).await;
            assert_eq!(server_read.recv().await.unwrap(), None);
        }),
    ]
}

#[test]
fn no_wake_up_is_lost_in_whatever_order_four_halves_are_polled() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for seed in 0..500 {
        let mut tasks = Tasks::default();
        let size = 1 + Random::new(seed).below(200);
        for task in exchange(size, seed) {
            tasks.spawn(task);
        }
        tasks.run(seed);
    }
}

async fn meet_in_four_tasks() {
    for seed in 0..TIMES {
        let mut tasks = JoinSet::new();
        for task in exchange(64, seed) {
            tasks.spawn(task);
        }
        while let Some(done) = soon(tasks.join_next()).await {
            done.unwrap();
        }
    }
}

#[tokio::test]
async fn halves_that_block_each_other_go_on_in_one_thread() {
    meet_in_four_tasks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halves_that_block_each_other_go_on_in_two_threads() {
    meet_in_four_tasks().await;
}

/// A server's halves over a full stream: both want to write, and wait.
async fn blocked() -> (
    JoinHandle<Result<(), Error>>,
    JoinHandle<Result<Option<Message>, Error>>,
    DuplexStream,
) {
    let (near, mut far) = duplex(32);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    let writer = tokio::spawn(async move { write.send(vec![7; 100]).await });
    let reader = tokio::spawn(async move { read.recv().await });
    yield_now().await;
    far.write_all(&frame(Role::Client, FIN | PING, b"p"))
        .await
        .unwrap();
    for _ in 0..10 {
        yield_now().await;
    }
    assert!(!writer.is_finished());
    (writer, reader, far)
}

#[tokio::test(start_paused = true)]
async fn both_halves_wait_for_a_full_stream_and_both_go_on() {
    for _ in 0..TIMES {
        let (writer, reader, mut far) = blocked().await;
        let expected = [
            frame(Role::Server, FIN | 2, &[7; 100]),
            frame(Role::Server, FIN | PONG, b"p"),
        ];
        expect(&mut far, &expected.concat()).await;
        soon(writer).await.unwrap().unwrap();
        far.write_all(&frame(Role::Client, FIN | TEXT, b"m"))
            .await
            .unwrap();
        assert_eq!(soon(reader).await.unwrap().unwrap(), Some("m".into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_that_is_dropped_takes_no_wake_up_along() {
    let (writer, reader, mut far) = blocked().await;
    writer.abort();
    assert!(writer.await.unwrap_err().is_cancelled());
    let expected = [
        frame(Role::Server, FIN | 2, &[7; 100]),
        frame(Role::Server, FIN | PONG, b"p"),
    ];
    // The other half writes the accepted frames.
    expect(&mut far, &expected.concat()).await;
    far.write_all(&frame(Role::Client, FIN | TEXT, b"m"))
        .await
        .unwrap();
    assert_eq!(soon(reader).await.unwrap().unwrap(), Some("m".into()));

    let (writer, reader, mut far) = blocked().await;
    reader.abort();
    assert!(reader.await.unwrap_err().is_cancelled());
    expect(&mut far, &frame(Role::Server, FIN | 2, &[7; 100])).await;
    soon(writer).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_write_half_that_waits_learns_of_the_end_of_the_stream() {
    // Only the read half meets the end: no event of the stream wakes the write half.
    let (near, mut far) = duplex(32);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    let writer = tokio::spawn(async move { write.send(vec![7; 100]).await });
    yield_now().await;
    far.shutdown().await.unwrap();
    let ended = read.recv().await.unwrap_err();
    assert!(matches!(ended, Error::Closed(_)), "{ended:?}");
    assert!(soon(writer).await.unwrap().unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_write_half_that_waits_learns_of_the_peers_close_frame() {
    let (near, mut far) = duplex(32);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    let writer = tokio::spawn(async move { write.send(vec![7; 100]).await });
    yield_now().await;
    far.write_all(&close(Role::Client, 1001, "")).await.unwrap();
    let reader = tokio::spawn(async move { read.recv().await });
    let expected = [
        frame(Role::Server, FIN | 2, &[7; 100]),
        close(Role::Server, 1001, ""),
    ];
    expect(&mut far, &expected.concat()).await;
    let end = soon(far.read_u8()).await.unwrap_err().kind();
    assert_eq!(end, ErrorKind::UnexpectedEof);
    drop(far);
    assert_eq!(soon(reader).await.unwrap().unwrap(), None);
    // The message was written before the answer. The error of a closed connection is correct as well.
    if let Err(error) = soon(writer).await.unwrap() {
        assert_eq!(error.close_code(), Some(CloseCode::GOING_AWAY));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_half_that_waits_learns_that_the_write_half_broke_the_stream() {
    let (near, far) = duplex(32);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    let reader = tokio::spawn(async move { read.recv().await });
    yield_now().await;
    drop(far);
    write.send("m").await.unwrap_err();
    soon(reader).await.unwrap().unwrap_err();
}

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn halves_that_wait_do_not_wake_each_other() {
    let (near, mut far) = duplex(32);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    let counts: [Arc<Count>; 2] = Default::default();
    let wakers = counts.clone().map(Waker::from);
    let [mut reader, mut writer] = wakers.each_ref().map(Context::from_waker);
    let woken = || counts.each_ref().map(|it| it.0.load(Ordering::Relaxed));
    let mut send = pin!(write.send(vec![7; 100]));
    assert!(read.poll_recv(&mut reader).is_pending());
    assert!(send.as_mut().poll(&mut writer).is_pending());
    // The second half has queued its message, which the first one writes too.
    let before = woken();
    for _ in 0..10 {
        assert!(read.poll_recv(&mut reader).is_pending());
        assert!(send.as_mut().poll(&mut writer).is_pending());
    }
    assert_eq!(woken(), before);
    far.write_all(&frame(Role::Client, FIN | PING, b""))
        .await
        .unwrap();
    let after = before.map(|count| count + 1);
    assert_eq!(woken(), after, "each once");
    assert!(read.poll_recv(&mut reader).is_pending());
    assert!(send.as_mut().poll(&mut writer).is_pending());
    assert_eq!(woken(), after);
}

#[tokio::test]
async fn a_half_is_woken_after_its_connection_was_reunited_and_split_again() {
    let (near, mut far) = duplex(64);
    let (mut read, write) = WebSocket::new(near, Role::Server, &config()).split();
    assert!(poll_once(read.recv()).is_pending());
    let mut ws = read.reunite(write).unwrap();
    let reader = tokio::spawn(async move {
        let first = ws.recv().await.unwrap();
        let (mut read, _write) = ws.split();
        [first, read.recv().await.unwrap()]
    });
    yield_now().await;
    for message in ["one", "two"] {
        let bytes = frame(Role::Client, FIN | TEXT, message.as_bytes());
        far.write_all(&bytes).await.unwrap();
        yield_now().await;
    }
    let received = soon(reader).await.unwrap();
    assert_eq!(received, [Some("one".into()), Some("two".into())]);
}

#[tokio::test]
async fn a_half_that_moves_to_another_task_is_woken_there() {
    let (near, mut far) = duplex(64);
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &config()).split();
    for _ in 0..10 {
        assert!(matches!(poll_once(read.recv()), Poll::Pending));
        let reader = tokio::spawn(async move {
            let message = read.recv().await.unwrap();
            (read, message)
        });
        let writer = tokio::spawn(async move {
            write.send(vec![1; 100]).await.unwrap();
            write
        });
        yield_now().await;
        expect(&mut far, &frame(Role::Server, FIN | 2, &[1; 100])).await;
        far.write_all(&frame(Role::Client, FIN | TEXT, b"m"))
            .await
            .unwrap();
        let message;
        (read, message) = soon(reader).await.unwrap();
        assert_eq!(message, Some("m".into()));
        write = soon(writer).await.unwrap();
    }
}
