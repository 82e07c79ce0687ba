//! The kernel queues few unsent bytes for the sockets that `connect` and `serve` open.
#![cfg(any(target_os = "android", target_os = "linux"))]

use std::{future::pending, time::Duration};

use tokio::{net::TcpSocket, sync::mpsc::unbounded_channel, time::timeout};
use wsimd::{Config, WebSocket, net::Stream};

use crate::support::{serve::Running, soon};

/// The receive buffer of a peer, in bytes. Linux doubles it.
const PEER: u32 = 128 << 10;

/// More bytes than a connection, its kernel queue and the buffer of the peer take, and far fewer than the
/// 4 MB that the kernel queues by default.
const MOST: usize = 1 << 20;

/// Feeds messages until the socket is full. Returns the number of bytes that the socket has taken.
async fn fill(ws: &mut WebSocket<Stream>) -> usize {
    let message = vec![7; 32 << 10];
    let mut fed = 0;
    while let Ok(accepted) = timeout(Duration::from_millis(300), ws.feed(message.clone())).await {
        accepted.unwrap();
        fed += message.len();
    }
    fed - ws.buffered()
}

#[tokio::test]
async fn a_client_whose_peer_does_not_read_soon_waits() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(PEER).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    let accept = async { wsimd::accept(listener.accept().await.unwrap().0).await };
    let (client, server) = tokio::join!(wsimd::connect(&uri), accept);
    let (mut client, _server) = (client.unwrap(), server.unwrap());
    let taken = soon(fill(&mut client)).await;
    assert!(taken < MOST, "{taken}");
}

#[tokio::test]
async fn a_server_whose_peer_does_not_read_soon_waits() {
    let (tell, mut taken) = unbounded_channel();
    let server = Running::start(Config::new(), move |mut ws| {
        let tell = tell.clone();
        async move {
            tell.send(fill(&mut ws).await).unwrap();
            pending::<()>().await;
        }
    })
    .await;
    let _peer = server.raw().await;
    let taken = soon(taken.recv()).await.unwrap();
    assert!(taken < MOST, "{taken}");
}
