//! A server of a test with its handle and its errors, and clients that speak HTTP by hand.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::JoinHandle,
};
use wsimd::{Error, Opening, Server, ServerBuilder, ServerHandle, WebSocket, net::Stream};

use super::soon;

/// An error that a server reported, and the address of the client.
pub(crate) type Reported = (String, Option<SocketAddr>);

/// A server that runs until it is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) handle: ServerHandle,
    pub(crate) task: JoinHandle<()>,
    pub(crate) errors: UnboundedReceiver<Reported>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Served {
    pub(crate) async fn start<H, F>(builder: ServerBuilder, handler: H) -> Self
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::run(builder, |server| tokio::spawn(server.serve(handler))).await
    }

    pub(crate) async fn start_openings<H, F>(builder: ServerBuilder, handler: H) -> Self
    where
        H: Fn(Opening<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        Self::run(builder, |server| {
            tokio::spawn(server.serve_openings(handler))
        })
        .await
    }

    async fn run(builder: ServerBuilder, serve: impl FnOnce(Server) -> JoinHandle<()>) -> Self {
        let (report, errors) = unbounded_channel();
        let builder = builder.on_error(move |error, peer| {
            // The test may ignore the errors.
            let _ = report.send((error.to_string(), peer));
        });
        let server = builder.bind("127.0.0.1:0").await.unwrap();
        Self {
            address: server.local_addr().unwrap(),
            handle: server.handle(),
            task: serve(server),
            errors,
        }
    }

    pub(crate) fn uri(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) async fn client(&self) -> WebSocket<Stream> {
        soon(wsimd::connect(&self.uri("/"))).await.unwrap()
    }

    /// Opens a TCP connection.
    pub(crate) async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends a request. Returns the whole answer.
    pub(crate) async fn http(&self, request: &str) -> String {
        let mut tcp = self.tcp().await;
        tcp.write_all(request.as_bytes()).await.unwrap();
        answer(&mut tcp).await
    }

    /// Waits for the next error that the server reports.
    pub(crate) async fn error(&mut self) -> Reported {
        soon(self.errors.recv()).await.unwrap()
    }

    /// Waits until the server has this number of handshakes and of connections.
    pub(crate) async fn has(&self, handshakes: usize, connections: usize) {
        let expected = (handshakes, connections);
        soon(async {
            while (
                self.handle.handshake_count(),
                self.handle.connection_count(),
            ) != expected
            {
                tokio::time::sleep(std::time::Duration::from_millis(2)).await;
            }
        })
        .await;
    }
}

/// Reads an answer to the end of the stream.
pub(crate) async fn answer(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    soon(io.read_to_end(&mut bytes))
        .await
        .expect("an end, not a reset");
    String::from_utf8(bytes).unwrap()
}

/// A request without a body.
pub(crate) fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A request that opens a WebSocket, with more header lines.
pub(crate) fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}
