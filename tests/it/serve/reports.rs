//! The errors that a server reports.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use wsimd::{CloseCode, Config, Error, ServerBuilder, WebSocket, net::Stream};

use crate::support::served::{Served, get};

/// Echoes, and fails when the client asks for that.
async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        match message.as_text() {
            Some("err") => return Err(Error::other("the database is gone")),
            Some("panic") => panic!("number {}", 7),
            _ => ws.send(message).await?,
        }
    }
    Ok(())
}

#[tokio::test]
async fn each_error_is_reported_once_with_the_address_of_the_client() {
    let config = Config::new().open_timeout(Duration::from_millis(200));
    let mut server = Served::start(ServerBuilder::new().config(config), echo).await;

    let mut refused = server.tcp().await;
    refused.write_all(get("/").as_bytes()).await.unwrap();
    let (error, peer) = server.error().await;
    assert!(error.contains("Upgrade"), "{error}");
    assert_eq!(peer, Some(refused.local_addr().unwrap()));

    let silent = server.tcp().await;
    let (error, peer) = server.error().await;
    assert!(error.contains("opening handshake"), "{error}");
    assert_eq!(peer, Some(silent.local_addr().unwrap()));

    for (ask, expected) in [
        ("err", "the database is gone"),
        ("panic", "the handler panicked: number 7"),
    ] {
        let mut ws = server.client().await;
        let local = ws.get_ref().local_addr().unwrap();
        ws.send(ask).await.unwrap();
        let (error, peer) = server.error().await;
        assert_eq!((error.as_str(), peer), (expected, Some(local)));
        assert!(ws.recv().await.is_err());
    }

    let mut ws = server.client().await;
    ws.close(CloseCode::NORMAL, "").await.unwrap();
    drop(ws);
    let ws = server.client().await;
    let local = ws.get_ref().local_addr().unwrap();
    drop(ws);
    // The client without a Close frame is the next error: the clean one is none.
    let (error, peer) = server.error().await;
    assert!(error.contains("without a Close frame"), "{error}");
    assert_eq!(peer, Some(local));
    server.has(0, 0).await;
    assert!(server.errors.try_recv().is_err());
}
