//! [`Owned`]: the memory of a connection, which a corked stream takes back from its owner.

use std::ops::{Deref, DerefMut};

use super::{WebSocket, socket::Socket};

/// A connection with its stream. If the stream is corked, dropping this value passes the connection to
/// [`CorkFunctions::take_back`](super::transport::CorkFunctions), so that `serve` can close it.
///
/// INVARIANT: `Some` until the value is dropped or consumed.
pub(super) struct Owned<S>(Option<Box<Socket<S>>>);

/// A connection whose last owner has dropped it. One pointer, also in an `Option`.
pub(crate) struct Left<S>(Box<Socket<S>>);

impl<S> Left<S> {
    /// Returns the stream.
    pub(crate) fn get_ref(&self) -> &S {
        &self.0.transport.io
    }
}

impl<S> From<Left<S>> for WebSocket<S> {
    fn from(left: Left<S>) -> Self {
        Self {
            inner: Owned(Some(left.0)),
        }
    }
}

impl<S> Owned<S> {
    pub(super) fn new(socket: Socket<S>) -> Self {
        Self(Some(Box::new(socket)))
    }

    /// Returns the connection. Nothing takes it back any more.
    pub(super) fn into_socket(mut self) -> Socket<S> {
        match self.0.take() {
            Some(socket) => *socket,
            None => unreachable!("an owned connection is there until it is dropped"),
        }
    }
}

impl<S> Deref for Owned<S> {
    type Target = Socket<S>;

    #[inline]
    fn deref(&self) -> &Socket<S> {
        match &self.0 {
            Some(socket) => socket,
            None => unreachable!("an owned connection is there until it is dropped"),
        }
    }
}

impl<S> DerefMut for Owned<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Socket<S> {
        match &mut self.0 {
            Some(socket) => socket,
            None => unreachable!("an owned connection is there until it is dropped"),
        }
    }
}

impl<S> Drop for Owned<S> {
    fn drop(&mut self) {
        let Some(mut socket) = self.0.take() else {
            return;
        };
        let Some(cork) = socket.transport.cork.take() else {
            return;
        };
        // Halves may have been the owner.
        socket.waiters.set_defers(false);
        (cork().take_back)(Left(socket));
    }
}
