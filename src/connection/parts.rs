//! [`Parts`]: a connection taken apart.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::{link::Link, session::Session, socket::Socket, waiters::Waiters, wire::Transport};
use crate::{config::Config, extension::Extensions, frame::Role, protocol::Endpoint};

/// A connection taken apart: its stream, the bytes on either side of it, and its state.
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub io: S,
    /// Bytes that were read from the stream and not received yet.
    pub read_buf: BytesMut,
    /// Bytes that wait to be written to the stream.
    pub write_buf: Bytes,
    link: Link,
    cork: Option<fn(&S) -> bool>,
    subprotocol: Option<Box<Box<str>>>,
}

impl<S> Parts<S> {
    /// Creates the parts of a connection that was just opened, with empty buffers.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self {
            io,
            read_buf: BytesMut::new(),
            write_buf: Bytes::new(),
            link: Link::new(Session::new(Endpoint::new(role, config))),
            cork: None,
            subprotocol: None,
        }
    }

    /// Uses the extensions that the opening handshake negotiated.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.link.session_mut().set_extensions(extensions);
        self
    }

    pub(super) fn from_socket(socket: Socket<S>) -> Self {
        let Socket {
            transport,
            mut link,
            subprotocol,
            ..
        } = socket;
        link.forget_task();
        let (read_buf, write_buf) = link.session_mut().take_bytes();
        Self {
            io: transport.io,
            read_buf,
            write_buf,
            link,
            cork: transport.cork,
            subprotocol,
        }
    }

    pub(super) fn into_socket(mut self) -> Socket<S> {
        let wire = self.link.session_mut().wire_mut();
        wire.restore(self.read_buf, self.write_buf);
        Socket {
            transport: Transport {
                io: self.io,
                cork: self.cork,
            },
            link: self.link,
            waiters: Waiters::new(),
            subprotocol: self.subprotocol,
        }
    }

    /// Sets the subprotocol that the opening handshake negotiated.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: Option<&str>) -> Self {
        self.subprotocol = subprotocol.map(|name| Box::new(Box::from(name)));
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for Parts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("io", &self.io)
            .field("read_buf", &self.read_buf.len())
            .field("write_buf", &self.write_buf.len())
            .finish_non_exhaustive()
    }
}
