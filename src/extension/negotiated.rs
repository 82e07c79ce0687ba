//! [`Extensions`]: the extensions that one connection uses.

use std::fmt;

use super::{
    Coders,
    decoders::{self, Decoder, Decoders},
    encoders::{Encoder, Encoders},
};
use crate::frame::Rsv;

/// The extensions that an opening handshake agreed on, for one connection.
///
/// Message payloads pass through them in the order of the server's response when they are sent, and
/// in the opposite order when they are received (RFC 6455 §9.1).
#[derive(Default)]
pub struct Extensions {
    /// `Sec-WebSocket-Extensions` as the server sent it.
    header: String,
    encoders: Vec<Encoder>,
    decoders: Vec<Decoder>,
}

impl Extensions {
    /// Whether none was agreed on.
    pub const fn is_empty(&self) -> bool {
        self.encoders.is_empty()
    }

    /// Returns the names and parameters, as the server's header states them.
    pub fn as_str(&self) -> &str {
        &self.header
    }

    /// Returns the reserved bits that are taken.
    pub(crate) fn rsv(&self) -> Rsv {
        decoders::owned(&self.decoders)
    }

    /// Adds the coders of an extension behind the others. `element` is its element of the header.
    pub(crate) fn push(&mut self, element: &str, rsv: Rsv, coders: Coders) {
        if !self.header.is_empty() {
            self.header.push_str(", ");
        }
        self.header.push_str(element);
        // Most often there is one.
        self.encoders.reserve_exact(1);
        self.decoders.reserve_exact(1);
        self.encoders.push(Encoder::new(rsv, coders.encode));
        // The last that encoded is the first to decode.
        self.decoders.insert(0, Decoder::new(rsv, coders.decode));
    }

    /// Separates the directions, for [`Sender::set_encoders`](crate::protocol::Sender::set_encoders) and
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
