//! RFC 6455 §5 on the wire: what one frame looks like, without memory of the frames before it.

mod close;
mod error;
mod header;
mod mask;
mod opcode;

pub use close::{CloseCode, CloseFrame};
pub use error::{ProtocolError, SendError};
pub(crate) use header::WholeFrame;
pub use header::{Expected, FrameHeader, Rsv};
pub use mask::MaskingKey;
pub use opcode::Opcode;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD: usize = 125;

/// Which end of a connection an endpoint is (RFC 6455 §1.2): clients mask what they send, servers
/// do not (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The endpoint that opened the connection.
    Client,
    /// The endpoint that accepted it.
    Server,
}

impl Role {
    /// The other end's role.
    pub(crate) const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}
