//! A server of ours on the loopback device, and a client that meets it.

use std::{future::Future, net::SocketAddr, task::Poll, time::Duration};

use tokio::{
    net::{TcpSocket, TcpStream},
    task::{JoinHandle, unconstrained},
    time::timeout,
};
use wsimd::{ClientBuilder, Config, Error, ServerBuilder, WebSocket, net::Stream};

use super::poll_once;

/// Runs a server with the handler, and `client` with a connection to it, for at most a minute.
pub(crate) async fn with_server<H, F, C>(handler: H, client: impl FnOnce(WebSocket<Stream>) -> C)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output: Send> + Send + 'static,
    C: Future<Output = Result<(), Error>>,
{
    let server = Running::start(Config::new(), handler).await;
    let ws = server.client().await;
    let done = timeout(Duration::from_secs(60), client(ws)).await;
    done.expect("a message never left").unwrap();
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    pub(crate) async fn start<H, F>(config: Config, handler: H) -> Self
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        Self::start_with(ServerBuilder::new().config(config), handler).await
    }

    pub(crate) async fn start_with<H, F>(builder: ServerBuilder, handler: H) -> Self
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        let server = builder.bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let task = tokio::spawn(server.serve(move |ws| {
            let handled = handler(ws);
            async move {
                handled.await;
                Ok(())
            }
        }));
        Self { address, task }
    }

    pub(crate) fn uri(&self) -> String {
        format!("ws://{}/", self.address)
    }

    pub(crate) async fn client(&self) -> WebSocket<Stream> {
        wsimd::connect(&self.uri()).await.unwrap()
    }

    /// Opens a connection by hand. Its receive buffer is small, so that the server notices soon when
    /// the client does not read.
    pub(crate) async fn raw(&self) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(128 << 10).unwrap();
        let stream = socket.connect(self.address).await.unwrap();
        let (ws, _) = ClientBuilder::new()
            .handshake(&self.uri(), stream)
            .await
            .unwrap();
        ws.into_parts().io
    }
}

/// Sends until the socket and the buffer of `serve` are full. Returns the number of messages.
pub(crate) async fn fill(ws: &mut WebSocket<Stream>) -> usize {
    let sends = async {
        let mut messages = 0;
        while let Poll::Ready(sent) = poll_once(ws.send(vec![0; 30_000])) {
            sent.unwrap();
            messages += 1;
        }
        messages
    };
    unconstrained(sends).await
}
