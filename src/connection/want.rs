//! [`Want`]: the event that a task waits for.

use super::waiters::Side;
use crate::message::Message;

/// The event that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A message has arrived.
    Message,
    /// The queue has room for a message.
    Room,
    /// The stream has taken all queued bytes.
    Sent,
    /// The stream has taken all queued bytes and is flushed, even if it is corked.
    Flushed,
    /// As `Flushed`, our Close frame included.
    CloseSent,
    /// The connection has ended. Messages are discarded.
    Ended,
}

impl Want {
    pub(super) const fn side(self) -> Side {
        match self {
            Self::Message => Side::Read,
            _ => Side::Write,
        }
    }

    /// Whether messages are taken as they arrive.
    pub(super) const fn takes_messages(self) -> bool {
        matches!(self, Self::Message | Self::Ended)
    }

    /// Whether the task closes the connection.
    pub(super) const fn closes(self) -> bool {
        matches!(self, Self::CloseSent | Self::Ended)
    }

    /// Whether a corked stream is flushed.
    pub(super) const fn uncorks(self) -> bool {
        matches!(self, Self::Flushed | Self::CloseSent)
    }
}

/// The end of a wait.
pub(super) enum Outcome {
    Message(Message),
    Met,
    /// The want cannot be met any more.
    Over,
}
