//! Connections through proxies: HTTP CONNECT, SOCKS5, and TLS to the proxy and to the server.

mod choice;
mod environment;
mod forwarding;
mod socks;
#[cfg(feature = "ring")]
mod tls;
mod tunnel;

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};
use wsimd::{
    ClientBuilder, Error, Proxy, ProxyError, ProxyFailure, ServerBuilder, WebSocket, net::Stream,
};

use crate::support::opening::read_head;

/// A connection that the client opens, or the error.
type Connected = Result<WebSocket<Stream>, Error>;

/// A network in memory: each stream that the client opens arrives here.
struct Net {
    client: ClientBuilder,
    dialed: UnboundedReceiver<(SocketAddr, DuplexStream)>,
}

impl Net {
    /// Creates a network in which a stream keeps at most `size` bytes in each direction.
    fn new(client: ClientBuilder, size: usize) -> Self {
        let (sender, dialed) = unbounded_channel();
        let client = client.connect_with(move |addr| {
            let (near, far) = duplex(size);
            sender.send((addr, far)).unwrap();
            async { Ok(Stream::new(near)) }
        });
        Self { client, dialed }
    }

    fn with_proxy(proxy: &str) -> Self {
        let proxy = Proxy::parse(proxy).unwrap();
        Self::new(ClientBuilder::new().proxy(proxy), 4096)
    }

    async fn accept(&mut self) -> (SocketAddr, DuplexStream) {
        self.dialed.recv().await.unwrap()
    }

    /// Connects to `uri`, while `peer` is at the other end of the first stream.
    async fn connect<T>(
        mut self,
        uri: &str,
        peer: impl AsyncFnOnce(DuplexStream) -> T,
    ) -> (Connected, T) {
        let client = self.client.clone();
        let far = async move {
            let (addr, io) = self.accept().await;
            assert_eq!(addr, PROXY.parse().unwrap());
            peer(io).await
        };
        tokio::join!(client.connect(uri), far)
    }
}

/// The address of the proxy in the network.
const PROXY: &str = "192.0.2.1:3128";
const HTTP_PROXY: &str = "http://192.0.2.1:3128";
const OPEN: &str = "HTTP/1.1 200 OK\r\n\r\n";

/// Reads a request for a tunnel, and answers it.
async fn answer(io: &mut DuplexStream, answer: &str) -> String {
    let request = read_head(io).await;
    io.write_all(answer.as_bytes()).await.unwrap();
    request
}

/// Returns the next `len` bytes.
async fn read(io: &mut DuplexStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    io.read_exact(&mut bytes).await.unwrap();
    bytes
}

/// Is a server at the end of a tunnel: answers one message.
async fn serve_one(io: DuplexStream) {
    let mut ws = ServerBuilder::new().accept(io).await.unwrap();
    let message = ws.recv().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
}

#[track_caller]
fn proxy_error(connected: Connected) -> ProxyError {
    match connected {
        Err(Error::Proxy(error)) => *error,
        other => panic!("no error of the proxy: {other:?}"),
    }
}

#[track_caller]
fn failure(connected: Connected) -> ProxyFailure {
    proxy_error(connected).reason
}
