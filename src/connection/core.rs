//! [`Core`]: all of a connection but its stream. Every method does what it can without waiting.
//!
//! ```text
//!          peer's Close, violation, end of        written, shut down, drained:
//!          stream, broken stream, deadline        or the deadline passed
//!  ┌──────┐                            ┌────────┐                        ┌───────┐
//!  │ Open ├───────────────────────────▶│ Ending ├───────────────────────▶│ Ended │
//!  └──────┘                            └────────┘                        └───────┘
//!   messages both ways; after our own   our Close leaves, what the peer   the outcome is
//!   Close, messages still come in       still sends is thrown away        reported for ever
//! ```

use std::{
    io,
    num::NonZeroU64,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{
    ending::{Ending, Outcome},
    handle::Handle,
    inbox::{Command, InboxOwner},
    ping::Pings,
    read::ReadBuffer,
    timer::Timer,
    write::WriteQueue,
};
use crate::{
    config::{Config, Values},
    error::Error,
    frame::{CloseFrame, Role},
    message::Message,
    protocol::{Closed, Closing, Receiver, Sender},
};

/// How long a stream that cannot be written to may take to hand out what the peer has sent. It is
/// there already, but the runtime learns so only when it next asks the system.
const BROKEN_GRACE: Duration = Duration::from_millis(50);

/// What every idle connection takes, but for its stream and its timer.
const _: () = assert!(size_of::<Core>() <= 32 * size_of::<u64>());

/// The state of a connection. Its stream is lent to each call.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
    pub(super) closing: Closing,
    pub(super) state: State,
    pub(super) input: ReadBuffer,
    pub(super) output: WriteQueue,
    /// The newest pong that found no room in `output`.
    pub(super) pong: Option<Box<Bytes>>,
    pub(super) pings: Pings,
    /// The round-trip time of the last ping that was answered, in nanoseconds and one more.
    pub(super) latency: Option<NonZeroU64>,
    /// A message that was met while looking for the peer's Close frame.
    pub(super) found: Option<Box<Message>>,
    pub(super) timer: Timer,
    /// Where handles put what they send.
    pub(super) inbox: Option<Box<InboxOwner>>,
    /// The Close frame that follows what is in the inbox.
    pub(super) close_frame: Option<Box<CloseFrame>>,
}

#[derive(Debug)]
pub(super) enum State {
    /// Reading and writing.
    Open,
    /// Reading; writing failed, and the error is yet to be reported or has been. A moment is left.
    Broken(Option<io::Error>),
    /// The outcome is decided and the stream is being wound up.
    Ending(Box<Ending>),
    /// All is over.
    Ended(Box<Outcome>),
}

impl Core {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            receiver: Receiver::new(role, config),
            sender: Sender::new(role, config),
            closing: Closing::default(),
            state: State::Open,
            input: ReadBuffer::default(),
            output: WriteQueue::default(),
            pong: None,
            pings: Pings::default(),
            latency: None,
            found: None,
            timer: Timer::default(),
            inbox: None,
            close_frame: None,
        }
    }

    /// Returns the round-trip time of the last ping that was answered.
    pub(super) fn latency(&self) -> Option<Duration> {
        let nanoseconds = self.latency?.get() - 1;
        Some(Duration::from_nanos(nanoseconds))
    }

    /// Returns how the connection ended; `None` while it has not.
    pub(super) fn closed(&self) -> Option<Closed> {
        matches!(self.state, State::Ended(_)).then(|| self.closing.closed())
    }

    /// Returns a handle that sends from elsewhere.
    pub(super) fn handle(&mut self) -> Handle {
        let is_open = self.is_open();
        let config = self.sender.config();
        let owner = self
            .inbox
            .get_or_insert_with(|| Box::new(InboxOwner::new(config)));
        let handle = Handle::new(owner, config);
        if matches!(self.state, State::Ended(_)) {
            owner.end(self.closing.closed());
        } else if !is_open {
            owner.seal(self.closing.closed());
        }
        handle
    }

    /// Refuses what handles send from now on.
    pub(super) fn close_inbox(&mut self) {
        if let Some(inbox) = &self.inbox {
            inbox.seal(self.closing.closed());
        }
    }

    /// Does what a handle has asked for.
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Close { frame, at } => {
                self.start_deadline_at(at);
                self.close_frame = Some(Box::new(frame));
            }
            Command::CloseNow { frame, at } => {
                self.start_deadline_at(at);
                self.close_frame = None;
                self.queue_close(frame);
            }
            Command::Abort => {
                self.output.clear();
                self.state = State::Ended(Box::new(Outcome::Closed));
                self.ended();
            }
        }
    }

    fn start_deadline_at(&mut self, at: Instant) {
        let timeout = self.values().close_timeout;
        self.timer
            .start_deadline(timeout.saturating_sub(at.elapsed()));
    }

    pub(super) fn values(&self) -> &Values {
        &self.sender.config().values
    }

    /// Whether messages may be sent.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open) && !self.sender.is_closed()
    }

    pub(super) fn check_open(&mut self) -> Result<(), Error> {
        if self.is_open() {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    /// The error of an operation that needs an open connection.
    pub(super) fn refusal(&mut self) -> Error {
        match &mut self.state {
            State::Broken(error) => error.take().map(Error::Io),
            State::Ended(outcome) => outcome.error(),
            State::Ending(ending) => ending.outcome.error(),
            State::Open => None,
        }
        .unwrap_or_else(|| self.closing.closed().into())
    }

    /// What `recv` says of the end: the same each time, but for an I/O error, which is said once.
    pub(super) fn report(&mut self) -> Result<Option<Message>, Error> {
        if let State::Ended(outcome) = &mut self.state
            && let Some(error) = outcome.error()
        {
            return Err(error);
        }
        let closed = self.closing.closed();
        if closed.is_clean() {
            return Ok(None);
        }
        Err(closed.into())
    }

    /// The stream cannot be written to any more; what was queued is lost.
    pub(super) fn broken(&mut self, error: io::Error) {
        self.output.clear();
        self.state = State::Broken(Some(error));
        self.timer.set_deadline(BROKEN_GRACE);
    }

    /// Decides the outcome. What is queued still leaves where the stream may work.
    pub(super) fn end(&mut self, outcome: Outcome) {
        self.start_deadline();
        self.pong = None;
        self.close_inbox();
        self.state = State::Ending(Box::new(match self.state {
            State::Broken(_) => Ending::at_once(outcome),
            _ => Ending::new(self.sender.role(), outcome),
        }));
    }

    /// Winds the stream up.
    pub(super) fn poll_end<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let expired = self.timer.deadline_passed(cx);
        let State::Ending(ending) = &mut self.state else {
            return Poll::Ready(());
        };
        if expired {
            ending.expire();
        } else {
            ready!(ending.poll(io, &mut self.output, &mut self.input, cx));
        }
        let outcome = std::mem::replace(&mut ending.outcome, Outcome::Closed);
        self.state = State::Ended(Box::new(outcome));
        self.ended();
        Poll::Ready(())
    }

    fn ended(&mut self) {
        self.output.clear();
        self.input.clear();
        self.timer = Timer::default();
        self.pings.closed(&self.closing.closed());
        if let Some(inbox) = &self.inbox {
            inbox.end(self.closing.closed());
        }
    }

    pub(super) fn start_deadline(&mut self) {
        let timeout = self.values().close_timeout;
        self.timer.start_deadline(timeout);
    }
}
