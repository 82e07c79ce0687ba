//! The values that name a server, and the response of the server.

use tokio::sync::mpsc;
use wsimd::{
    ClientBuilder, Error, Offer, Policy, ServerBuilder,
    handshake::{HandshakeError, Target},
    http::{HeaderMap, Request, Uri},
};

/// Starts a server that passes the headers of each request to the test. Returns its port.
async fn serve() -> (u16, mpsc::UnboundedReceiver<HeaderMap>) {
    let (sender, headers) = mpsc::unbounded_channel();
    let policy = Policy::new()
        .subprotocols(["chat"])
        .unwrap()
        .header("x-served-by", "tests")
        .unwrap()
        .origins(wsimd::Origins::any());
    let server = ServerBuilder::new()
        .policy(policy)
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let port = server.local_addr().unwrap().port();
    tokio::spawn(server.serve_openings(move |opening| {
        let _ = sender.send(opening.headers().clone());
        async move {
            opening.upgrade().await?;
            Ok(())
        }
    }));
    (port, headers)
}

#[tokio::test]
async fn a_uri_may_have_several_types() {
    let (port, mut headers) = serve().await;
    let text = format!("ws://127.0.0.1:{port}/");
    let uri: Uri = text.parse().unwrap();
    let target = Target::parse(&text).unwrap();
    let request = Request::get(text.as_str()).body(()).unwrap();
    wsimd::connect(text.as_str()).await.unwrap();
    wsimd::connect(&text).await.unwrap();
    wsimd::connect(text.clone()).await.unwrap();
    wsimd::connect(&uri).await.unwrap();
    wsimd::connect(uri).await.unwrap();
    wsimd::connect(&target).await.unwrap();
    wsimd::connect(target).await.unwrap();
    wsimd::connect(&request).await.unwrap();
    wsimd::connect(request).await.unwrap();
    for _ in 0..9 {
        let headers = headers.recv().await.unwrap();
        assert_eq!(headers["host"], format!("127.0.0.1:{port}"));
    }
}

#[tokio::test]
async fn the_headers_of_a_request_are_sent_and_replace_those_of_the_builder() {
    let (port, mut headers) = serve().await;
    // As a client of tungstenite builds it.
    let request = Request::get(format!("ws://127.0.0.1:{port}/"))
        .header("Host", "example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Protocol", "other, chat")
        .header("Origin", "https://page.test")
        .header("Authorization", "Bearer 1")
        .header("Cookie", "a=1")
        .header("X-Many", "1")
        .header("X-Many", "2")
        .body(())
        .unwrap();
    let offer = Offer::new()
        .header("authorization", "Bearer 0")
        .unwrap()
        .header("x-of-builder", "yes")
        .unwrap();
    let client = ClientBuilder::new().offer(offer);
    let (ws, response) = client.connect_with_response(request).await.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["x-served-by"], "tests");
    let headers = headers.recv().await.unwrap();
    for (name, value) in [
        ("host", "example.com"),
        ("origin", "https://page.test"),
        ("authorization", "Bearer 1"),
        ("cookie", "a=1"),
        ("x-of-builder", "yes"),
        ("sec-websocket-protocol", "other, chat"),
    ] {
        assert_eq!(headers.get_all(name).iter().collect::<Vec<_>>(), [value]);
    }
    assert_eq!(headers.get_all("x-many").iter().count(), 2);
    assert_eq!(headers.get_all("upgrade").iter().count(), 1);
    assert_ne!(headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
}

#[tokio::test]
async fn a_request_that_opens_no_connection_is_an_error() {
    let error_of = async |request: Request<()>| match wsimd::connect(request).await.unwrap_err() {
        Error::Handshake(error) => *error,
        error => panic!("{error:?}"),
    };
    let get = || Request::get("ws://localhost:9/");
    let post = Request::post("ws://localhost:9/").body(()).unwrap();
    assert_eq!(
        error_of(post).await.to_string(),
        "invalid method \"POST\": a connection is opened with GET"
    );
    let relative = Request::get("/").body(()).unwrap();
    assert!(matches!(error_of(relative).await, HandshakeError::Uri(_)));
    for (name, value) in [
        ("sec-websocket-extensions", "permessage-deflate"),
        ("content-length", "0"),
        ("transfer-encoding", "chunked"),
    ] {
        let request = get().header(name, value).body(()).unwrap();
        let error = error_of(request).await;
        assert!(
            matches!(error, HandshakeError::ReservedHeader(_)),
            "{error:?}"
        );
    }
    let twice = get()
        .header("sec-websocket-protocol", "a, a")
        .body(())
        .unwrap();
    assert!(matches!(
        error_of(twice).await,
        HandshakeError::DuplicateSubprotocol(_)
    ));
}
