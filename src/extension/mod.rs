//! Extensions (RFC 6455 §9). The opening handshake negotiates them, and they change the payload of data
//! frames.
//!
//! An [`Extension`] holds the settings of one side: the parameters that it offers and accepts. Once it is
//! negotiated, it creates the [`Coders`] of one connection, an object per direction. [`Encode`] changes sent
//! messages, and [`Decode`] changes received frames. Both work on pieces, so that neither side has to hold a
//! whole encoded message. [`Config::extension`] adds an extension, for example [`Deflate`].
//!
//! This extension inverts each byte, and marks its messages with RSV2:
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

/// The settings of an extension, from which one side negotiates it (RFC 6455 §9.1).
///
/// The documentation of the [module](self) has an example.
pub trait Extension: fmt::Debug + Send + Sync {
    /// Returns the registered name, a token (RFC 9110 §5.6.2).
    fn name(&self) -> &str;

    /// Returns the reserved bits that the extension owns once it is negotiated. If two extensions own the
    /// same bit, a server accepts one of them. A client fails the handshake if the server accepted both.
    fn rsv(&self) -> Rsv;

    /// Returns the offers of a client, with the preferred one first.
    fn offers(&self) -> Vec<Params>;

    /// Answers one offer on a server. Returns the parameters of the response, and the coders.
    ///
    /// # Errors
    ///
    /// The reason to decline the offer. The server then tries the next offer. It opens the connection without
    /// the extension if no offer is left.
    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError>;

    /// Checks the parameters of the server's response on a client. They may answer any of the
    /// [`offers`](Self::offers).
    ///
    /// # Errors
    ///
    /// The reason why the response answers no offer. The opening handshake then fails.
    fn confirm(&self, response: &Params) -> Result<Coders, NegotiationError>;
}

/// The encoder and the decoder of an extension, for one connection.
#[derive(Debug)]
pub struct Coders {
    encode: Box<dyn Encode>,
    decode: Box<dyn Decode>,
}

impl Coders {
    /// Creates the coders from an encoder and a decoder.
    pub fn new(encode: impl Encode + 'static, decode: impl Decode + 'static) -> Self {
        Self {
            encode: Box::new(encode),
            decode: Box::new(decode),
        }
    }
}

/// An encoder of sent messages.
///
/// Halves of a connection call it under their lock: it must not use the connection, and must not panic.
pub trait Encode: fmt::Debug + Send + Sync {
    /// Encodes the next piece of a message and appends bytes to `output`, which is empty. The encoder may
    /// retain bytes until the last piece, or until a piece with [`flush`](MessagePiece::flush).
    ///
    /// The connection calls this method for the pieces of every message in order, and cuts the encoded bytes
    /// into frames. A piece is not a frame: its size depends on [`cost`](Self::cost).
    ///
    /// Returns the reserved bits that mark the first frame of the message, or `None` to send the message
    /// unchanged. Bits outside of [`Extension::rsv`] are ignored. The result for the first piece applies to
    /// the whole message. Results for later pieces are ignored.
    fn encode(&mut self, piece: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv>;

    /// Returns the time to encode a byte, relative to the time to copy a byte. The connection encodes fewer
    /// bytes at a time if the cost is higher, so that other tasks run in between. The connection reads the
    /// cost once, when the extension is negotiated. Default: 64.
    fn cost(&self) -> u32 {
        64
    }

    /// Releases memory that was not used since the last call. The connection calls this method with every
    /// ping of the keepalive ([`Config::ping_interval`](crate::Config::ping_interval)).
    fn release_idle(&mut self) {}
}

/// A decoder of received frames.
///
/// Halves of a connection call it under their lock: it must not use the connection, and must not panic.
pub trait Decode: fmt::Debug + Send + Sync {
    /// Begins a frame once its header has arrived. Returns whether the payload needs decoding. If not, the
    /// payload passes unchanged.
    ///
    /// # Errors
    ///
    /// The fault of the header, such as a reserved bit on a continuation frame.
    fn begin(&mut self, frame: DataFrame) -> Result<bool, ProtocolError>;

    /// Decodes the next bytes of the frame's payload, which are unmasked. The payload may be split at any
    /// byte.
    ///
    /// # Errors
    ///
    /// The fault of the payload ([`ProtocolError::Extension`]), or an error that `output` returned.
    fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError>;

    /// Ends the frame, after its whole payload was decoded.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode).
    fn end(&mut self, output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let _ = output;
        Ok(())
    }

    /// Releases memory, as [`Encode::release_idle`].
    fn release_idle(&mut self) {}
}

/// A piece of an outgoing message, for [`Encode::encode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessagePiece {
    /// `Text` or `Binary`.
    pub opcode: Opcode,
    /// Whether this is the first piece of its message.
    pub is_first: bool,
    /// Whether this is the last piece of its message.
    pub is_last: bool,
    /// Whether the peer has to be able to decode all bytes so far: the application has flushed a message that it sends
    /// in chunks.
    pub flush: bool,
    /// The length of the message in bytes, before any extension has encoded it. `None` if it is unknown.
    pub message_len: Option<u64>,
    /// The application's choice about compression.
    pub compress: Compress,
}

impl MessagePiece {
    /// Creates the only piece of a message.
    pub(crate) const fn whole(opcode: Opcode, len: usize, compress: Compress) -> Self {
        Self {
            opcode,
            is_first: true,
            is_last: true,
            flush: false,
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
    /// The reserved bits of this extension that the frame has set.
    pub rsv: Rsv,
    /// The length of the payload in bytes, before any extension has decoded it.
    pub payload_len: u64,
}

impl DataFrame {
    /// Returns whether this is the first frame of its message.
    pub const fn begins_message(&self) -> bool {
        !matches!(self.opcode, Opcode::Continuation)
    }
}

/// The choice whether sent messages are compressed. It has an effect if a negotiated extension compresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// The extension decides. [`Deflate`] decides by the size of the message.
    #[default]
    Auto,
    /// Messages of any length are compressed.
    Always,
    /// No message is compressed. Use this for secrets, and for content that is already compressed.
    Never,
}
