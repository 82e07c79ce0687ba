//! [`Socket`]: the stream below a cork. It takes nothing until an event, which wakes the task that
//! polled last.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use loom::sync::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket, which is closed when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Socket(Peer);

/// The other end of a socket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peer(Arc<Mutex<Wire>>);

#[derive(Debug, Default)]
struct Wire {
    /// The number of bytes that can be written before a write blocks.
    room: usize,
    broken: bool,
    closed: bool,
    written: Vec<u8>,
    waker: Option<Waker>,
}

impl Socket {
    pub(crate) fn peer(&self) -> Peer {
        self.0.clone()
    }
}

impl Peer {
    /// Makes room for this number of bytes.
    pub(crate) fn takes(&self, bytes: usize) {
        self.0.lock().unwrap().room += bytes;
        self.wake();
    }

    /// Fails all later writes.
    pub(crate) fn breaks(&self) {
        self.0.lock().unwrap().broken = true;
        self.wake();
    }

    /// Returns the written bytes, and whether the socket was closed afterwards.
    pub(crate) fn got(&self) -> (String, bool) {
        let wire = self.0.lock().unwrap();
        (
            String::from_utf8(wire.written.clone()).unwrap(),
            wire.closed,
        )
    }

    fn wake(&self) {
        let waker = self.0.lock().unwrap().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        if wire.broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if wire.room == 0 {
            wire.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().closed = true;
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        unimplemented!("no model reads")
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_ready(cx))?;
        let mut wire = self.0.0.lock().unwrap();
        let len = buf.len().min(wire.room);
        wire.room -= len;
        wire.written.extend_from_slice(&buf[..len]);
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
