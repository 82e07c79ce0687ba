//! Runs the servers, each as a process of its own, over real sockets.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wsimd::{ClientBuilder, CloseCode, Message, Offer};

/// The time for a test.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server, and reads its address from its first line.
fn start(program: &str) -> (Server, String) {
    let mut child = Command::new(program)
        .arg("127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let stdout = child.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let address = line.trim_end().strip_prefix("listening on ws://").unwrap();
    (Server(child), address.to_owned())
}

/// Plain HTTP, a refused page of another host, an echo and a clean end.
async fn check(program: &str) {
    let (_server, address) = start(program);
    let mut tcp = TcpStream::connect(&address).await.unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    tcp.read_to_string(&mut response).await.unwrap();
    assert!(response.ends_with("\r\n\r\nok\n"), "{response}");

    let uri = format!("ws://{address}/chat");
    let offer = Offer::new().origin("https://example.com").unwrap();
    let refused = ClientBuilder::new().offer(offer).connect(&uri).await;
    assert_eq!(refused.unwrap_err().response().unwrap().status(), 403);

    let mut ws = wsimd::connect(&uri).await.unwrap();
    for message in [Message::from("Hello"), Message::from(vec![7; 300_000])] {
        ws.send(message.clone()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message));
    }
    ws.close(CloseCode::NORMAL, "done").await.unwrap();
    assert!(ws.closed().unwrap().is_clean());
}

#[tokio::test]
async fn a_websocket_out_of_hyper() {
    let checked = timeout(LIMIT, check(env!("CARGO_BIN_EXE_on-hyper"))).await;
    checked.expect("in time");
}

#[tokio::test]
async fn a_websocket_out_of_axum() {
    let checked = timeout(LIMIT, check(env!("CARGO_BIN_EXE_on-axum"))).await;
    checked.expect("in time");
}
