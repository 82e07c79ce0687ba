//! [`Turn`]: one poll of a connection, and the [`Work`] that it may do before other tasks run.

use std::task::{Context, Poll, Waker};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::coop,
};

use super::wire::Transport;

/// The work of one poll, in bytes moved: about a millisecond.
const BUDGET: usize = 8 << 20;

/// The cost of a read or a write beside the bytes that it moves.
const CALL: usize = 64 << 10;

/// The cost of a frame beside its bytes.
const FRAME: usize = 32 << 10;

/// The cost of a byte that extensions encode: compressing is so much slower than moving.
const ENCODE: usize = 64;

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
}

impl<'a, S> Turn<'a, S> {
    #[inline]
    pub(super) const fn new(transport: &'a mut Transport<S>, waker: &'a Waker) -> Self {
        Self {
            transport,
            waker,
            work: Work::new(),
        }
    }

    /// Returns the context for a poll of the stream or the timer.
    #[inline]
    pub(super) const fn cx(&self) -> Context<'a> {
        Context::from_waker(self.waker)
    }
}

/// The remaining work of a poll.
#[derive(Debug)]
pub(super) struct Work {
    bytes: usize,
    messages: usize,
    has_read: bool,
    has_written: bool,
    has_received: bool,
}

impl Work {
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            bytes: BUDGET,
            messages: MESSAGES,
            has_read: false,
            has_written: false,
            has_received: false,
        }
    }

    /// Returns whether a poll without work left may read: each poll reads once, however much it writes.
    pub(super) const fn may_read(&self) -> bool {
        !self.has_read
    }

    /// Returns whether a poll without work left may write: each poll writes once, however much it
    /// receives.
    pub(super) const fn may_write(&self) -> bool {
        !self.has_written
    }

    /// Returns whether a frame may be received: each poll receives one, however much it writes.
    #[inline]
    pub(super) const fn may_receive(&self) -> bool {
        !self.is_done() || !self.has_received
    }

    /// Returns how many messages may be taken out of the inbox.
    pub(super) const fn messages(&self) -> usize {
        self.messages
    }

    /// Counts messages that were taken out of the inbox.
    pub(super) const fn take_messages(&mut self, messages: usize) {
        self.messages = self.messages.saturating_sub(messages);
    }

    /// Returns whether the poll has used up its work.
    #[inline]
    pub(super) const fn is_done(&self) -> bool {
        self.bytes == 0
    }

    /// Uses up the work of the poll.
    pub(super) const fn stop(&mut self) {
        self.bytes = 0;
    }

    /// Counts a read of so many bytes.
    #[inline]
    pub(super) const fn read(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(CALL + bytes);
        self.has_read = true;
    }

    /// Counts a write of so many bytes.
    #[inline]
    pub(super) const fn write(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(CALL + bytes);
        self.has_written = true;
    }

    /// Counts bytes that were encoded.
    #[inline]
    pub(super) const fn encode(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes.saturating_mul(ENCODE));
    }

    /// Counts a received frame.
    #[inline]
    pub(super) const fn frame(&mut self) {
        self.bytes = self.bytes.saturating_sub(FRAME);
        self.has_received = true;
    }
}

/// The number of operations on a connection.
#[derive(Debug, Default)]
pub(super) struct Operations(u8);

impl Operations {
    /// Counts an operation, and waits when other tasks have to run first. Four operations cost the task as
    /// much of its budget as one read of a socket, even if they complete without one.
    #[inline]
    pub(super) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.0 = self.0.wrapping_add(1);
        if !self.0.is_multiple_of(4) {
            return Poll::Ready(());
        }
        coop::poll_proceed(cx).map(|budget| budget.made_progress())
    }
}
