//! The methods that both halves have: the facts of their connection, and its handle.

use std::{sync::Arc, task::Waker, time::Duration};

use super::{Owned, ReadHalf, WriteHalf};
use crate::{
    connection::{
        Handle,
        waiters::{Side, lock},
    },
    protocol::Closed,
    sync::Mutex,
};

macro_rules! impl_facts {
    ($half:ident, $other:ident) => {
        impl<S> $half<S> {
            /// Returns whether the other half belongs to the same connection, so that
            /// [`ReadHalf::reunite`] joins them.
            pub fn is_pair_of(&self, other: &$other<S>) -> bool {
                Arc::ptr_eq(&self.0, &other.0)
            }

            /// Returns a handle that sends from elsewhere, as [`WebSocket::handle`](crate::WebSocket::handle).
            pub fn handle(&self) -> Handle {
                create_handle(&self.0)
            }

            /// Returns a copy of the negotiated subprotocol, as
            /// [`WebSocket::subprotocol`](crate::WebSocket::subprotocol).
            pub fn subprotocol(&self) -> Option<String> {
                let name = lock(&self.0).subprotocol.as_deref()?.to_string();
                Some(name)
            }

            /// Returns the Close frames of both sides once the connection has ended, as
            /// [`WebSocket::closed`](crate::WebSocket::closed).
            pub fn closed(&self) -> Option<Closed> {
                lock(&self.0).link.closed()
            }

            /// Returns the round-trip time of the last answered ping, as
            /// [`WebSocket::latency`](crate::WebSocket::latency).
            pub fn latency(&self) -> Option<Duration> {
                lock(&self.0).session().latency()
            }

            /// Calls `f` with the stream, to read its options, as [`WebSocket::get_ref`](crate::WebSocket::get_ref).
            ///
            /// ```
            /// # use std::{io, net::SocketAddr};
            #[doc = concat!("# use wsimd::{", stringify!($half), ", net::Stream};")]
            #[doc = concat!("fn peer(half: &", stringify!($half), "<Stream>) -> io::Result<SocketAddr> {")]
            ///     half.with_io(|io| io.peer_addr())
            /// }
            /// ```
            ///
            /// The connection is locked while `f` runs: `f` must not use the other half, and the task of the other half
            /// waits for `f` to return.
            pub fn with_io<R>(&self, f: impl FnOnce(&S) -> R) -> R {
                f(&lock(&self.0).transport.io)
            }
        }
    };
}

impl_facts!(ReadHalf, WriteHalf);
impl_facts!(WriteHalf, ReadHalf);

/// Creates a handle. A task that waits does not watch a new inbox before its next poll, so that it is woken.
fn create_handle<S>(socket: &Mutex<Owned<S>>) -> Handle {
    let mut socket = lock(socket);
    let is_watched = socket.link.has_inbox();
    let handle = socket.handle();
    if is_watched {
        return handle;
    }
    let tasks = [Side::Read, Side::Write].map(|side| socket.waiters.take(side));
    drop(socket);
    tasks.into_iter().flatten().for_each(Waker::wake);
    handle
}
