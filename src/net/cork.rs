//! [`Cork`]: under `serve`, what a handler sends leaves when the handler next waits.
//!
//! The loop of `recv` and `send` is polled until it waits for the peer. All that it sent meanwhile is
//! kept here and then leaves with one system call, so a burst of requests is answered with one. It
//! cannot be forgotten, whatever the handler waits for: the task that polls the handler writes it as
//! soon as the handler returns `Pending`. Outside of that poll, as in a task that the handler has
//! handed its connection to, everything is written at once.

use std::{
    cell::Cell,
    future::Future,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    ptr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::{io::AsyncWrite, net::tcp::OwnedWriteHalf};

/// More than this is not kept: a system call for so many bytes costs little for each of them.
const LIMIT: usize = 64 * 1024;

thread_local! {
    /// The cork whose handler this thread is polling.
    static POLLED: Cell<*const Mutex<Writer>> = const { Cell::new(ptr::null()) };

    /// An empty buffer for the next connection that keeps something: none is kept while idle.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The writing half of a connection, shared with the task that polls its handler.
#[derive(Clone, Debug)]
pub(crate) struct Cork(Arc<Mutex<Writer>>);

#[derive(Debug)]
struct Writer {
    /// `None` once the stream was dropped and nothing is left to be written.
    tcp: Option<OwnedWriteHalf>,
    dropped: bool,
    /// What was sent and is yet to be written, before anything else is.
    kept: Vec<u8>,
    /// Waits to write more, when it has seen that `kept` has to leave first.
    waiting: Option<Waker>,
}

impl Cork {
    pub(super) fn new(tcp: OwnedWriteHalf) -> Self {
        Self(Arc::new(Mutex::new(Writer {
            tcp: Some(tcp),
            dropped: false,
            kept: Vec::new(),
            waiting: None,
        })))
    }

    /// Polls the handler that has the stream, then writes what it has sent.
    pub(crate) fn poll<F: Future>(
        &self,
        handler: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let polled = {
            let _polled = Polled::begin(&self.0);
            handler.poll(cx)
        };
        // What the socket does not take now leaves when it wakes this task. An error will meet the
        // handler, too.
        let _ = self.poll_kept(cx);
        polled
    }

    /// Writes what was kept.
    pub(crate) fn poll_kept(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer().poll_kept(cx)
    }

    pub(super) fn poll_write(
        &self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut writer = self.writer();
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_polled() && writer.kept.len().saturating_add(len) <= LIMIT {
            if writer.kept.capacity() == 0 {
                writer.kept = SPARE.take();
            }
            for buf in bufs {
                writer.kept.extend_from_slice(buf);
            }
            return Poll::Ready(Ok(len));
        }
        ready!(writer.poll_before(cx))?;
        Pin::new(writer.tcp()?).poll_write_vectored(cx, bufs)
    }

    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_polled() {
            return Poll::Ready(Ok(()));
        }
        self.writer().poll_before(cx)
    }

    pub(super) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut writer = self.writer();
        ready!(writer.poll_before(cx))?;
        Pin::new(writer.tcp()?).poll_shutdown(cx)
    }

    /// Closes the socket, when what was kept has left.
    pub(super) fn close(&self) {
        let mut writer = self.writer();
        writer.dropped = true;
        if writer.kept.is_empty() {
            writer.tcp = None;
        }
    }

    /// Whether this thread polls the handler.
    fn is_polled(&self) -> bool {
        POLLED.get() == Arc::as_ptr(&self.0)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writer {
    fn tcp(&mut self) -> io::Result<&mut OwnedWriteHalf> {
        self.tcp
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    /// Writes what was kept, for the stream: who polls for the handler's task meanwhile takes over
    /// the socket's wake-up, and passes it on.
    fn poll_before(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = self.poll_kept(cx);
        if written.is_pending() {
            self.waiting = Some(cx.waker().clone());
        }
        written
    }

    fn poll_kept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.kept.is_empty() {
            let tcp = self.tcp.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let written = match ready!(Pin::new(tcp).poll_write(cx, &self.kept)) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                written => written,
            };
            match written {
                Ok(written) => drop(self.kept.drain(..written)),
                Err(error) => {
                    self.end_kept();
                    return Poll::Ready(Err(error));
                }
            }
        }
        self.end_kept();
        Poll::Ready(Ok(()))
    }

    fn end_kept(&mut self) {
        let mut kept = mem::take(&mut self.kept);
        if kept.capacity() > 0 {
            kept.clear();
            SPARE.set(kept);
        }
        if self.dropped {
            self.tcp = None;
        }
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }
}

/// While it lives, this thread polls the handler.
struct Polled(*const Mutex<Writer>);

impl Polled {
    fn begin(cork: &Arc<Mutex<Writer>>) -> Self {
        Self(POLLED.replace(Arc::as_ptr(cork)))
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        POLLED.set(self.0);
    }
}
