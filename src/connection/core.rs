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
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::coop,
    time::{Sleep, sleep},
};

use super::{
    ending::{Ending, Outcome},
    ping::{Pings, PongWaiter},
    read,
    write::WriteQueue,
};
use crate::{
    config::Config,
    error::Error,
    frame::{CloseFrame, ProtocolError, Role},
    message::Message,
    protocol::{Closed, Closing, Event, Receiver, Sender},
};

/// How many frames or reads one poll handles before it lets other tasks run.
const MAX_STEPS: usize = 128;

/// How long a stream that cannot be written to may take to hand out what the peer has sent. It is
/// there already, but the runtime learns so only when it next asks the system.
const BROKEN_GRACE: Duration = Duration::from_millis(50);

/// The state of a connection. Its stream is lent to each call.
#[derive(Debug)]
pub(super) struct Core {
    role: Role,
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    state: State,
    pub(super) input: BytesMut,
    pub(super) output: WriteQueue,
    /// The newest pong that found no room in `output`.
    pong: Option<Bytes>,
    pings: Pings,
    /// A message that was met while looking for the peer's Close frame.
    found: Option<Message>,
    high_water: usize,
    close_timeout: Duration,
    /// Runs from the first Close frame or failure on; on a broken stream, for a moment.
    deadline: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
enum State {
    /// Reading and writing.
    Open,
    /// Reading; writing failed, and the error is yet to be reported or has been.
    Broken(Option<io::Error>),
    /// The outcome is decided and the stream is being wound up.
    Ending(Ending),
    /// All is over.
    Ended(Outcome),
}

impl Core {
    pub(super) fn new(role: Role, config: &Config) -> Self {
        Self {
            role,
            receiver: Receiver::new(role, config),
            sender: Sender::new(role, config),
            closing: Closing::default(),
            state: State::Open,
            input: BytesMut::new(),
            output: WriteQueue::default(),
            pong: None,
            pings: Pings::default(),
            found: None,
            high_water: config.write_high_water,
            close_timeout: config.close_timeout,
            deadline: None,
        }
    }

    /// Returns how the connection ended; `None` while it has not.
    pub(super) fn closed(&self) -> Option<Closed> {
        matches!(self.state, State::Ended(_)).then(|| self.closing.closed())
    }

    /// Receives a message; `None` after a clean end.
    pub(super) fn poll_recv<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        if let Some(message) = self.found.take() {
            return Poll::Ready(Ok(Some(message)));
        }
        let budget = ready!(coop::poll_proceed(cx));
        let received = self.poll_message(io, cx);
        if self.input.is_empty() {
            read::release(&mut self.input);
        }
        match ready!(received) {
            Some(message) => {
                budget.made_progress();
                Poll::Ready(Ok(Some(message)))
            }
            None => Poll::Ready(self.report()),
        }
    }

    /// Makes room for a message.
    pub(super) fn poll_ready<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if matches!(self.state, State::Open) {
            self.check_open()?;
        }
        let high_water = self.high_water;
        self.poll_output(io, cx, |output, io, cx| {
            output.poll_write(io, cx, high_water)
        })
    }

    /// Writes everything that is queued.
    pub(super) fn poll_flush<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.poll_output(io, cx, WriteQueue::poll_flush)
    }

    /// Queues a message, whatever is queued already.
    pub(super) fn send(&mut self, message: Message) -> Result<(), Error> {
        self.check_open()?;
        Ok(self.sender.send(message, &mut self.output)?)
    }

    /// Queues a ping.
    pub(super) fn ping(&mut self, payload: Bytes) -> Result<PongWaiter, Error> {
        self.check_open()?;
        self.sender
            .send(Event::Ping(payload.clone()), &mut self.output)?;
        Ok(self.pings.sent(payload))
    }

    /// Queues an unsolicited pong.
    pub(super) fn pong(&mut self, payload: Bytes) -> Result<(), Error> {
        self.check_open()?;
        Ok(self.sender.send(Event::Pong(payload), &mut self.output)?)
    }

    /// Queues our Close frame, and starts the deadline; `false` when there was one or it is too late.
    pub(super) fn send_close(&mut self, frame: CloseFrame) -> bool {
        if !self.is_open() {
            return false;
        }
        // A Close frame is legal by its type.
        let _ = self
            .sender
            .send(Event::Close(frame.clone()), &mut self.output);
        self.closing.sent(frame);
        self.start_deadline();
        true
    }

    /// Receives until there is a message; `None` once the connection has ended.
    fn poll_message<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Message>> {
        for _ in 0..MAX_STEPS {
            match &mut self.state {
                State::Open | State::Broken(_) => {}
                State::Ending(_) => {
                    ready!(self.poll_end(io, cx));
                    return Poll::Ready(None);
                }
                State::Ended(_) => return Poll::Ready(None),
            }
            match self.receiver.receive(&mut self.input) {
                Ok(Some(Event::Message(message))) => return Poll::Ready(Some(message)),
                Ok(Some(Event::Ping(payload))) => self.queue_pong(payload),
                Ok(Some(Event::Pong(payload))) => self.pings.answered(&payload),
                Ok(Some(Event::Close(frame))) => self.peer_closed(frame),
                Err(error) => self.fail(error),
                Ok(None) => ready!(self.poll_read(io, cx)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what is queued as far as possible, then waits for bytes from the peer.
    fn poll_read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if matches!(self.state, State::Open) {
            self.queue_waiting_pong();
            if let Poll::Ready(Err(error)) = self.output.poll_flush(io, cx) {
                self.broken(error);
            }
            self.queue_waiting_pong();
        }
        let broken = matches!(self.state, State::Broken(_));
        if !broken && self.deadline_passed(cx) {
            self.end(Outcome::Timeout);
            return Poll::Ready(());
        }
        let end = match read::poll_read(io, &mut self.input, cx) {
            Poll::Ready(Ok(1..)) => return Poll::Ready(()),
            Poll::Ready(Ok(0)) => {
                // Nobody waits for what is queued, and writing it could take until the deadline.
                self.output.clear();
                Outcome::Closed
            }
            Poll::Ready(Err(error)) => Outcome::Io(Some(error)),
            Poll::Pending if broken && self.deadline_passed(cx) => Outcome::Closed,
            Poll::Pending => return Poll::Pending,
        };
        // The first error counts: a stream that cannot be written to often fails to be read next.
        let end = match &mut self.state {
            State::Broken(error) => error
                .take()
                .map_or(Outcome::Closed, |error| Outcome::Io(Some(error))),
            _ => end,
        };
        self.end(end);
        Poll::Ready(())
    }

    /// Runs one of the queue's operations; when the stream is broken, looks whether the peer said why.
    fn poll_output<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut WriteQueue, &mut S, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<Result<(), Error>> {
        if matches!(self.state, State::Open) {
            match write(&mut self.output, io, cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Pending if self.deadline_passed(cx) => self.end(Outcome::Timeout),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => self.broken(error),
            }
        }
        if self.found.is_none() {
            self.found = ready!(self.poll_message(io, cx));
        }
        Poll::Ready(Err(self.refusal()))
    }

    /// Whether messages may be sent.
    fn is_open(&self) -> bool {
        matches!(self.state, State::Open) && !self.sender.is_closed()
    }

    fn check_open(&mut self) -> Result<(), Error> {
        if self.is_open() {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    /// The error of an operation that needs an open connection.
    fn refusal(&mut self) -> Error {
        match &mut self.state {
            State::Broken(error) => error.take().map(Error::Io),
            State::Ended(outcome) => outcome.error(),
            State::Ending(ending) => ending.outcome.error(),
            State::Open => None,
        }
        .unwrap_or_else(|| self.closing.closed().into())
    }

    /// What `recv` says of the end: the same each time, but for an I/O error, which is said once.
    fn report(&mut self) -> Result<Option<Message>, Error> {
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

    /// Queues a pong; when there is no room, the newest waits and replaces the one that waited
    /// (RFC 6455 §5.5.3).
    fn queue_pong(&mut self, payload: Bytes) {
        self.pong = Some(payload);
        self.queue_waiting_pong();
    }

    fn queue_waiting_pong(&mut self) {
        if !matches!(self.state, State::Open) || self.output.len() > self.high_water {
            return;
        }
        if let Some(payload) = self.pong.take() {
            // A pong that repeats a ping's payload is never too long.
            let _ = self.sender.send(Event::Pong(payload), &mut self.output);
        }
    }

    fn peer_closed(&mut self, frame: CloseFrame) {
        self.closing.received(frame.clone());
        self.send_close(frame);
        self.end(Outcome::Closed);
    }

    fn fail(&mut self, error: ProtocolError) {
        self.send_close(error.close_frame());
        self.end(Outcome::Failed(error));
    }

    /// The stream cannot be written to any more; what was queued is lost.
    fn broken(&mut self, error: io::Error) {
        self.output.clear();
        self.state = State::Broken(Some(error));
        self.deadline = Some(Box::pin(sleep(BROKEN_GRACE)));
    }

    /// Decides the outcome. What is queued still leaves where the stream may work.
    fn end(&mut self, outcome: Outcome) {
        self.start_deadline();
        self.pong = None;
        self.state = State::Ending(match self.state {
            State::Broken(_) => Ending::at_once(outcome),
            _ => Ending::new(self.role, outcome),
        });
    }

    /// Winds the stream up.
    fn poll_end<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let expired = self.deadline_passed(cx);
        let State::Ending(ending) = &mut self.state else {
            return Poll::Ready(());
        };
        if expired {
            ending.expire();
        } else {
            ready!(ending.poll(io, &mut self.output, &mut self.input, cx));
        }
        let outcome = std::mem::replace(&mut ending.outcome, Outcome::Closed);
        self.state = State::Ended(outcome);
        self.output.clear();
        self.input = BytesMut::new();
        self.deadline = None;
        self.pings.closed(&self.closing.closed());
        Poll::Ready(())
    }

    fn start_deadline(&mut self) {
        self.deadline
            .get_or_insert_with(|| Box::pin(sleep(self.close_timeout)));
    }

    fn deadline_passed(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline
            .as_mut()
            .is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }
}
