//! `examples/gate.rs`: answers before the upgrade.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use wsimd::{ClientBuilder, CloseCode, Error, Message, Offer};

use crate::{Example, LIMIT};

/// Sends a request as a health check does, and returns the whole response.
async fn get(gate: &Example, path: &str) -> String {
    let mut tcp = TcpStream::connect(&gate.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", gate.address);
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    let read = timeout(LIMIT, tcp.read_to_string(&mut response)).await;
    read.expect("the server closes the stream").unwrap();
    response
}

fn status(connected: Result<impl Sized, Error>) -> Option<u16> {
    Some(connected.err()?.status()?.as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_health_check_and_401_beside_the_socket() {
    let gate = Example::start("gate");
    let health = get(&gate, "/health").await;
    assert!(health.starts_with("HTTP/1.1 200 OK\r\n"), "{health}");
    assert!(health.ends_with("\r\n\r\nok\n"), "{health}");
    let missing = get(&gate, "/other").await;
    assert!(
        missing.starts_with("HTTP/1.1 404 Not Found\r\n"),
        "{missing}"
    );

    let refused = get(&gate, "/cave").await.to_ascii_lowercase();
    assert!(
        refused.starts_with("http/1.1 401 unauthorized\r\n"),
        "{refused}"
    );
    assert!(
        refused.contains("\r\nwww-authenticate: basic realm=\"cave\""),
        "{refused}"
    );
    assert_eq!(status(wsimd::connect(&gate.uri("/cave")).await), Some(401));
    assert_eq!(status(wsimd::connect(&gate.uri("/other")).await), Some(404));

    let wrong = format!("ws://Aladdin:open%20barley@{}/cave", gate.address);
    assert_eq!(status(wsimd::connect(&wrong).await), Some(401));
    let uri = format!("ws://Aladdin:open%20sesame@{}/cave", gate.address);
    let mut ws = wsimd::connect(&uri).await.unwrap();
    assert_eq!(
        ws.recv().await.unwrap(),
        Some(Message::from("Hello, Aladdin!"))
    );

    let offer = Offer::new()
        .subprotocols(["cave.v1", "cave.v2"])
        .and_then(|offer| offer.basic_auth("Aladdin", "open sesame"))
        .unwrap();
    let foreign = offer.clone().origin("http://example.com").unwrap();
    let foreign = ClientBuilder::new().offer(foreign);
    assert_eq!(status(foreign.connect(&gate.uri("/cave")).await), Some(403));
    let tcp = TcpStream::connect(&gate.address).await.unwrap();
    let client = ClientBuilder::new().offer(offer);
    let opened = client.handshake(&gate.uri("/cave"), tcp).await;
    let (mut second, response) = opened.unwrap();
    assert_eq!(second.subprotocol(), Some("cave.v2"));
    assert_eq!(response.headers()["x-user"], "Aladdin");
    second.close(CloseCode::NORMAL, "").await.unwrap();

    gate.interrupt();
    assert_eq!(ws.recv().await.unwrap(), None);
    assert_eq!(ws.closed().unwrap().code(), CloseCode::GOING_AWAY);
    let status = gate.wait().await;
    assert!(status.success(), "{status}");
}
