//! [`HandlerTask`]: the task that polls a handler, and its end of the cork.

use std::{
    future::Future,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    thread,
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Cork, POLLED, Shared};
use crate::sync::MutexGuard;

/// The handler task's handle to the cork. Once it is dropped, the stream flushes the backlog itself.
pub(crate) struct HandlerTask<S: AsyncRead + AsyncWrite + Unpin, C, M>(Cork<S, C, M>);

impl<S: AsyncRead + AsyncWrite + Unpin, C, M> HandlerTask<S, C, M> {
    pub(super) const fn new(cork: Cork<S, C, M>) -> Self {
        Self(cork)
    }

    /// Returns the cork, with which other tasks [wake](Cork::wake_task) this one.
    pub(crate) fn cork(&self) -> Cork<S, C, M> {
        self.0.clone()
    }

    /// Sets the task to wake when the connection is left.
    pub(crate) fn set_task(&self, waker: &Waker) {
        let replaced = self.0.shared().task.replace(waker.clone());
        drop(replaced);
    }

    /// Polls the handler, then writes the bytes that it has sent. Also returns whether the connection is left.
    ///
    /// An `Err` has the message of a panic, after which the handler has ended. The bytes that it sent still leave.
    pub(crate) fn poll<F: Future>(
        &self,
        handler: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> (Poll<thread::Result<F::Output>>, bool) {
        let polled = {
            let _polled = Polled::begin(&self.0.0);
            catch_unwind(AssertUnwindSafe(|| handler.poll(cx)))
        };
        // The socket wakes this task for the remaining bytes. If this write fails, the next write of the
        // stream returns the error.
        let shared = self.0.shared();
        let is_left = shared.is_left();
        let _ = self.poll_kept_of(shared, cx);
        match polled {
            Ok(poll) => (poll.map(Ok), is_left),
            Err(panic) => (Poll::Ready(Err(panic)), is_left),
        }
    }

    /// Waits until the last owner of the connection has dropped it, and takes it. Returns `None` if the
    /// stream was dropped without a connection, once the kept bytes are written.
    pub(crate) fn poll_left(&self, cx: &mut Context<'_>) -> Poll<Option<C>> {
        self.set_task(cx.waker());
        let mut shared = self.0.shared();
        if let Some(connection) = shared.take_left() {
            // The connection writes the kept bytes from now on.
            shared.task_waits = false;
            return Poll::Ready(Some(connection));
        }
        let is_dropped = shared.dropped;
        let kept = self.poll_kept_of(shared, cx);
        if is_dropped && kept.is_ready() {
            return Poll::Ready(None);
        }
        Poll::Pending
    }

    /// Returns whether the stream was dropped.
    pub(crate) fn is_stream_dropped(&self) -> bool {
        self.0.shared().dropped
    }

    /// Closes the socket, also if another task holds the stream. Later reads and writes fail.
    pub(crate) fn abandon(&self) {
        let mut shared = self.0.shared();
        let io = shared.io.take();
        let left = shared.take_left();
        shared.has_task = false;
        drop(shared);
        drop((left, io));
    }

    /// Writes the kept bytes, and releases the lock.
    fn poll_kept_of(
        &self,
        mut shared: MutexGuard<'_, Shared<S, C, M>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !shared.has_kept() {
            return Poll::Ready(Ok(()));
        }
        let written = shared.poll_kept(cx);
        shared.task_waits = written.is_pending();
        if written.is_ready() {
            let waiting = shared.end_rest();
            // Release the lock first, because a waker may take locks of its own.
            drop(shared);
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C, M> Shared<S, C, M> {
    /// Flushes the socket after a write of the stream. Returns whether it blocks, and the handler task has to continue:
    /// TLS may have taken bytes that it has not written yet, and the stream may not be used again.
    pub(super) fn flush_blocks(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(io) = &mut self.io else {
            return false;
        };
        // The next write of the stream returns an error.
        let blocks = Pin::new(io).poll_flush(cx).is_pending();
        if blocks {
            self.rest.get_or_insert_default().is_unflushed = true;
        }
        blocks
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C, M> Drop for HandlerTask<S, C, M> {
    fn drop(&mut self) {
        let mut shared = self.0.shared();
        shared.task_waits = false;
        shared.has_task = false;
        let waiting = shared.rest.as_mut().and_then(|rest| rest.waiting.take());
        let (left, task) = (shared.take_left(), shared.task.take());
        drop(shared);
        drop((left, task));
        waiting.into_iter().for_each(Waker::wake);
    }
}

/// A guard: while it exists, this thread polls the handler.
struct Polled(*const ());

impl Polled {
    fn begin<T>(cork: &Arc<T>) -> Self {
        Self(POLLED.with(|polled| polled.replace(Arc::as_ptr(cork).cast())))
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.with(|polled| polled.set(self.0));
    }
}
