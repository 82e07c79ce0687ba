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

use bytes::Bytes;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// A frame with an unmasked payload.
#[derive(Clone, Debug, PartialEq, Eq)]
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
