//! The wire format of a single frame (RFC 6455 §5). Nothing in this module remembers previous frames.

mod close;
mod error;
mod header;
mod opcode;

pub use crate::simd::MaskingKey;
pub use close::{CloseCode, CloseFrame};
pub use error::{ProtocolError, SendError};
pub(crate) use header::WholeFrame;
pub use header::{Expected, FrameHeader, Rsv};
pub use opcode::Opcode;

use std::fmt;

use bytes::Bytes;

use crate::text::{Excerpt, Text};

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// A frame with an unmasked payload.
///
/// The functions create a whole message, its last frame, or a control frame. A message in two frames:
///
/// ```
/// use wsimd::{Frame, frame::Opcode};
///
/// let first = Frame { fin: false, ..Frame::text("Hel") };
/// let last = Frame::continuation("lo");
/// assert_eq!((first.opcode, last.opcode), (Opcode::Text, Opcode::Continuation));
/// assert!(last.fin);
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The reserved bits that are set.
    pub rsv: Rsv,
    /// The opcode, which states the type of the frame.
    pub opcode: Opcode,
    /// The payload.
    pub payload: Bytes,
}

impl Frame {
    /// Creates a text message in one frame.
    pub fn text(text: impl Into<Text>) -> Self {
        Self::last(Opcode::Text, text.into().into())
    }

    /// Creates a binary message in one frame.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self::last(Opcode::Binary, payload.into())
    }

    /// Creates the last frame of a message in several frames.
    pub fn continuation(payload: impl Into<Bytes>) -> Self {
        Self::last(Opcode::Continuation, payload.into())
    }

    /// Creates a ping with a copy of the payload, which may have at most 125 bytes.
    pub fn ping(payload: impl AsRef<[u8]>) -> Self {
        Self::last(Opcode::Ping, Bytes::copy_from_slice(payload.as_ref()))
    }

    /// Creates a pong with a copy of the payload, which may have at most 125 bytes.
    pub fn pong(payload: impl AsRef<[u8]>) -> Self {
        Self::last(Opcode::Pong, Bytes::copy_from_slice(payload.as_ref()))
    }

    /// Creates a Close frame.
    pub fn close(frame: &CloseFrame) -> Self {
        Self::last(Opcode::Close, frame.to_payload())
    }

    /// Creates a frame with FIN and without reserved bits.
    const fn last(opcode: Opcode, payload: Bytes) -> Self {
        Self {
            fin: true,
            rsv: Rsv::NONE,
            opcode,
            payload,
        }
    }
}

impl fmt::Debug for Frame {
    /// Shows at most the first 256 bytes of the payload.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("fin", &self.fin)
            .field("rsv", &self.rsv)
            .field("opcode", &self.opcode)
            .field("payload", &Excerpt::Binary(&self.payload))
            .finish()
    }
}

/// The role of an endpoint (RFC 6455 §1.2). Clients mask the frames that they send, and servers do not
/// (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The endpoint that opened the connection.
    Client,
    /// The endpoint that accepted the connection.
    Server,
}

impl Role {
    /// Returns the role of the peer.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
