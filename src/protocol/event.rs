//! [`Event`]: a message or a control frame.

use bytes::Bytes;

use crate::{
    frame::CloseFrame,
    message::{Message, MessageRef},
};

/// A message or a control frame, received or to be sent.
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
    /// Returns the answer that RFC 6455 demands from the receiver of this event, if any.
    ///
    /// A ping is answered by a pong with the same payload (§5.5.2), a Close frame by one with the
    /// same code and reason (§5.5.1). A [`Sender`](super::Sender) sends no second Close frame, so that
    /// every reply may be handed to it.
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

impl From<CloseFrame> for Event {
    fn from(frame: CloseFrame) -> Self {
        Self::Close(frame)
    }
}

/// A received message or control frame. The message is lent.
#[derive(Debug)]
pub enum EventRef<'a> {
    /// A whole message, its fragments put together.
    Message(MessageRef<'a>),
    /// A ping, as [`Event::Ping`].
    Ping(Bytes),
    /// A pong, as [`Event::Pong`].
    Pong(Bytes),
    /// A Close frame, as [`Event::Close`].
    Close(CloseFrame),
}

impl Event {
    /// Lends the event.
    pub(super) fn lend<R>(self, f: impl FnOnce(EventRef<'_>) -> R) -> R {
        match self {
            Self::Message(message) => message.lend(|message| f(EventRef::Message(message))),
            Self::Ping(payload) => f(EventRef::Ping(payload)),
            Self::Pong(payload) => f(EventRef::Pong(payload)),
            Self::Close(frame) => f(EventRef::Close(frame)),
        }
    }
}
