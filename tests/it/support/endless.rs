//! A stream that always has something to read, and counts bytes instead of keeping them.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::script::Write;

/// Each read returns the same bytes, after the first bytes. Without bytes to repeat, the stream is
/// silent.
#[derive(Debug)]
pub(crate) struct Endless {
    first: Vec<u8>,
    again: Vec<u8>,
    write: Write,
    counts: Counts,
}

/// The number of bytes that passed, shared with the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts(Arc<[AtomicUsize; 2]>);

impl Counts {
    pub(crate) fn read(&self) -> usize {
        self.0[0].load(Ordering::Relaxed)
    }

    pub(crate) fn written(&self) -> usize {
        self.0[1].load(Ordering::Relaxed)
    }

    fn add(&self, index: usize, len: usize) {
        self.0[index].fetch_add(len, Ordering::Relaxed);
    }
}

impl Endless {
    /// Creates a stream that takes all that is written.
    pub(crate) fn new(first: Vec<u8>, again: Vec<u8>) -> (Self, Counts) {
        let counts = Counts::default();
        let stream = Self {
            first,
            again,
            write: Write::Some(usize::MAX),
            counts: counts.clone(),
        };
        (stream, counts)
    }

    /// Sets the outcome of all writes. A write that is pending never wakes its task.
    pub(crate) fn write(mut self, write: Write) -> Self {
        self.write = write;
        self
    }
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.first.is_empty() {
            if self.again.is_empty() {
                return Poll::Pending;
            }
            // Whole repetitions, so that each read begins with a frame.
            assert!(self.again.len() <= buf.remaining());
            buf.put_slice(&self.again);
        } else {
            let len = self.first.len().min(buf.remaining());
            buf.put_slice(&self.first[..len]);
            self.first.drain(..len);
        }
        self.counts.add(0, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.write {
            Write::Pending => Poll::Pending,
            Write::Error(kind) => Poll::Ready(Err(kind.into())),
            Write::Some(most) => {
                let len = most.min(buf.len());
                self.counts.add(1, len);
                Poll::Ready(Ok(len))
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
