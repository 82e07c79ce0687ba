//! [`Extensions`]: the extensions that one connection uses.

use std::fmt;

use super::{
    Coders,
    decoders::{self, Decoder, Decoders},
    encoders::{Encoder, Encoders},
};
use crate::frame::Rsv;

/// The extensions that an opening handshake negotiated, for one connection.
///
/// Sent messages pass through the extensions in the order of the server's response. Received messages pass
/// through them in the opposite order (RFC 6455 §9.1).
#[derive(Default)]
pub struct Extensions {
    /// The `Sec-WebSocket-Extensions` header as the server sent it.
    header: String,
    encoders: Vec<Encoder>,
    decoders: Vec<Decoder>,
}

impl Extensions {
    /// Returns whether no extension was negotiated.
    pub const fn is_empty(&self) -> bool {
        self.encoders.is_empty()
    }

    /// Returns the names and parameters as they stand in the server's header.
    pub fn as_str(&self) -> &str {
        &self.header
    }

    /// Returns the reserved bits that the extensions own.
    pub(crate) fn rsv(&self) -> Rsv {
        decoders::owned_rsv(&self.decoders)
    }

    /// Adds the coders of an extension after the others. `element` is the extension's element of the header.
    pub(crate) fn push(&mut self, element: &str, rsv: Rsv, coders: Coders) {
        if !self.header.is_empty() {
            self.header.push_str(", ");
        }
        self.header.push_str(element);
        // Most connections have one extension.
        self.encoders.reserve_exact(1);
        self.decoders.reserve_exact(1);
        self.encoders.push(Encoder::new(rsv, coders.encode));
        // The last encoder belongs to the first decoder.
        self.decoders.insert(0, Decoder::new(rsv, coders.decode));
    }

    /// Splits the extensions by direction, for
    /// [`Sender::set_encoders`](crate::protocol::Sender::set_encoders) and
    /// [`Receiver::set_decoders`](crate::protocol::Receiver::set_decoders).
    pub fn split(self) -> (Encoders, Decoders) {
        (Encoders::new(self.encoders), Decoders::new(self.decoders))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extensions").field(&self.header).finish()
    }
}
