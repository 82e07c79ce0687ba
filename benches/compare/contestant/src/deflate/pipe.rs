//! A transport in memory: reading gets prepared bytes for ever, what is written is kept until the next
//! pass.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes of one read.
const CHUNK: usize = 64 << 10;

/// What was written in this pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Output(Arc<Mutex<Vec<u8>>>);

impl Output {
    pub(super) fn with<T>(&self, f: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hands out the wire from its beginning again after its end, and keeps what is written.
#[derive(Debug)]
pub struct Pipe {
    wire: Bytes,
    at: usize,
    pub(super) output: Output,
}

impl Pipe {
    pub(super) fn new(wire: Bytes) -> Self {
        Self {
            wire,
            at: 0,
            output: Output::default(),
        }
    }

    /// Writes without a runtime.
    pub fn put(&self, bytes: &[u8]) {
        self.output.with(|output| output.extend_from_slice(bytes));
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let n = (this.wire.len() - this.at).min(buf.remaining()).min(CHUNK);
        buf.put_slice(&this.wire[this.at..this.at + n]);
        this.at += n;
        if this.at == this.wire.len() {
            this.at = 0;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.put(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        bufs.iter().for_each(|buf| self.put(buf));
        Poll::Ready(Ok(bufs.iter().map(|buf| buf.len()).sum()))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
