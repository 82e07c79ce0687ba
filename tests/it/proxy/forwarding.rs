//! Proxies over TCP, which forward to a real server.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use wsimd::{ClientBuilder, Proxy, ServerBuilder};

use super::PROXY;

/// Listens on loopback, and runs `serve` for each client.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(tcp));
        }
    });
    addr
}

/// Starts an echo server.
async fn echo() -> SocketAddr {
    listen(async |tcp| {
        let mut ws = ServerBuilder::new().accept(tcp).await.unwrap();
        while let Some(message) = ws.recv().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    })
    .await
}

/// Forwards a client of HTTP CONNECT to `server`.
async fn forward_http(mut tcp: TcpStream, server: SocketAddr) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"CONNECT server.invalid:80 HTTP/1.1\r\n"));
    let mut to_server = TcpStream::connect(server).await.unwrap();
    tcp.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut tcp, &mut to_server).await;
}

/// Forwards a client of SOCKS5 to `server`.
async fn forward_socks(mut tcp: TcpStream, server: SocketAddr) {
    let mut greeting = [0; 3];
    tcp.read_exact(&mut greeting).await.unwrap();
    tcp.write_all(&[5, 0]).await.unwrap();
    let mut request = [0; 7 + "server.invalid".len()];
    tcp.read_exact(&mut request).await.unwrap();
    let mut to_server = TcpStream::connect(server).await.unwrap();
    tcp.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    let _ = copy_bidirectional(&mut tcp, &mut to_server).await;
}

#[tokio::test]
async fn messages_pass_through_proxies_over_tcp() {
    let server = echo().await;
    let http = listen(move |tcp| forward_http(tcp, server)).await;
    let socks = listen(move |tcp| forward_socks(tcp, server)).await;
    for proxy in [format!("http://{http}"), format!("socks5h://{socks}")] {
        let proxy_addr = if proxy.starts_with("http") {
            http
        } else {
            socks
        };
        let client = ClientBuilder::new().proxy(Proxy::parse(&proxy).unwrap());
        let mut ws = client.connect("ws://server.invalid/").await.unwrap();
        assert_eq!(ws.get_ref().peer_addr().unwrap(), proxy_addr);
        for len in [0, 1, 100_000, 1 << 20] {
            let message = "x".repeat(len);
            ws.send(&*message).await.unwrap();
            let echoed = ws.recv().await.unwrap().unwrap();
            assert_eq!(echoed.as_text(), Some(&*message));
        }
        ws.close(1000, "").await.unwrap();
    }
}

#[tokio::test]
async fn a_closed_port_of_a_proxy_names_the_proxy() {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = socket.local_addr().unwrap();
    assert_ne!(addr, PROXY.parse().unwrap());
    for scheme in ["http", "socks5h"] {
        let proxy = Proxy::parse(&format!("{scheme}://{addr}")).unwrap();
        let client = ClientBuilder::new().proxy(proxy);
        let error = client.connect("ws://server.invalid/").await.unwrap_err();
        let of_system = error.io_error().unwrap();
        assert_eq!(of_system.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_eq!(
            error.to_string(),
            format!("cannot use the proxy {addr}: {of_system}")
        );
    }
}
