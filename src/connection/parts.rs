//! [`Parts`]: a connection taken apart.

use std::{fmt, mem};

use bytes::{Bytes, BytesMut};

use super::{
    link::Link,
    session::Session,
    socket::Socket,
    transport::{Cork, Transport},
    waiters::Waiters,
};
use crate::{
    config::Config, extension::Extensions, frame::Role, message::Message, protocol::Endpoint,
};

/// A connection taken apart: its stream, the bytes in both directions, and its state.
///
/// [`WebSocket::from_parts`](super::WebSocket::from_parts) creates a connection over a stream whose opening
/// handshake another library has performed. [`WebSocket::into_parts`](super::WebSocket::into_parts) takes a
/// connection apart. `WebSocket::into_framed` continues it under `tokio_util::codec::Framed`.
///
/// ```
/// use bytes::BytesMut;
/// use wsimd::{Config, Parts, Role, WebSocket};
///
/// /// Continues after an opening handshake. The peer has sent `early` already.
/// fn open<S>(io: S, early: &[u8]) -> WebSocket<S> {
///     let mut parts = Parts::new(io, Role::Server, &Config::new()).subprotocol(Some("chat"));
///     parts.read_buf = BytesMut::from(early);
///     WebSocket::from_parts(parts)
/// }
/// ```
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub io: S,
    /// Bytes that were read from the stream and not received yet.
    pub read_buf: BytesMut,
    /// Bytes that wait to be written to the stream. They include the rest of an unfinished message.
    pub write_buf: Bytes,
    /// The negotiated extensions, the unfinished received message, and the Close frames so far.
    pub endpoint: Endpoint,
    /// A message that was received and that `recv` has not returned.
    pub message: Option<Message>,
    /// `None` for a connection that was just opened. Otherwise its endpoint is a placeholder.
    link: Option<Link>,
    cork: Option<Cork<S>>,
    subprotocol: Option<Box<Box<str>>>,
}

impl<S> Parts<S> {
    /// Creates the parts of a connection that was just opened, with empty buffers.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self {
            io,
            read_buf: BytesMut::new(),
            write_buf: Bytes::new(),
            endpoint: Endpoint::new(role, config),
            message: None,
            link: None,
            cork: None,
            subprotocol: None,
        }
    }

    /// Uses the extensions that the opening handshake negotiated.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        self.endpoint.set_extensions(extensions);
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
        let session = link.session_mut();
        session.deliver_whole();
        let (read_buf, write_buf) = session.take_bytes();
        let endpoint = session.endpoint_mut();
        let placeholder = Endpoint::new(endpoint.role(), endpoint.config());
        Self {
            io: transport.io,
            read_buf,
            write_buf,
            endpoint: mem::replace(endpoint, placeholder),
            message: session.take_parked(),
            link: Some(link),
            cork: transport.cork,
            subprotocol,
        }
    }

    pub(super) fn into_socket(self) -> Socket<S> {
        let mut link = match self.link {
            None => Link::new(Session::new(self.endpoint)),
            Some(mut link) => {
                *link.session_mut().endpoint_mut() = self.endpoint;
                link
            }
        };
        let session = link.session_mut();
        session.wire_mut().restore(self.read_buf, self.write_buf);
        if let Some(message) = self.message {
            session.park(message);
        }
        Socket {
            transport: Transport {
                io: self.io,
                cork: self.cork,
            },
            link,
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
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}
