//! A server of ours on the loopback device, and a client that meets it.

use std::{future::Future, time::Duration};

use tokio::time::timeout;
use wsimd::{Error, ServerBuilder, WebSocket, net::Stream};

/// Runs a server with the handler, and `client` with a connection to it; at most for a minute.
pub(crate) async fn with_server<H, F, C>(handler: H, client: impl FnOnce(WebSocket<Stream>) -> C)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output: Send> + Send + 'static,
    C: Future<Output = Result<(), Error>>,
{
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", server.local_addr().unwrap());
    let task = tokio::spawn(server.serve(handler));
    let ws = wsimd::connect(&uri).await.unwrap();
    let done = timeout(Duration::from_secs(60), client(ws)).await;
    task.abort();
    done.expect("a message never left").unwrap();
}
