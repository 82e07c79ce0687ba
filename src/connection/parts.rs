//! [`Parts`]: a connection taken apart.

use std::fmt;

use bytes::{Bytes, BytesMut};

use super::core::Core;
use crate::{config::Config, extension::Extensions, frame::Role};

/// A connection taken apart: its stream, the bytes on either side of it, and its state.
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub io: S,
    /// Bytes that were read from the stream and not received yet.
    pub read_buf: BytesMut,
    /// Bytes that are yet to be written to the stream.
    pub write_buf: Bytes,
    pub(super) core: Core,
    pub(super) subprotocol: Option<Box<str>>,
}

impl<S> Parts<S> {
    /// Makes the parts of a connection that has just been opened, both buffers empty.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self {
            io,
            read_buf: BytesMut::new(),
            write_buf: Bytes::new(),
            core: Core::new(role, config),
            subprotocol: None,
        }
    }

    /// Goes on with the extensions that the opening handshake agreed on.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        let (encoders, decoders) = extensions.split();
        self.core.sender.extend(encoders);
        self.core.receiver.extend(decoders);
        self.core.receiver.let_pause();
        self
    }

    /// Sets the subprotocol that the opening handshake agreed on.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: Option<&str>) -> Self {
        self.subprotocol = subprotocol.map(Box::from);
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
