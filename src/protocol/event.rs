//! [`Event`]: what one endpoint has to say to the other, messages and control frames alike.

use bytes::Bytes;

use crate::{frame::CloseFrame, message::Message};

/// Something received, or to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A whole message, its fragments put together.
    Message(Message),
    /// A ping with its payload, at most 125 bytes (RFC 6455 §5.5.2).
    Ping(Bytes),
    /// A pong with its payload, at most 125 bytes (§5.5.3).
    Pong(Bytes),
    /// A Close frame (§5.5.1). Nothing is received after it.
    Close(CloseFrame),
}

impl Event {
    /// Returns what RFC 6455 obliges the receiver of this event to send, if anything.
    ///
    /// A ping is answered by a pong with the same payload (§5.5.2), a Close frame by one with the
    /// same code and reason (§5.5.1). A [`Sender`](super::Sender) that has sent its Close frame
    /// already sends no second one, so every reply may be handed to it.
    pub fn reply(&self) -> Option<Self> {
        match self {
            Self::Message(_) | Self::Pong(_) => None,
            Self::Ping(payload) => Some(Self::Pong(payload.clone())),
            Self::Close(frame) => Some(Self::Close(frame.clone())),
        }
    }
}

impl<M: Into<Message>> From<M> for Event {
    fn from(message: M) -> Self {
        Self::Message(message.into())
    }
}
