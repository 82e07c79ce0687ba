//! [`Wire`]: the bytes of a connection between its endpoint and its stream, in both directions.

use std::{
    io, mem,
    pin::{Pin, pin},
    task::{Poll, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{io::AsyncReadExt, task::coop};

use super::{
    read::ReadBuffer,
    turn::{Debt, Io, Turn},
    write::WriteQueue,
};
use crate::{
    frame::WholeFrame,
    protocol::{Endpoint, Output, Received, Step},
};

/// The outcome of an attempt to move bytes.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The stream has moved so many bytes: all that there were, when it wrote.
    Done(usize),
    /// The stream cannot continue now. It wakes the task.
    Blocked,
    /// The task has used up its turn, so the stream was not tried.
    NotNow,
    /// The stream has failed.
    Failed(io::Error),
}

impl From<Poll<io::Result<usize>>> for Attempt {
    #[inline]
    fn from(polled: Poll<io::Result<usize>>) -> Self {
        match polled {
            Poll::Ready(Ok(bytes)) => Self::Done(bytes),
            Poll::Ready(Err(error)) => Self::Failed(error),
            Poll::Pending if coop::has_budget_remaining() => Self::Blocked,
            Poll::Pending => Self::NotNow,
        }
    }
}

/// The place of the input.
#[derive(Clone, Copy, Debug, Default)]
enum InputState {
    /// The connection has the input.
    #[default]
    Held,
    /// A closure of the application has the input.
    Lent,
    /// As `Lent`, and another task would have read.
    Missed,
}

/// The buffers of a connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    input: ReadBuffer,
    output: WriteQueue,
    /// Whether the input ends within a frame: nothing is received without another read.
    starved: bool,
    /// Whether the stream has taken bytes and was not flushed since.
    unflushed: bool,
    /// Whether a message was sent since one was last asked for.
    only_sends: bool,
    debt: Debt,
    /// Whether bytes have arrived since [`take_received`](Self::take_received).
    received: bool,
    input_state: InputState,
    /// Whether the stream has taken bytes since [`take_written`](Self::take_written).
    written: bool,
}

impl Wire {
    /// Sets the bytes that were read and the bytes that are to be written.
    pub(super) fn restore(&mut self, input: BytesMut, output: Bytes) {
        self.input = input.into();
        self.output.restore(output);
        self.starved = false;
    }

    /// Takes the bytes that were read and the bytes that are to be written.
    pub(super) fn take(&mut self) -> (BytesMut, Bytes) {
        (self.input.take(), self.output.take())
    }

    /// Drops all bytes.
    pub(super) fn clear(&mut self, endpoint: &mut Endpoint) {
        self.input.clear();
        self.abandon_output(endpoint);
    }

    /// Drops the bytes that are to be written, of a stream that has not failed.
    pub(super) fn abandon_output(&mut self, endpoint: &mut Endpoint) {
        if !self.output.is_empty() {
            endpoint.on_output_lost(self.output.len());
        }
        self.clear_output();
    }

    /// Drops the bytes that are to be written.
    pub(super) fn clear_output(&mut self) {
        self.output.clear();
        self.unflushed = false;
    }

    /// Returns the queue of bytes to be written.
    #[inline]
    pub(super) const fn output(&mut self) -> &mut WriteQueue {
        &mut self.output
    }

    /// Returns the number of bytes that wait to be written.
    #[inline]
    pub(super) fn buffered(&self) -> usize {
        self.output.len()
    }

    /// Returns whether a message may be queued without a wait.
    #[inline]
    pub(super) fn has_room(&self, endpoint: &Endpoint) -> bool {
        endpoint.has_room(&self.output)
    }

    /// Returns whether bytes wait to be written that do not depend on the application.
    #[inline]
    pub(super) fn has_unsent(&self, endpoint: &Endpoint) -> bool {
        !self.output.is_empty() || endpoint.is_unfinished()
    }

    /// Returns the number of bytes that the next chunk of a message should have at most.
    pub(super) fn stream_room(&self, endpoint: &Endpoint) -> usize {
        endpoint.stream_room(&self.output)
    }

    /// Returns the number of bytes of messages that may be queued.
    pub(super) fn room(&self, endpoint: &Endpoint) -> usize {
        endpoint.room(&self.output)
    }

    /// Returns whether bytes wait to be written or to be flushed.
    #[inline]
    pub(super) fn has_backlog(&self) -> bool {
        self.unflushed || !self.output.is_empty()
    }

    /// Returns the debt of the task to tokio's budget.
    #[inline]
    pub(super) const fn debt(&mut self) -> &mut Debt {
        &mut self.debt
    }

    /// Sets whether nothing is received without another read.
    pub(super) const fn set_starved(&mut self, starved: bool) {
        self.starved = starved;
    }

    /// Returns whether nothing is received without another read.
    #[inline]
    pub(super) fn is_starved(&self, endpoint: &Endpoint) -> bool {
        self.starved || (self.input.is_empty() && !endpoint.receiver().has_more())
    }

    /// Records that a message is sent, or that one is asked for. Returns whether a message was sent since
    /// one was last asked for.
    #[inline]
    pub(super) const fn only_sends(&mut self, sends: bool) -> bool {
        mem::replace(&mut self.only_sends, sends)
    }

    /// Returns whether bytes have arrived since the last call.
    pub(super) const fn take_received(&mut self) -> bool {
        mem::replace(&mut self.received, false)
    }

    /// Returns whether the stream has taken bytes since the last call.
    pub(super) const fn take_written(&mut self) -> bool {
        mem::replace(&mut self.written, false)
    }

    /// Returns the place of the next message if the input begins with all of it.
    #[inline(always)]
    pub(super) fn find_whole(&self, endpoint: &Endpoint) -> Option<WholeFrame> {
        endpoint.receiver().find_whole(self.input.peek()?)
    }

    /// Copies a whole message out of the input. `None` after a violation.
    #[inline(always)]
    pub(super) fn take_whole(
        &mut self,
        frame: WholeFrame,
        endpoint: &mut Endpoint,
    ) -> Option<Received> {
        let received = endpoint.take_whole(frame, self.input.bytes()?, &mut self.output);
        self.input.release_empty();
        received
    }

    /// Unmasks a whole message in place, and takes the input. `None` after a violation.
    #[inline(always)]
    pub(super) fn lend_whole(
        &mut self,
        frame: WholeFrame,
        endpoint: &mut Endpoint,
    ) -> Option<ReadBuffer> {
        let input = self.input.bytes()?;
        endpoint.open_whole(frame, input, &mut self.output).ok()?;
        self.input_state = InputState::Lent;
        Some(mem::take(&mut self.input))
    }

    /// Returns whether the input is lent.
    #[inline]
    pub(super) const fn is_lent(&self) -> bool {
        !matches!(self.input_state, InputState::Held)
    }

    /// Records that another task would read if the input were not lent.
    pub(super) const fn miss_read(&mut self) {
        if self.is_lent() {
            self.input_state = InputState::Missed;
        }
    }

    /// Continues with the rest of the input. Returns whether another task would have read meanwhile.
    #[inline(always)]
    pub(super) fn give_back(&mut self, input: ReadBuffer) -> bool {
        self.input = input;
        self.input.release_empty();
        matches!(
            mem::replace(&mut self.input_state, InputState::Held),
            InputState::Missed
        )
    }

    /// Receives the next message or pong in the input. Answers go to the output.
    #[inline(always)]
    pub(super) fn receive<S>(
        &mut self,
        endpoint: &mut Endpoint,
        turn: &mut Turn<'_, S>,
    ) -> Option<Received> {
        while turn.may_receive() && endpoint.next_step() == Step::Continue {
            let work = &mut turn.work;
            let received = match self.input.bytes() {
                Some(input) => endpoint.next(input, &mut self.output, work),
                None if endpoint.receiver().has_more() => {
                    endpoint.next(&mut BytesMut::new(), &mut self.output, work)
                }
                None => break,
            };
            turn.count_event();
            match received {
                Ok(Some(received)) => {
                    self.input.release_empty();
                    return Some(received);
                }
                Err(_) => {}
                Ok(None) if turn.work.is_paused() => break,
                Ok(None) => {
                    self.starved = true;
                    break;
                }
            }
        }
        self.input.release_empty();
        None
    }

    /// Reads once: a large payload straight to its place, anything else into the input.
    pub(super) fn read<S: Io>(
        &mut self,
        endpoint: &mut Endpoint,
        turn: &mut Turn<'_, S>,
    ) -> Attempt {
        let cx = &mut turn.cx();
        let destination = match self.input.is_empty() {
            true => endpoint.receiver_mut().destination(),
            false => None,
        };
        let read = match destination {
            Some((payload, most)) => {
                let read = pin!(turn.transport.io.read_buf(&mut payload.limit(most))).poll(cx);
                if let Poll::Ready(Ok(len)) = read {
                    endpoint.on_arrived(len, &mut self.output);
                }
                read
            }
            None => self.input.poll_read(&mut turn.transport.io, cx),
        };
        // A TLS stream that ends without a `close_notify` reports this error.
        let read = read.map(|read| match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        });
        if let Poll::Ready(Ok(len)) = read {
            turn.count_read(len);
            self.starved = false;
            self.received = true;
        }
        read.into()
    }

    /// Writes the output as far as the stream takes it.
    #[inline]
    pub(super) fn write<S: Io>(
        &mut self,
        endpoint: &mut Endpoint,
        turn: &mut Turn<'_, S>,
    ) -> Attempt {
        let cx = &mut turn.cx();
        while !self.output.is_empty() || endpoint.is_unfinished() {
            if !turn.may_write() {
                return Attempt::NotNow;
            }
            if self.output.is_empty() {
                endpoint.advance(&mut self.output, &mut turn.work);
                turn.count_write(0);
                continue;
            }
            match Attempt::from(self.output.poll_write(&mut turn.transport.io, cx)) {
                Attempt::Done(len) => {
                    turn.count_write(len);
                    self.unflushed = true;
                    self.written = true;
                    endpoint.advance(&mut self.output, &mut turn.work);
                }
                stopped => return stopped,
            }
        }
        Attempt::Done(0)
    }

    /// Flushes the stream, if it has taken bytes since it was flushed.
    #[inline]
    pub(super) fn flush<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Attempt {
        if !self.unflushed {
            return Attempt::Done(0);
        }
        let cx = &mut turn.cx();
        let flushed = Pin::new(&mut turn.transport.io).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed.map_ok(|()| 0).into()
    }

    /// Discards the input, or reads once and discards the bytes. Returns their number: zero at the end of
    /// the stream, and when the stream has failed.
    pub(super) fn poll_discard<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<usize> {
        if self.input.is_empty() {
            let cx = &mut turn.cx();
            let read = ready!(self.input.poll_read(&mut turn.transport.io, cx));
            turn.count_read(read.unwrap_or(0));
        }
        Poll::Ready(self.input.discard())
    }
}
