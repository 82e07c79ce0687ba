//! Unix sockets as streams.

use tokio::net::UnixStream;

use super::Stream;

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::new(stream)
    }
}
