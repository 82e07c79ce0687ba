//! A server that restarts, over real sockets.

use tokio::{runtime::Runtime, sync::mpsc, time::timeout};
use wsimd::ServerHandle;

use super::*;

const LIMIT: Duration = Duration::from_secs(60);

/// A server with a runtime of its own, which answers each message with its name.
struct Restarting {
    runtime: Runtime,
    handle: ServerHandle,
    address: SocketAddr,
}

async fn answer(mut ws: WebSocket<Stream>, name: &'static str) -> Result<(), Error> {
    while ws.recv().await?.is_some() {
        ws.send(name).await?;
    }
    Ok(())
}

impl Restarting {
    async fn start(address: &str, name: &'static str) -> Self {
        let runtime = Runtime::new().unwrap();
        let address = address.to_owned();
        let bound = runtime.spawn(async move {
            loop {
                // The server before it may still hold the address.
                match ServerBuilder::new().bind(&*address).await {
                    Ok(server) => break server,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        });
        let server = timeout(LIMIT, bound).await.unwrap().unwrap();
        let address = server.local_addr().unwrap();
        let handle = server.handle();
        let serving = server.serve(move |ws| answer(ws, name));
        runtime.spawn(serving.into_future());
        Self {
            runtime,
            handle,
            address,
        }
    }

    /// Ends the server and its connections without a Close frame.
    fn crash(self) {
        self.runtime.shutdown_background();
    }

    /// Ends the server and its connections with 1001.
    async fn shut_down(self) {
        self.handle.shutdown(1001, "restart", LIMIT).await.unwrap();
        self.runtime.shutdown_background();
    }
}

#[tokio::test]
async fn a_client_subscribes_again_to_a_server_that_restarts() {
    let server = Restarting::start("127.0.0.1:0", "first").await;
    let address = server.address.to_string();
    let connections = ClientBuilder::new().reconnect(format!("ws://{address}/"));
    let mut connections = connections
        .unwrap()
        .min_delay(Duration::from_millis(10))
        .max_delay(Duration::from_millis(50));
    let (sender, mut received) = mpsc::unbounded_channel();
    let client = tokio::spawn(async move {
        loop {
            let mut ws = connections.next().await?;
            let number = connections.connections();
            let session = async {
                ws.send("subscribe").await?;
                while let Some(message) = ws.recv().await? {
                    sender.send((number, message)).map_err(Error::other)?;
                }
                Ok(())
            };
            if let Err(error) = session.await {
                connections.recover(error)?;
            }
        }
    });
    let mut next = async || timeout(LIMIT, received.recv()).await.unwrap().unwrap();
    let (number, message) = next().await;
    assert_eq!((number, message.as_text().unwrap()), (1, "first"));
    server.crash();
    let server = Restarting::start(&address, "second").await;
    let (second, message) = next().await;
    assert!(second > number, "{second}");
    assert_eq!(message.as_text().unwrap(), "second");
    server.shut_down().await;
    let server = Restarting::start(&address, "third").await;
    let (third, message) = next().await;
    assert!(third > second, "{third}");
    assert_eq!(message.as_text().unwrap(), "third");
    drop(received);
    server.crash();
    client.abort();
    let ended: Result<Result<(), Error>, _> = client.await;
    assert!(ended.unwrap_err().is_cancelled());
}
