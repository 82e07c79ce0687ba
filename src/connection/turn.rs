//! [`Turn`]: one poll of a connection, and the work that it may do before other tasks run.

use std::{
    pin::pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::{coop, yield_now},
};

use super::transport::Transport;
use crate::protocol::Work;

/// The cost of a read or a write beside the bytes that it moves.
const CALL: usize = 64 << 10;

/// The cost of a message or a control frame beside its bytes.
const EVENT: usize = 32 << 10;

/// The number of messages that one poll takes out of the inbox.
const MESSAGES: usize = 32;

/// A stream that can carry a connection.
pub(super) trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Io for S {}

/// One poll of a connection.
#[derive(Debug)]
pub(super) struct Turn<'a, S> {
    pub(super) transport: &'a mut Transport<S>,
    /// The waker of the task, or of both tasks that poll the connection.
    pub(super) waker: &'a Waker,
    pub(super) work: Work,
    /// The number of messages that may be taken out of the inbox.
    pub(super) messages: usize,
    has_read: bool,
    has_written: bool,
    has_received: bool,
}

impl<'a, S> Turn<'a, S> {
    #[inline]
    pub(super) const fn new(transport: &'a mut Transport<S>, waker: &'a Waker) -> Self {
        Self {
            transport,
            waker,
            work: Work::of_a_poll(),
            messages: MESSAGES,
            has_read: false,
            has_written: false,
            has_received: false,
        }
    }

    /// Returns the context for a poll of the stream or the timer.
    #[inline]
    pub(super) const fn cx(&self) -> Context<'a> {
        Context::from_waker(self.waker)
    }

    /// Wakes the task after other tasks have run and the runtime has looked at its sockets and timers.
    #[cold]
    pub(super) fn yield_now(&self) {
        let _ = pin!(yield_now()).poll(&mut self.cx());
    }

    /// Returns whether the stream may be read: each poll reads once, however much it writes.
    pub(super) const fn may_read(&self) -> bool {
        !self.work.is_done() || !self.has_read
    }

    /// Returns whether the stream may be written: each poll writes once, however much it receives.
    #[inline]
    pub(super) const fn may_write(&self) -> bool {
        !self.work.is_done() || !self.has_written
    }

    /// Returns whether an event may be received: each poll receives one, however much it writes.
    #[inline]
    pub(super) const fn may_receive(&self) -> bool {
        !self.work.is_done() || !self.has_received
    }

    /// Counts a read of so many bytes.
    #[inline]
    pub(super) const fn count_read(&mut self, bytes: usize) {
        self.work.spend(CALL + bytes);
        self.has_read = true;
    }

    /// Counts a step towards a write that has moved so many bytes.
    #[inline]
    pub(super) const fn count_write(&mut self, bytes: usize) {
        self.work.spend(CALL + bytes);
        self.has_written = true;
    }

    /// Counts an attempt to receive an event.
    #[inline]
    pub(super) const fn count_event(&mut self) {
        self.work.spend(EVENT);
        self.has_received = true;
    }
}

/// The debt of a task to tokio's budget. Each operation adds to it, and so does the work of each poll: an
/// operation may complete without a wait, however much work it was.
#[derive(Debug, Default)]
pub(super) struct Debt(u8);

impl Debt {
    /// The work for which the debt grows by one, in bytes moved.
    const UNIT: usize = 32 << 10;

    /// The debt that is settled by one unit of the budget. The budget has 128 of them.
    const PRICE: u8 = 4;

    /// Counts an operation, settles the debt, and waits when other tasks have to run first.
    #[inline]
    pub(super) fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0 = self.0.saturating_add(1);
        while self.0 >= Self::PRICE {
            ready!(coop::poll_proceed(cx)).made_progress();
            self.0 -= Self::PRICE;
        }
        Poll::Ready(())
    }

    /// Adds the work of a poll, without a read and a write, for which the stream charges the task.
    #[inline]
    pub(super) fn charge(&mut self, work: &Work) {
        #[cfg(all(test, feature = "deflate"))]
        tests::record(work);
        if let Some(charged @ Self::UNIT..) = work.done().checked_sub(2 * CALL) {
            self.add(charged);
        }
    }

    #[cold]
    fn add(&mut self, work: usize) {
        let units = u8::try_from(work / Self::UNIT).unwrap_or(u8::MAX);
        self.0 = self.0.saturating_add(units);
    }
}

#[cfg(all(test, feature = "deflate"))]
mod tests;
