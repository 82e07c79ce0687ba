//! [`Accepted`]: an accepted request whose response an HTTP server writes.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    config::Config, connection::WebSocket, frame::Role, handshake::Negotiated,
    net::opening::into_websocket,
};

/// An accepted request, whose 101 response an HTTP server writes.
/// [`ServerBuilder::negotiate`](super::ServerBuilder::negotiate) creates it.
#[derive(Debug)]
pub struct Accepted {
    config: Config,
    negotiated: Negotiated,
}

impl Accepted {
    pub(super) fn new(config: Config, negotiated: Negotiated) -> Self {
        Self { config, negotiated }
    }

    /// Returns the subprotocol and the extensions of the response.
    pub fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Creates the connection over the stream that the HTTP server gives up after the 101 response.
    pub fn open<S>(self, io: S) -> WebSocket<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.open_with(io, BytesMut::new())
    }

    /// Creates the connection as [`open`](Self::open) does, with bytes that the HTTP server has read after the
    /// request.
    pub fn open_with<S>(self, io: S, read_buf: impl Into<BytesMut>) -> WebSocket<S>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let read_buf = read_buf.into();
        into_websocket(io, Role::Server, &self.config, self.negotiated, &read_buf)
    }
}
