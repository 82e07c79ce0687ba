//! [`Transport`]: the stream of a connection, which may be corked.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::AsyncWrite;

/// The stream of a connection.
#[derive(Debug)]
pub(super) struct Transport<S> {
    pub(super) io: S,
    /// Set for a stream that keeps written bytes until it is flushed. Returns whether the socket has
    /// taken bytes since the last call.
    pub(super) cork: Option<fn(&S) -> bool>,
}

impl<S> Transport<S> {
    /// Returns whether the socket below a corked stream has taken bytes since the last call; `None` for
    /// any other stream.
    pub(super) fn take_progress(&self) -> Option<bool> {
        self.cork.map(|progress| progress(&self.io))
    }
}

impl<S: AsyncWrite + Unpin> Transport<S> {
    /// Shuts the sending direction down.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
