//! [`Cork`]: a socket that collects the bytes of a handler until the handler waits. `serve` uses it.
//!
//! A handler that loops over `recv` and `send` is polled until it waits for the peer. Meanwhile the cork
//! keeps the bytes that the handler sends. It writes them with one system call, so that the answers to a
//! burst leave together. The handler task writes the kept bytes as soon as the handler returns `Pending`,
//! for any reason. Outside of that poll, bytes are written at once, for example in another task to which
//! the handler passed its connection.
//!
//! The cork also brings a connection back: the handler task waits for the connection that its last owner
//! drops, and closes it.

mod task;

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    ptr,
    sync::{Arc, PoisonError, atomic::Ordering},
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

pub(crate) use self::task::HandlerTask;

use crate::sync::{AtomicBool, Mutex, MutexGuard, thread_local};

/// The limit of the kept bytes. A system call for more bytes costs little per byte.
const LIMIT: usize = 64 * 1024;

thread_local! {
    /// The cork whose handler this thread is polling.
    static POLLED: Cell<*const ()> = const { Cell::new(ptr::null()) };

    /// Memory for the next connection that keeps bytes. A connection that waits for its peer uses none.
    static SPARE: Cell<Option<Box<Rest>>> = const { Cell::new(None) };
}

/// The stream's handle to a socket `S`, which the stream shares with the handler task. `C` is a connection
/// over the stream, and `M` is mail for it.
pub(crate) struct Cork<S, C, M>(Arc<Inner<S, C, M>>);

struct Inner<S, C, M> {
    /// Whether there is mail that the connection has not seen. Changes under the lock only.
    has_mail: AtomicBool,
    is_write_vectored: bool,
    shared: Mutex<Shared<S, C, M>>,
}

struct Shared<S, C, M> {
    /// `None` once the stream was dropped and all bytes were written.
    io: Option<S>,
    dropped: bool,
    /// Whether a handler task takes a dropped connection back.
    has_task: bool,
    /// Boxed, because an idle connection has none.
    post: Option<Box<Post<C, M>>>,
    /// The handler task, to wake when the connection is left, or the server ends.
    task: Option<Waker>,
    /// Whether the socket has taken bytes since [`Cork::take_progress`].
    progress: bool,
    /// The error of a write of kept bytes. Nothing is written after it.
    failed: Option<io::ErrorKind>,
    /// Whether the socket wakes the handler task to write the kept bytes. The stream then leaves the
    /// socket alone, because a socket wakes only the last task that polled it for writing.
    task_waits: bool,
    /// Boxed, because an idle connection has no such state.
    rest: Option<Box<Rest>>,
}

/// The exchange between the connection and the server.
struct Post<C, M> {
    /// The connection that its last owner has dropped.
    left: Option<C>,
    mail: Option<M>,
}

/// The state of a busy socket.
#[derive(Default)]
struct Rest {
    /// The bytes that were sent and not written yet. They precede all other bytes.
    kept: Vec<u8>,
    /// Whether the socket has taken bytes and is not flushed yet.
    is_unflushed: bool,
    /// The waker of a blocked writer. Woken once the backlog is flushed, because the handler task may
    /// have replaced the socket's write waker meanwhile.
    waiting: Option<Waker>,
}

impl<S, C, M> Clone for Cork<S, C, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C, M> Cork<S, C, M> {
    pub(super) fn new(io: S) -> Self {
        let is_write_vectored = io.is_write_vectored();
        let shared = Mutex::new(Shared {
            io: Some(io),
            dropped: false,
            has_task: false,
            post: None,
            task: None,
            progress: false,
            failed: None,
            task_waits: false,
            rest: None,
        });
        Self(Arc::new(Inner {
            has_mail: AtomicBool::new(false),
            is_write_vectored,
            shared,
        }))
    }

    /// Returns the handle for the task that polls the handler.
    pub(crate) fn handler_task(&self) -> HandlerTask<S, C, M> {
        self.shared().has_task = true;
        HandlerTask::new(self.clone())
    }

    /// Returns whether bytes or a writer wait for the socket.
    pub(super) fn is_busy(&self) -> bool {
        self.shared().rest.is_some()
    }

    /// Returns whether the socket has vectored writes. Takes no lock.
    pub(super) fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored
    }

    /// Calls `look` with the socket; `None` once the socket is closed.
    pub(super) fn with_io<T>(&self, look: impl FnOnce(&mut S) -> T) -> Option<T> {
        self.shared().io.as_mut().map(look)
    }

    /// Takes the socket out of a stream that keeps no bytes and has no handler task.
    pub(super) fn take_io(&self) -> Option<S> {
        let mut shared = self.shared();
        if shared.has_task || shared.has_kept() {
            return None;
        }
        shared.io.take()
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.shared().io()?).poll_read(cx, buf)
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.shared();
        if let Some(kind) = shared.failed {
            return Poll::Ready(Err(kind.into()));
        }
        if self.is_polled() && shared.keep(bufs) {
            let len = bufs.iter().map(|buf| buf.len()).sum();
            return Poll::Ready(Ok(len));
        }
        ready!(shared.poll_before(cx))?;
        let written = Pin::new(shared.io()?).poll_write_vectored(cx, bufs);
        if written.is_pending() {
            shared.wait(cx);
            return Poll::Pending;
        }
        shared.progress = true;
        if shared.has_task && shared.flush_blocks(cx) && !self.is_polled() {
            drop(shared);
            self.wake_task();
        }
        written
    }

    /// Writes the kept bytes, even while the handler is polled, and flushes the socket.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared();
        if let Some(kind) = shared.failed {
            return Poll::Ready(Err(kind.into()));
        }
        ready!(shared.poll_before(cx))?;
        Pin::new(shared.io()?).poll_flush(cx)
    }

    /// Returns whether the socket has taken bytes since the last call. Includes the writes of the handler
    /// task, which the stream cannot see.
    pub(super) fn take_progress(&self) -> bool {
        std::mem::take(&mut self.shared().progress)
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared();
        ready!(shared.poll_before(cx))?;
        Pin::new(shared.io()?).poll_shutdown(cx)
    }

    /// Closes the socket once the kept bytes are written.
    pub(super) fn close(&self) {
        let mut shared = self.shared();
        shared.dropped = true;
        let io = match shared.has_kept() {
            true => None,
            false => shared.io.take(),
        };
        let task = shared.task.clone();
        // Release the lock first: a socket and a waker may run code of their own when they are dropped.
        drop(shared);
        drop(io);
        task.into_iter().for_each(Waker::wake);
    }

    /// Changes the mail for the connection, on behalf of the server. `write` also returns whether the connection has
    /// to look at it.
    pub(super) fn write_mail<T>(&self, write: impl FnOnce(&mut Option<M>) -> (T, bool)) -> T {
        let mut shared = self.shared();
        let (written, is_new) = write(&mut shared.post().mail);
        if is_new {
            self.0.has_mail.store(true, Ordering::Release);
        }
        written
    }

    /// Returns whether there is mail that the connection has not seen. Takes no lock.
    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        self.0.has_mail.load(Ordering::Acquire)
    }

    /// Changes the mail on behalf of the connection.
    pub(super) fn read_mail<T>(&self, read: impl FnOnce(&mut Option<M>) -> T) -> T {
        let mut shared = self.shared();
        self.0.has_mail.store(false, Ordering::Release);
        read(&mut shared.post().mail)
    }

    /// Returns whether `waker` wakes the handler task.
    pub(super) fn is_task(&self, waker: &Waker) -> bool {
        let shared = self.shared();
        shared
            .task
            .as_ref()
            .is_some_and(|task| task.will_wake(waker))
    }

    /// Wakes the handler task.
    pub(crate) fn wake_task(&self) {
        let task = self.shared().task.clone();
        task.into_iter().for_each(Waker::wake);
    }

    /// Passes a connection that its last owner has dropped to the handler task. Without such a task the
    /// connection is dropped.
    pub(super) fn take_back(&self, connection: C) {
        let mut shared = self.shared();
        if !shared.has_task {
            drop(shared);
            drop(connection);
            return;
        }
        shared.post().left = Some(connection);
        let task = shared.task.clone();
        drop(shared);
        task.into_iter().for_each(Waker::wake);
    }

    /// Returns whether this thread polls the handler.
    fn is_polled(&self) -> bool {
        POLLED.with(Cell::get) == Arc::as_ptr(&self.0).cast()
    }

    fn shared(&self) -> MutexGuard<'_, Shared<S, C, M>> {
        // No code panics while it holds the lock.
        self.0.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin, C, M> Shared<S, C, M> {
    fn io(&mut self) -> io::Result<&mut S> {
        self.io
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn post(&mut self) -> &mut Post<C, M> {
        self.post.get_or_insert_with(|| {
            Box::new(Post {
                left: None,
                mail: None,
            })
        })
    }

    fn is_left(&self) -> bool {
        self.post.as_ref().is_some_and(|post| post.left.is_some())
    }

    fn take_left(&mut self) -> Option<C> {
        self.post.as_mut()?.left.take()
    }

    fn has_kept(&self) -> bool {
        matches!(&self.rest, Some(rest) if rest.is_unflushed || !rest.kept.is_empty())
    }

    /// Keeps bytes for a later write. Returns `false`, and keeps none, if there are none or too many.
    fn keep(&mut self, bufs: &[IoSlice<'_>]) -> bool {
        let kept = self.rest.as_ref().map_or(0, |rest| rest.kept.len());
        let len: usize = bufs.iter().map(|buf| buf.len()).sum();
        if len == 0 || kept.saturating_add(len) > LIMIT {
            return false;
        }
        let spare = || SPARE.with(Cell::take).unwrap_or_default();
        let rest = self.rest.get_or_insert_with(spare);
        for buf in bufs {
            rest.kept.extend_from_slice(buf);
        }
        true
    }

    /// Registers the stream's task, which is woken when the stream can write again.
    fn wait(&mut self, cx: &Context<'_>) {
        self.rest.get_or_insert_default().waiting = Some(cx.waker().clone());
    }

    /// Writes the kept bytes on behalf of the stream, unless the handler task waits to write them.
    fn poll_before(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.has_kept() {
            return Poll::Ready(Ok(()));
        }
        let written = if self.task_waits {
            Poll::Pending
        } else {
            self.poll_kept(cx)
        };
        if written.is_pending() {
            self.wait(cx);
        } else {
            self.end_rest();
        }
        written
    }

    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(Ok(()));
        };
        let io = self.io.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let kept = rest.kept.len();
        rest.is_unflushed = true;
        let written = write_all(io, &mut rest.kept, cx);
        self.progress |= rest.kept.len() < kept;
        let written = ready!(written);
        rest.is_unflushed = false;
        rest.kept.clear();
        if let Err(error) = &written {
            self.failed = Some(error.kind());
        }
        if self.dropped {
            self.io = None;
        }
        Poll::Ready(written)
    }

    /// Passes the memory of the kept bytes to the next connection. Returns the waker of a blocked writer.
    fn end_rest(&mut self) -> Option<Waker> {
        let mut rest = self.rest.take()?;
        let waiting = rest.waiting.take();
        SPARE.with(|spare| spare.set(Some(rest)));
        waiting
    }
}

/// Writes all bytes, and flushes the socket.
fn write_all<S: AsyncWrite + Unpin>(
    io: &mut S,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        let written = ready!(Pin::new(&mut *io).poll_write(cx, bytes))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        bytes.drain(..written);
    }
    Pin::new(io).poll_flush(cx)
}
