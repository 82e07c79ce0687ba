//! A peer that reads slowly and steadily counts as alive, for each way to send to it.
//!
//! The peer reads in a thread of its own. Sending takes longer than the interval and the timeout of the
//! keepalive together.

use std::{
    future::pending,
    io::Read,
    net::TcpStream as StdStream,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
};
use wsimd::{Config, Error, Role, WebSocket};

use crate::support::{
    frames::{FIN, TEXT, frame},
    serve::Running,
    soon,
};

/// The payload bytes that are sent.
const SENT: usize = 6 << 20;

/// The bytes per second that the peer reads.
const RATE: f64 = 4e6;

/// The payload bytes and the rate under `serve`. Without `TCP_NOTSENT_LOWAT`, a socket has a send
/// buffer of up to 4 MB. Linux then reports room only when a third of the buffer is free.
const SERVED: (usize, f64) = (16 << 20, 12e6);

fn config() -> Config {
    Config::new()
        .ping_interval(Duration::from_millis(500))
        .ping_timeout(Duration::from_millis(500))
}

/// Reads 20 KiB at a time until all bytes have arrived. Returns their number.
fn read_steadily(peer: TcpStream, sent: usize, rate: f64) -> JoinHandle<usize> {
    let mut peer: StdStream = peer.into_std().unwrap();
    peer.set_nonblocking(false).unwrap();
    thread::spawn(move || {
        let mut bytes = vec![0; 20 << 10];
        let mut total = 0;
        let start = Instant::now();
        while total < sent {
            match peer.read(&mut bytes) {
                Ok(0) | Err(_) => break,
                Ok(len) => total += len,
            }
            let due = Duration::from_secs_f64(total as f64 / rate);
            thread::sleep(due.saturating_sub(start.elapsed()));
        }
        total
    })
}

/// A server's connection over TCP, and a peer that reads steadily.
async fn connection() -> (WebSocket<TcpStream>, JoinHandle<usize>) {
    let listener = TcpSocket::new_v4().unwrap();
    // A socket that takes four megabytes at once is silent for too long.
    listener.set_send_buffer_size(128 << 10).unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1 << 20).unwrap();
    let peer = socket.connect(listener.local_addr().unwrap());
    let (peer, accepted) = tokio::join!(peer, listener.accept());
    let (stream, _) = accepted.unwrap();
    let ws = WebSocket::new(stream, Role::Server, &config());
    (ws, read_steadily(peer.unwrap(), SENT, RATE))
}

fn has_read(peer: JoinHandle<usize>, sent: usize) {
    assert!(peer.join().unwrap() >= sent, "the peer was given up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn halves_keep_a_peer_that_reads_steadily() {
    let (ws, peer) = connection().await;
    let (mut read, mut write) = ws.split();
    let reader = tokio::spawn(async move { read.recv().await });
    let writer = tokio::spawn(async move {
        write.send(vec![7; SENT]).await?;
        Ok::<_, Error>(write)
    });
    let write = soon(writer).await.unwrap().expect("the peer is alive");
    assert!(!reader.is_finished());
    has_read(peer, SENT);
    drop((reader, write));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_write_half_alone_keeps_a_peer_that_reads_steadily() {
    let (ws, peer) = connection().await;
    let (_read, mut write) = ws.split();
    let writer = tokio::spawn(async move { write.send(vec![7; SENT]).await.map(|()| write) });
    let write = soon(writer).await.unwrap().expect("the peer is alive");
    has_read(peer, SENT);
    drop(write);
}

#[tokio::test]
async fn a_send_keeps_a_peer_that_reads_steadily() {
    let (mut ws, peer) = connection().await;
    soon(ws.send(vec![7; SENT]))
        .await
        .expect("the peer is alive");
    has_read(peer, SENT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_handle_keeps_a_peer_that_reads_steadily() {
    let (mut ws, peer) = connection().await;
    let handle = ws.handle();
    let task = tokio::spawn(async move { ws.recv().await });
    for _ in 0..SENT >> 16 {
        let sent = soon(handle.send(vec![7; 1 << 16])).await;
        sent.expect("the peer is alive");
    }
    // The queue, the inbox and the socket still hold bytes when the last send is accepted.
    let read = tokio::task::spawn_blocking(move || has_read(peer, SENT));
    soon(read).await.unwrap();
    drop(task);
}

async fn served(len: usize) {
    let (tell, mut sent) = tokio::sync::mpsc::unbounded_channel();
    let server = Running::start(config(), move |mut ws| {
        let tell = tell.clone();
        async move {
            let send = async {
                // The client's handshake must not read any of the bytes.
                ws.recv().await?;
                for _ in 0..SERVED.0 / len {
                    ws.send(vec![7; len]).await?;
                }
                ws.flush().await
            };
            tell.send(send.await).unwrap();
            pending::<()>().await;
        }
    })
    .await;
    let mut peer = server.raw().await;
    let start = frame(Role::Client, FIN | TEXT, b"start");
    peer.write_all(&start).await.unwrap();
    let peer = read_steadily(peer, SERVED.0, SERVED.1);
    let sent = soon(sent.recv()).await.unwrap();
    sent.expect("the peer is alive");
    has_read(peer, SERVED.0);
}

#[tokio::test]
async fn a_handler_keeps_a_peer_that_reads_steadily() {
    served(SERVED.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_handler_whose_messages_are_corked_keeps_a_peer_that_reads_steadily() {
    served(1 << 14).await;
}
