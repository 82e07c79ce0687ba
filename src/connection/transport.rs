//! [`Transport`]: the stream of a connection, which may be corked.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::AsyncWrite;

use super::{inbox::InboxOwner, owned::Left};
use crate::config::Config;

/// The stream of a connection.
#[derive(Debug)]
pub(super) struct Transport<S> {
    pub(super) io: S,
    /// Set for a stream that keeps written bytes until it is flushed.
    pub(super) cork: Option<Cork<S>>,
}

/// Returns the functions of a corked stream. One pointer, because every connection has it.
pub(super) type Cork<S> = fn() -> CorkFunctions<S>;

/// The functions of a corked stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CorkFunctions<S> {
    /// Returns whether the socket has taken bytes since the last call.
    pub(crate) take_progress: fn(&S) -> bool,
    /// Takes a connection that its owner has dropped. The connection is no longer corked.
    pub(crate) take_back: fn(Left<S>),
    /// Returns whether the server has created an inbox for the connection.
    pub(crate) has_mail: fn(&S) -> bool,
    /// Returns the inbox for the connection. Creates it if the server has not.
    pub(crate) claim_inbox: fn(&S, &Config) -> InboxOwner,
    /// Returns whether the waker is that of the task that polls the handler.
    pub(crate) is_task: fn(&S, &Waker) -> bool,
}

impl<S> Transport<S> {
    /// Returns whether the socket below a corked stream has taken bytes since the last call; `None` for
    /// any other stream.
    pub(super) fn take_progress(&self) -> Option<bool> {
        self.cork.map(|cork| (cork().take_progress)(&self.io))
    }
}

impl<S: AsyncWrite + Unpin> Transport<S> {
    /// Shuts the sending direction down.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
