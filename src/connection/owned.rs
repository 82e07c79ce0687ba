//! [`Owned`]: the memory of a connection, which a corked stream takes back from its owner. [`Mail`]: its inbox.

#![cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only `serve` takes connections back")
)]

use std::ops::{Deref, DerefMut};

use super::{Handle, inbox::InboxOwner, socket::Socket};
use crate::config::Config;

/// A connection with its stream. If the stream is corked, dropping this value passes the connection to
/// [`CorkFunctions::take_back`](super::transport::CorkFunctions), so that `serve` can close it.
///
/// INVARIANT: `Some` until the value is dropped or consumed.
pub(super) struct Owned<S>(Option<Box<Socket<S>>>);

/// A connection whose last owner has dropped it. One pointer, also in an `Option`.
pub(crate) struct Left<S>(pub(super) Box<Socket<S>>);

/// The inbox of a connection under `serve`, which the connection or the server creates, whichever needs it first.
pub(crate) struct Mail {
    handle: Handle,
    /// `None` once the connection has claimed the inbox.
    owner: Option<InboxOwner>,
}

impl Mail {
    /// Creates an inbox.
    pub(crate) fn new(config: &Config) -> Self {
        let owner = InboxOwner::new(config);
        Self {
            handle: Handle::new(&owner),
            owner: Some(owner),
        }
    }

    /// Returns the inbox for the connection. Creates one if the server has not, or the connection lost it.
    pub(crate) fn claim(mail: &mut Option<Self>, config: &Config) -> InboxOwner {
        let claimed = mail.as_mut().and_then(|mail| mail.owner.take());
        claimed.unwrap_or_else(|| {
            let owner = InboxOwner::new(config);
            let handle = Handle::new(&owner);
            *mail = Some(Self {
                handle,
                owner: None,
            });
            owner
        })
    }

    /// Returns a handle of the connection.
    pub(crate) fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl<S> Owned<S> {
    pub(super) fn new(socket: Box<Socket<S>>) -> Self {
        Self(Some(socket))
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
