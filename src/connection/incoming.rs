//! The receiving side of [`Core`]: from the stream to messages.

use std::{
    io,
    num::NonZeroU64,
    pin::pin,
    task::{Context, Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    task::coop,
};

use super::{
    core::{Core, State},
    ending::Outcome,
    timer::Duty,
};
use crate::{
    error::{Error, Timeout},
    frame::{CloseCode, CloseFrame, ProtocolError},
    message::Message,
    protocol::{Event, Received, random_masking_key, text},
    text::Text,
};

/// How many frames or reads one poll handles before it lets other tasks run.
const MAX_STEPS: usize = 128;

impl Core {
    /// Receives a message; `None` after a clean end.
    pub(super) fn poll_recv<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        if let Some(message) = self.found.take() {
            return Poll::Ready(Ok(Some(*message)));
        }
        let budget = ready!(coop::poll_proceed(cx));
        let mut received = self.poll_message(io, cx);
        match &received {
            Poll::Ready(Ok(Some(_))) => budget.made_progress(),
            Poll::Ready(_) => received = Poll::Ready(self.report()),
            Poll::Pending => {}
        }
        received
    }

    /// Receives until there is a message; `None` once the connection has ended. Never an error: what
    /// there is to say of the end is said elsewhere.
    #[inline]
    pub(super) fn poll_message<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        let mut steps = MAX_STEPS;
        loop {
            let received = self.receive(&mut steps);
            if received.is_ready() {
                return received;
            }
            let Some(left) = steps.checked_sub(1) else {
                break;
            };
            steps = left;
            match self.state {
                State::Open | State::Broken(_) => ready!(self.poll_read(io, cx)),
                State::Ending(_) => ready!(self.poll_end(io, cx)),
                State::Ended(_) => return Poll::Ready(Ok(None)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Receives what has been read already; pending when there is no message in it.
    // Always: the message is then made where `poll_recv` returns it, instead of being moved there.
    #[inline(always)]
    fn receive(&mut self, steps: &mut usize) -> Poll<Result<Option<Message>, Error>> {
        while let (State::Open | State::Broken(_), 1..) = (&self.state, *steps) {
            let received = match self.input.bytes() {
                Some(input) => self.receiver.next(input),
                None if self.receiver.has_frame() => self.receiver.next(&mut BytesMut::new()),
                None => break,
            };
            *steps -= 1;
            match received {
                Ok(Some(Received::Text(payload))) => {
                    self.input.release_empty();
                    return Poll::Ready(Ok(Some(text(payload))));
                }
                Ok(Some(Received::Binary(payload))) => {
                    self.input.release_empty();
                    return Poll::Ready(Ok(Some(payload.into())));
                }
                Ok(Some(Received::Control(event))) => self.control(event),
                Err(error) => self.fail(error),
                Ok(None) if self.receiver.is_paused() => *steps = 0,
                Ok(None) => break,
            }
        }
        self.input.release_empty();
        Poll::Pending
    }

    fn control(&mut self, event: Event) {
        match event {
            Event::Ping(payload) => self.queue_pong(payload),
            Event::Pong(payload) => self.ponged(&payload),
            Event::Close(frame) => self.peer_closed(frame),
            Event::Message(_) => {}
        }
    }

    /// Writes what is queued as far as possible, then waits for bytes from the peer.
    fn poll_read<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        self.write_queued(io, cx);
        if matches!(self.state, State::Ended(_)) {
            return Poll::Ready(());
        }
        let broken = matches!(self.state, State::Broken(_));
        if !broken && self.timer.deadline_passed(cx) {
            self.end(Outcome::Timeout(Timeout::Close));
            return Poll::Ready(());
        }
        let end = match self.poll_stream(io, cx) {
            Poll::Ready(Ok(1..)) => {
                self.timer.heard();
                return Poll::Ready(());
            }
            Poll::Ready(Ok(0)) => {
                // Nobody waits for what is queued, and writing it could take until the deadline.
                self.output.clear();
                Outcome::Closed
            }
            Poll::Ready(Err(error)) => Outcome::Io(Some(error)),
            Poll::Pending if broken && self.timer.deadline_passed(cx) => Outcome::Closed,
            Poll::Pending if broken => return Poll::Pending,
            Poll::Pending => return self.poll_keepalive(io, cx),
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

    /// Reads once: a large payload straight to where it stays, all else into the buffer.
    fn poll_stream<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if !self.input.is_empty() {
            return self.input.poll_read(io, cx);
        }
        let Some((payload, most)) = self.receiver.destination() else {
            return self.input.poll_read(io, cx);
        };
        let len = ready!(pin!(io.read_buf(&mut payload.limit(most))).poll(cx))?;
        if let Err(error) = self.receiver.arrived(len) {
            self.fail(error);
        }
        Poll::Ready(Ok(len))
    }

    /// Pings when it is time to, and gives up a peer of which nothing has come since.
    fn poll_keepalive<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match ready!(self.timer.poll_keepalive(&self.sender.config().values, cx)) {
            Duty::Ping if self.has_room() => {
                self.tidy();
                let payload = Bytes::copy_from_slice(&random_masking_key().to_bytes());
                // Nothing keeps a ping from being sent but our own Close frame.
                let _ = self.ping(payload, None);
            }
            // What is queued already shows whether the peer is there.
            Duty::Ping => {}
            Duty::GiveUp => {
                self.queue_close(CloseFrame::from_static(
                    CloseCode::INTERNAL_ERROR,
                    Text::from_static("keepalive ping timeout"),
                ));
                self.write_queued(io, cx);
                self.end(Outcome::Timeout(Timeout::Ping));
            }
        }
        Poll::Ready(())
    }

    /// Gives back what extensions did not need for a while.
    fn tidy(&mut self) {
        self.receiver.tidy();
        self.sender.tidy();
    }

    fn ponged(&mut self, payload: &Bytes) {
        if let Some(latency) = self.pings.answered(payload) {
            let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
            self.latency = NonZeroU64::new(nanoseconds.saturating_add(1));
        }
    }

    fn peer_closed(&mut self, frame: CloseFrame) {
        self.closing.received(frame.clone());
        self.queue_close(frame);
        self.end(Outcome::Closed);
    }

    fn fail(&mut self, error: ProtocolError) {
        self.queue_close(error.close_frame());
        self.end(Outcome::Failed(error));
    }
}
