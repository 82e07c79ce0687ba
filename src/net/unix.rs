//! Unix sockets as streams.

use tokio::net::UnixStream;

use super::Stream;

/// Connects to a Unix socket.
#[cfg(feature = "client")]
pub(super) async fn connect(path: &std::path::Path) -> std::io::Result<Stream> {
    UnixStream::connect(path).await.map(Stream::from)
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::new(stream)
    }
}
