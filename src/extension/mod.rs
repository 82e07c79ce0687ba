//! Extensions (RFC 6455 §9): agreed on in the opening handshake, they change what data frames carry.
//!
//! An [`Extension`] is a setting: what is offered, what is accepted. Agreed on, it makes [`Coders`] for
//! one connection, an object for each direction: [`Encode`] changes the messages that are sent, [`Decode`]
//! the frames that were received. Both work on pieces, so that no side has to hold a whole encoded message.
//! [`Config::extension`] adds an extension. [`Deflate`] is one.
//!
//! An extension that gives each byte another value, and marks its messages with RSV2:
//!
//! ```
//! use wsimd::{
//!     CloseCode, Config, ProtocolError,
//!     extension::{
//!         Coders, DataFrame, Decode, Decoded, Encode, Extension, MessagePiece, NegotiationError,
//!         Params,
//!     },
//!     frame::Rsv,
//! };
//!
//! #[derive(Debug)]
//! struct Invert;
//!
//! #[derive(Debug, Default)]
//! struct Inverter {
//!     marked: bool,
//! }
//!
//! impl Extension for Invert {
//!     fn name(&self) -> &str {
//!         "x-invert"
//!     }
//!     fn rsv(&self) -> Rsv {
//!         Rsv::RSV2
//!     }
//!     fn offers(&self) -> Vec<Params> {
//!         vec![Params::new()]
//!     }
//!     fn accept(&self, _offer: &Params) -> Result<(Params, Coders), NegotiationError> {
//!         Ok((Params::new(), self.confirm(&Params::new())?))
//!     }
//!     fn confirm(&self, _response: &Params) -> Result<Coders, NegotiationError> {
//!         Ok(Coders::new(Inverter::default(), Inverter::default()))
//!     }
//! }
//!
//! impl Encode for Inverter {
//!     fn encode(&mut self, _: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv> {
//!         output.extend(payload.iter().map(|byte| !byte));
//!         Some(Rsv::RSV2)
//!     }
//! }
//!
//! impl Decode for Inverter {
//!     fn begin(&mut self, frame: DataFrame) -> Result<bool, ProtocolError> {
//!         if frame.begins_message() {
//!             self.marked = frame.rsv == Rsv::RSV2;
//!         } else if frame.rsv != Rsv::NONE {
//!             return Err(ProtocolError::Extension {
//!                 code: CloseCode::PROTOCOL_ERROR,
//!                 reason: "RSV2 on a continuation frame",
//!             });
//!         }
//!         Ok(self.marked)
//!     }
//!     fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
//!         let inverted: Vec<u8> = bytes.iter().map(|byte| !byte).collect();
//!         output.extend(&inverted)
//!     }
//! }
//!
//! let config = Config::new().extension(Invert);
//! ```
//!
//! [`Config::extension`]: crate::Config::extension

mod decoders;
#[cfg(feature = "deflate")]
mod deflate;
mod encoders;
mod error;
mod header;
mod negotiated;

use std::fmt;

use crate::frame::{Opcode, ProtocolError, Rsv};

pub use decoders::{Decoded, Decoders};
#[cfg(feature = "deflate")]
pub use deflate::Deflate;
pub use encoders::Encoders;
pub use error::NegotiationError;
pub use header::Params;
pub use negotiated::Extensions;

pub(crate) use decoders::DecodeState;
pub(crate) use header::{is_token, parse};

/// An extension as one side is willing to use it (RFC 6455 §9.1).
///
/// What it makes for a connection is in the [module](self)'s example.
pub trait Extension: fmt::Debug + Send + Sync {
    /// The name under which it is registered: a token (RFC 9110 §5.6.2).
    fn name(&self) -> &str;

    /// The reserved bits that it owns once it is agreed on. Of two that own the same bit a server accepts
    /// one; a client fails the handshake if the server accepted both.
    fn rsv(&self) -> Rsv;

    /// As a client: what is offered, the preferred parameters first.
    fn offers(&self) -> Vec<Params>;

    /// As a server: answers one offer, with the parameters of the response.
    ///
    /// # Errors
    ///
    /// Why the offer is declined. The next one is asked for, and it is no error to agree on none.
    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError>;

    /// As a client: judges the parameters of the server's response, to any of the
    /// [`offers`](Self::offers).
    ///
    /// # Errors
    ///
    /// Why they do not follow from what was offered. The opening handshake then fails.
    fn confirm(&self, response: &Params) -> Result<Coders, NegotiationError>;
}

/// What an extension does for one connection, in each direction.
#[derive(Debug)]
pub struct Coders {
    encode: Box<dyn Encode>,
    decode: Box<dyn Decode>,
}

impl Coders {
    /// Puts the two directions together.
    pub fn new(encode: impl Encode + 'static, decode: impl Decode + 'static) -> Self {
        Self {
            encode: Box::new(encode),
            decode: Box::new(decode),
        }
    }
}

/// Changes the messages that are sent.
pub trait Encode: fmt::Debug + Send + Sync {
    /// Encodes the next piece of a message and appends bytes to `output`, which is empty. It may keep bytes back
    /// until the last piece.
    ///
    /// The connection calls this method for the pieces of every message in order, and cuts the encoded bytes
    /// into frames. Pieces are no frames: their size follows from [`cost`](Self::cost).
    ///
    /// Returns the reserved bits that mark the first frame of the message, of [`Extension::rsv`] only, or
    /// `None` to leave the message as it is. The first piece decides. The answer to a later piece means
    /// nothing.
    fn encode(&mut self, piece: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv>;

    /// Returns the time that it takes to encode a byte, relative to the time that it takes to copy one. The
    /// connection encodes fewer bytes at a time if a byte costs more, so that other tasks run in between. Read
    /// once, when the extension is negotiated.
    /// Default: 64.
    fn cost(&self) -> u32 {
        64
    }

    /// Gives back memory that was not used since the last call. Called with every ping of the
    /// keepalive ([`Config::ping_interval`](crate::Config::ping_interval)).
    fn release_idle(&mut self) {}
}

/// Changes the payloads of frames that were received.
pub trait Decode: fmt::Debug + Send + Sync {
    /// Begins a frame, of which the header has arrived. Returns whether the payload is to be decoded;
    /// if not, it passes as it is.
    ///
    /// # Errors
    ///
    /// What is wrong with the header, such as a reserved bit on a continuation frame.
    fn begin(&mut self, frame: DataFrame) -> Result<bool, ProtocolError>;

    /// Decodes the next bytes of the frame's payload, unmasked; how many come at once means nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with the payload ([`ProtocolError::Extension`]), or what `output` says.
    fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError>;

    /// Ends the frame: all of its payload has been decoded.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn end(&mut self, output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let _ = output;
        Ok(())
    }

    /// As [`Encode::release_idle`].
    fn release_idle(&mut self) {}
}

/// A piece of a message to be sent, for [`Encode::encode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagePiece {
    /// `Text` or `Binary`.
    pub opcode: Opcode,
    /// Whether this is the first piece of its message.
    pub is_first: bool,
    /// Whether this is the last piece of its message.
    pub is_last: bool,
    /// The length of the message in bytes, before any extension has encoded it; `None` when it is not known.
    pub message_len: Option<u64>,
    /// Whether the application wants the message to be compressed.
    pub compress: Compress,
}

impl MessagePiece {
    /// Creates the only piece of a message.
    pub(crate) const fn whole(opcode: Opcode, len: usize, compress: Compress) -> Self {
        Self {
            opcode,
            is_first: true,
            is_last: true,
            message_len: Some(len as u64),
            compress,
        }
    }
}

/// A received data frame, for [`Decode::begin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataFrame {
    /// `Text`, `Binary` or `Continuation`.
    pub opcode: Opcode,
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The reserved bits that are set and belong to this extension.
    pub rsv: Rsv,
    /// The length of the payload in bytes, as it was received.
    pub payload_len: u64,
}

impl DataFrame {
    /// Whether this is the first frame of its message.
    pub const fn begins_message(&self) -> bool {
        !matches!(self.opcode, Opcode::Continuation)
    }
}

/// Whether messages that are sent are compressed, where an extension was agreed on that can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// As the extension's settings say: by size, for [`Deflate`].
    #[default]
    Auto,
    /// Always, however short the message.
    Always,
    /// Never: for what is compressed already, and for secrets.
    Never,
}
