//! [`Cork`]: a socket that collects the bytes of a handler until the handler waits. `serve` uses it.
//!
//! A handler that loops over `recv` and `send` is polled until it waits for the peer. Meanwhile the cork
//! keeps the bytes that the handler sends. It writes them with one system call, so that the answers to a
//! burst leave together. The handler task writes the kept bytes as soon as the handler returns `Pending`,
//! for any reason. Outside of that poll, bytes are written at once, for example in another task to which
//! the handler passed its connection.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::sync::{Mutex, MutexGuard, thread_local};

/// The limit of the kept bytes. A system call for more bytes costs little per byte.
const LIMIT: usize = 64 * 1024;

/// The pause between two attempts of [`HandlerTask::finish`].
const PAUSE: Duration = Duration::from_millis(5);

thread_local! {
    /// The cork whose handler this thread is polling.
    static POLLED: Cell<*const ()> = const { Cell::new(ptr::null()) };

    /// Memory for the next connection that keeps bytes. A connection that waits for its peer uses none.
    static SPARE: Cell<Option<Box<Rest>>> = const { Cell::new(None) };
}

/// The stream's handle to a socket, which the stream shares with the handler task.
pub(crate) struct Cork<S = TcpStream>(Arc<Mutex<Shared<S>>>);

/// The handler task's handle to the cork. Once it is dropped, the stream flushes the backlog itself.
pub(crate) struct HandlerTask<S: AsyncRead + AsyncWrite + Unpin = TcpStream>(Cork<S>);

struct Shared<S> {
    /// `None` once the stream was dropped and all bytes were written.
    tcp: Option<S>,
    dropped: bool,
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

/// The state of a busy socket.
#[derive(Default)]
struct Rest {
    /// The bytes that were sent and not written yet. They precede all other bytes.
    kept: Vec<u8>,
    /// The waker of a blocked writer. Woken once the backlog is flushed, because the handler task may
    /// have replaced the socket's write waker meanwhile.
    waiting: Option<Waker>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Cork<S> {
    pub(super) fn new(tcp: S) -> Self {
        Self(Arc::new(Mutex::new(Shared {
            tcp: Some(tcp),
            dropped: false,
            progress: false,
            failed: None,
            task_waits: false,
            rest: None,
        })))
    }

    /// Returns the handle for the task that polls the handler.
    pub(crate) fn handler_task(&self) -> HandlerTask<S> {
        HandlerTask(Self(Arc::clone(&self.0)))
    }

    /// Returns whether bytes or a writer wait for the socket.
    pub(super) fn is_busy(&self) -> bool {
        self.shared().rest.is_some()
    }

    /// Calls `look` with the socket.
    pub(super) fn with_tcp<T>(&self, look: impl FnOnce(&S) -> T) -> io::Result<T> {
        self.shared().tcp().map(|tcp| look(tcp))
    }

    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(self.shared().tcp()?).poll_read(cx, buf)
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
        let written = Pin::new(shared.tcp()?).poll_write_vectored(cx, bufs);
        if written.is_pending() {
            shared.wait(cx);
        } else {
            shared.progress = true;
        }
        written
    }

    /// Writes the kept bytes, even while the handler is polled.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared();
        if let Some(kind) = shared.failed {
            return Poll::Ready(Err(kind.into()));
        }
        shared.poll_before(cx)
    }

    /// Returns whether the socket has taken bytes since the last call. Includes the writes of the handler
    /// task, which the stream cannot see.
    pub(super) fn take_progress(&self) -> bool {
        std::mem::take(&mut self.shared().progress)
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.shared();
        ready!(shared.poll_before(cx))?;
        Pin::new(shared.tcp()?).poll_shutdown(cx)
    }

    /// Closes the socket once the kept bytes are written.
    pub(super) fn close(&self) {
        let mut shared = self.shared();
        shared.dropped = true;
        if !shared.has_kept() {
            shared.tcp = None;
        }
    }

    /// Returns whether this thread polls the handler.
    fn is_polled(&self) -> bool {
        POLLED.with(Cell::get) == Arc::as_ptr(&self.0).cast()
    }

    fn shared(&self) -> MutexGuard<'_, Shared<S>> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> HandlerTask<S> {
    /// Polls the handler to its end. A handler that panics has ended, and the bytes that it sent still
    /// leave.
    pub(crate) async fn run<F: Future>(&self, mut handler: Pin<&mut F>) {
        poll_fn(|cx| {
            let poll = AssertUnwindSafe(|| self.poll(handler.as_mut(), cx).map(drop));
            catch_unwind(poll).unwrap_or(Poll::Ready(()))
        })
        .await;
    }

    /// Polls the handler, then writes the bytes that it has sent.
    pub(crate) fn poll<F: Future>(
        &self,
        handler: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let polled = {
            let _polled = Polled::begin(&self.0.0);
            handler.poll(cx)
        };
        // The socket wakes this task for the remaining bytes. If this write fails, the next write of the
        // stream returns the error.
        let _ = self.poll_kept(cx);
        polled
    }

    /// Writes the last bytes of the handler, within `close_timeout`. Continues for longer while another
    /// task, to which the handler passed its connection, holds the stream.
    pub(crate) async fn finish(&self, close_timeout: Duration) {
        loop {
            let kept = timeout(close_timeout, poll_fn(|cx| self.poll_kept(cx)));
            if kept.await.is_ok() || self.0.shared().dropped {
                return;
            }
            // Pause between attempts, even if the timeout is very short.
            sleep(PAUSE).await;
        }
    }

    /// Writes the kept bytes.
    pub(crate) fn poll_kept(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.shared();
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

impl<S: AsyncRead + AsyncWrite + Unpin> Drop for HandlerTask<S> {
    fn drop(&mut self) {
        let waiting = {
            let mut shared = self.0.shared();
            shared.task_waits = false;
            shared.rest.as_mut().and_then(|rest| rest.waiting.take())
        };
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Shared<S> {
    fn tcp(&mut self) -> io::Result<&mut S> {
        self.tcp
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn has_kept(&self) -> bool {
        matches!(&self.rest, Some(rest) if !rest.kept.is_empty())
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
        let tcp = self.tcp.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        let kept = rest.kept.len();
        let written = write_all(tcp, &mut rest.kept, cx);
        self.progress |= rest.kept.len() < kept;
        let written = ready!(written);
        rest.kept.clear();
        if let Err(error) = &written {
            self.failed = Some(error.kind());
        }
        if self.dropped {
            self.tcp = None;
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

fn write_all<S: AsyncWrite + Unpin>(
    tcp: &mut S,
    bytes: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        let written = ready!(Pin::new(&mut *tcp).poll_write(cx, bytes))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        bytes.drain(..written);
    }
    Poll::Ready(Ok(()))
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
