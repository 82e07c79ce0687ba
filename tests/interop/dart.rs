//! The request of Dart's `dart:io`, byte for byte. Flutter sends it as well.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wsimd::{Config, extension::Deflate};

use super::echo_server;

/// The request of `WebSocket.connect`. Dart writes the headers in the order of a hash map.
const REQUEST: &str = "GET / HTTP/1.1\r\n\
    user-agent: Dart/2.10 (dart:io)\r\n\
    connection: Upgrade\r\n\
    cache-control: no-cache\r\n\
    accept-encoding: gzip\r\n\
    content-length: 0\r\n\
    sec-websocket-version: 13\r\n\
    host: 127.0.0.1:8765\r\n\
    sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n\
    sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    upgrade: websocket\r\n\
    \r\n";

/// "Hello", masked (RFC 6455 §5.7).
const HELLO: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

/// Sends the request and a message. Checks the response and the echo.
async fn check(request: &str) {
    let config = Config::new().extension(Deflate::new());
    let (server, _ended) = echo_server(config).await;
    let mut io = TcpStream::connect(server).await.unwrap();
    io.write_all(&[request.as_bytes(), HELLO].concat())
        .await
        .unwrap();
    let mut received = Vec::new();
    let end = b"\r\n\r\n\x81\x05Hello";
    while !received.ends_with(end) {
        let len = io.read_buf(&mut received).await.unwrap();
        assert!(len > 0, "{}", received.escape_ascii());
    }
    let response = String::from_utf8_lossy(&received).to_lowercase();
    assert!(response.starts_with("http/1.1 101 "), "{response}");
    for header in [
        "upgrade: websocket",
        "connection: upgrade",
        "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=",
        "sec-websocket-extensions: permessage-deflate",
    ] {
        assert!(response.contains(&format!("\r\n{header}")), "{response}");
    }
}

/// Versions of Dart up to 2.12 announce the length of no body.
#[tokio::test]
async fn dart_with_a_length_of_zero_is_accepted() {
    check(REQUEST).await;
}

#[tokio::test]
async fn dart_is_accepted() {
    check(&REQUEST.replace("content-length: 0\r\n", "")).await;
}
