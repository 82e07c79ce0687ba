//! [`Session`]: everything of a connection but its stream, its tasks and its clock.

mod receiving;
mod streaming;

use std::{
    io,
    task::{Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

#[cfg(feature = "json")]
use super::write::ReleaseEmpty;
use super::{
    TrySendError,
    ending::{Cause, Ending},
    ping::{Pings, Waiter, random_payload},
    timer::NEVER,
    turn::{Io, Turn},
    wire::{Attempt, Wire},
};
use crate::{
    config::Config,
    error::Error,
    extension::Compress,
    frame::{CloseFrame, SendError},
    message::Message,
    protocol::{Closed, Endpoint, Step, Work},
};

/// The endpoint of a connection, its buffers, and the reason of its end.
#[derive(Debug)]
pub(super) struct Session {
    endpoint: Endpoint,
    wire: Wire,
    /// A message that arrived while the task waited for something else.
    parked: Option<Box<Message>>,
    pings: Pings,
    /// `None` until this side closes the connection or gives the stream up.
    ending: Option<Box<Ending>>,
}

impl Session {
    pub(super) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            wire: Wire::default(),
            parked: None,
            pings: Pings::default(),
            ending: None,
        }
    }

    /// Returns the endpoint.
    pub(super) const fn endpoint_mut(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// Returns the step of the endpoint.
    #[inline]
    pub(super) const fn step(&self) -> Step {
        self.endpoint.next_step()
    }

    /// Returns the Close frames so far.
    pub(super) fn close_frames(&self) -> Closed {
        self.endpoint.close_frames()
    }

    /// Returns the round-trip time of the last answered ping.
    pub(super) fn latency(&self) -> Option<Duration> {
        self.pings.latency()
    }

    pub(super) const fn config(&self) -> &Config {
        self.endpoint.config()
    }

    /// Returns the buffers.
    #[inline]
    pub(super) const fn wire_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }

    /// Returns whether messages may be sent.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.endpoint.is_open() && self.ending.as_ref().is_none_or(|it| !it.ends_sending())
    }

    /// Returns whether a message may be queued without a wait.
    #[inline]
    pub(super) fn has_room(&self) -> bool {
        self.wire.has_room(&self.endpoint)
    }

    /// Returns the number of bytes that wait to be written.
    pub(super) fn buffered(&self) -> usize {
        self.wire.buffered() + self.endpoint.unfinished_len()
    }

    /// Takes the bytes in both directions.
    pub(super) fn take_bytes(&mut self) -> (BytesMut, Bytes) {
        self.endpoint.append_unsent(self.wire.output());
        self.wire.take()
    }

    /// Returns whether bytes wait to be written, but for chunks that are collected for a frame.
    #[inline]
    pub(super) fn has_unsent(&self) -> bool {
        self.wire.has_unsent(&self.endpoint)
    }

    /// Returns whether bytes wait to be written or to be flushed.
    #[inline]
    pub(super) fn has_backlog(&self) -> bool {
        self.wire.has_backlog() || self.endpoint.is_unfinished()
    }

    /// Returns the number of bytes of messages that may be queued.
    pub(super) fn room(&self) -> usize {
        self.wire.room(&self.endpoint)
    }

    /// Returns whether a write has failed.
    #[inline]
    pub(super) fn is_broken(&self) -> bool {
        self.ending.as_ref().is_some_and(|it| it.is_broken())
    }

    /// Returns whether our Close frame waits for accepted messages to leave.
    #[inline]
    pub(super) fn is_close_requested(&self) -> bool {
        self.ending.as_ref().is_some_and(|it| it.is_requested())
    }

    /// Sets whether messages are compressed.
    pub(super) const fn set_compress(&mut self, compress: Compress) {
        self.endpoint.set_compress(compress);
    }

    /// Queues a message, if there is room.
    pub(super) fn try_feed(&mut self, mut message: Message) -> Result<(), TrySendError> {
        if self.is_open() && !self.has_room() {
            return Err(TrySendError::Full(message));
        }
        Ok(self.queue(&mut message)?)
    }

    /// Queues a message, even if the queue is full.
    pub(super) fn queue(&mut self, message: &mut Message) -> Result<(), Error> {
        self.check_open()?;
        let output = self.wire.output();
        Ok(self.endpoint.queue_behind(message, output)?)
    }

    /// Queues a message on a connection that is known to be open.
    #[inline]
    pub(super) fn accept(&mut self, message: &mut Message) -> Result<(), Error> {
        Ok(self.endpoint.queue(message, self.wire.output())?)
    }

    /// Queues the JSON document of a value on a connection that is known to be open.
    #[cfg(feature = "json")]
    pub(super) fn accept_json<T: serde::Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> Result<(), Error> {
        let output = ReleaseEmpty(self.wire.output());
        self.endpoint.queue_json(value, output.0)
    }

    /// Returns whether the connection goes on, and this side has not decided to end it.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        matches!(self.step(), Step::Continue) && self.ending.is_none()
    }

    /// Returns whether a message is accepted at once.
    #[inline]
    pub(super) fn accepts(&self) -> bool {
        self.is_open() && self.has_room()
    }

    /// Queues a message that a handle has sent. After our Close frame the message is dropped.
    pub(super) fn queue_accepted(&mut self, mut message: Message) {
        let _ = self.endpoint.queue(&mut message, self.wire.output());
    }

    /// Counts the messages that were encoded since the last call.
    #[inline]
    pub(super) fn count_encoded(&mut self, work: &mut Work) {
        work.spend(self.endpoint.take_work());
    }

    /// Queues a ping. Its pong completes `waiter`.
    pub(super) fn ping(&mut self, payload: Bytes, waiter: Option<Waiter>) -> Result<(), Error> {
        self.check_open()?;
        self.endpoint.ping(payload.clone(), self.wire.output())?;
        self.pings.on_sent(payload, waiter);
        Ok(())
    }

    /// Queues a ping of the keepalive, and releases memory that was not used since the last one.
    pub(super) fn keepalive_ping(&mut self) {
        self.endpoint.release_idle();
        // A closing connection refuses the ping, and needs none.
        let _ = self.ping(random_payload(), None);
    }

    /// Queues an unsolicited pong.
    pub(super) fn pong(&mut self, payload: Bytes) -> Result<(), Error> {
        self.check_open()?;
        Ok(self.endpoint.pong(payload, self.wire.output())?)
    }

    /// Accepts our Close frame: no message is accepted after it. [`send_close`](Self::send_close)
    /// queues it.
    pub(super) fn request_close(&mut self, frame: CloseFrame) {
        self.ending().set_request(Some(frame));
    }

    /// Replaces the requested Close frame, if it has not left.
    pub(super) fn replace_close(&mut self, frame: CloseFrame) {
        if self.is_close_requested() {
            self.request_close(frame);
        }
    }

    /// Queues the requested Close frame.
    pub(super) fn send_close(&mut self) {
        if let Some(frame) = self.ending().set_request(None) {
            self.endpoint.close(frame, self.wire.output());
        }
    }

    /// Queues the Close frame for a peer that the keepalive has given up.
    pub(super) fn close_dead(&mut self) {
        self.endpoint.give_up(self.wire.output());
    }

    /// Returns the deadline of the end, which is [`Config::close_timeout`] after `from` unless one was set.
    pub(super) fn deadline(&mut self, from: Instant) -> Instant {
        let timeout = self.endpoint.close_timeout();
        self.ending().deadline_or(|| from + timeout.min(NEVER))
    }

    /// Returns the deadline of the end, if one was set.
    #[inline]
    pub(super) fn deadline_so_far(&self) -> Option<Instant> {
        self.ending.as_ref()?.deadline()
    }

    /// Gives the stream up. The first cause counts.
    pub(super) fn give_up(&mut self, cause: Cause) {
        self.ending().set_cause(cause);
        self.endpoint.abandon();
    }

    /// Drops the bytes and completes the waiters of pongs, once the connection has ended.
    pub(super) fn finish(&mut self) {
        self.wire.clear(&mut self.endpoint);
        self.pings.on_end(&self.endpoint.close_frames());
    }

    /// Reads once.
    pub(super) fn read<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Attempt {
        let read = self.wire.read(&mut self.endpoint, turn);
        match read {
            Attempt::Done(0) => {
                self.wire.abandon_output(&mut self.endpoint);
                self.endpoint.receive_eof();
                Attempt::Done(0)
            }
            Attempt::Failed(error) => {
                self.give_up(Cause::Io(Some(error)));
                Attempt::Done(0)
            }
            read => read,
        }
    }

    /// Writes the queue as far as the stream takes it, and flushes the stream: a corked one only if
    /// `uncork` is set.
    #[inline]
    pub(super) fn write<S: Io>(&mut self, uncork: bool, turn: &mut Turn<'_, S>) -> Attempt {
        if self.is_broken() {
            self.wire.clear_output();
            return Attempt::Blocked;
        }
        let wrote = self.wire.write(&mut self.endpoint, turn);
        if matches!(wrote, Attempt::Done(_)) && (uncork || turn.transport.cork.is_none()) {
            return self.wire.flush(turn);
        }
        wrote
    }

    /// Notes a write that has failed: from now on the connection only reads.
    #[cold]
    pub(super) fn on_broken(&mut self, error: io::Error) {
        self.wire.clear_output();
        self.endpoint.drop_unsent();
        self.ending().on_broken(error);
    }

    /// Performs a part of the next step of the end. Errors of a stream that is given up mean nothing.
    pub(super) fn poll_step<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        let next = self.step();
        match next {
            Step::Flush => match self.write(true, turn) {
                Attempt::Done(_) => {}
                Attempt::Failed(error) => self.on_broken(error),
                Attempt::Blocked | Attempt::NotNow => return Poll::Pending,
            },
            Step::HalfClose => {
                let _ = ready!(turn.transport.poll_shutdown(&mut turn.cx()));
            }
            step @ (Step::Drain | Step::Discard) => match self.wire.poll_discard(turn) {
                Poll::Ready(0) => {}
                Poll::Ready(len) if self.is_too_much(len) => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending if step == Step::Discard && !self.ending().has_excess() => {}
                Poll::Pending => return Poll::Pending,
            },
            _ => return Poll::Ready(()),
        }
        self.endpoint.on_step(next);
        Poll::Ready(())
    }

    /// Counts bytes that were read after the deadline. Returns whether they exceed the limit.
    pub(super) fn is_too_much(&mut self, len: usize) -> bool {
        self.ending().is_too_much(len)
    }

    /// Returns the error of an operation on a connection that is not open.
    #[cold]
    pub(super) fn refusal(&mut self) -> Error {
        if let Some(violation) = self.endpoint.violation() {
            return violation.into();
        }
        if self.step() == Step::Continue && !self.is_broken() {
            return SendError::Closed.into();
        }
        let closed = self.endpoint.close_frames();
        self.ending().error(closed)
    }

    /// Returns the last result of `recv`: the same each time, but an I/O error only once.
    #[cold]
    pub(super) fn report(&mut self) -> Result<(), Error> {
        match self.refusal() {
            Error::Closed(closed) if closed.is_clean() => Ok(()),
            error => Err(error),
        }
    }

    /// Records that a stream of messages has come to its end.
    #[cfg(feature = "stream")]
    pub(super) fn set_reported(&mut self) {
        self.ending().set_reported();
    }

    /// Returns whether a stream of messages has come to its end.
    #[cfg(feature = "stream")]
    pub(super) fn has_reported(&self) -> bool {
        self.ending.as_ref().is_some_and(|it| it.has_reported())
    }

    fn check_open(&mut self) -> Result<(), Error> {
        match self.is_open() {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    fn ending(&mut self) -> &mut Ending {
        self.ending.get_or_insert_default()
    }
}
