//! [`Want`]: the event that a task waits for, and the state of a connection that decides it.

use super::{session::Session, waiters::Side};
use crate::{message::Message, protocol::Step};

/// The event that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// A message has arrived.
    Message,
    /// A message or a control frame has arrived.
    Event,
    /// A chunk of a message has arrived.
    Chunk,
    /// The queue has room for a message.
    Room,
    /// The message that is sent in chunks has room for a chunk.
    ChunkRoom,
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
            Self::Message | Self::Event | Self::Chunk => Side::Read,
            _ => Side::Write,
        }
    }

    /// Whether the task receives messages.
    pub(super) const fn receives(self) -> bool {
        matches!(self, Self::Message | Self::Event | Self::Chunk)
    }

    /// Whether messages are taken as they arrive.
    pub(super) const fn takes_messages(self) -> bool {
        self.receives() || matches!(self, Self::Ended)
    }

    /// Whether the task closes the connection.
    pub(super) const fn closes(self) -> bool {
        matches!(self, Self::CloseSent | Self::Ended)
    }

    /// Whether a corked stream is flushed.
    pub(super) const fn uncorks(self) -> bool {
        matches!(self, Self::Flushed | Self::CloseSent)
    }

    /// Returns whether the want is met.
    #[inline]
    pub(super) fn is_met(self, session: &Session) -> bool {
        let is_written = |backlog: bool| !backlog && !session.is_broken();
        match self {
            Self::Message | Self::Event | Self::Chunk | Self::Ended => false,
            Self::Room => session.accepts(),
            Self::ChunkRoom => session.stream_room() > 0,
            Self::Sent => is_written(session.has_unsent()),
            Self::Flushed => is_written(session.has_backlog()),
            Self::CloseSent => is_written(session.has_backlog()) && !session.is_close_requested(),
        }
    }

    /// Returns whether the want cannot be met any more, though the connection has not ended.
    #[inline]
    pub(super) fn is_hopeless(self, session: &Session) -> bool {
        match self {
            Self::Message | Self::Event | Self::Chunk | Self::Ended => false,
            // The peer's Close frame is looked for, up to the first message.
            _ if session.is_broken() => session.is_parked(),
            Self::Room => !session.is_open(),
            Self::ChunkRoom => !session.is_streaming(),
            Self::Sent | Self::Flushed | Self::CloseSent => false,
        }
    }
}

/// The state of a connection that a task on one side waits for.
#[derive(PartialEq, Eq)]
pub(super) struct View {
    step: Step,
    is_open: bool,
    is_parked: bool,
    /// Whether there is room, and whether there is a backlog: only a task that sends waits for them.
    queue: Option<(bool, bool)>,
}

impl View {
    /// Returns the state that the task on `side` waits for.
    pub(super) fn of(session: &Session, side: Side) -> Self {
        Self {
            step: session.step(),
            is_open: session.is_open(),
            is_parked: session.is_parked(),
            queue: match side {
                Side::Read => None,
                Side::Write => {
                    let has_room = session.has_room() || session.stream_room() > 0;
                    Some((has_room, session.has_backlog()))
                }
            },
        }
    }
}

/// The end of a wait.
pub(super) enum Outcome {
    /// A message that was assembled or parked.
    Message(Message),
    /// The want is met. For a task that receives, the input begins with a whole message, a
    /// chunk has arrived, or a control frame was seen.
    Met,
    /// The want cannot be met any more.
    Over,
}
