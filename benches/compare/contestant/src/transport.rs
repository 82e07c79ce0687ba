//! A transport in memory. Reads return prepared bytes again and again. Writes are counted.

use std::{
    hint::black_box,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Returns the wire in chunks, and starts again after its end.
#[derive(Debug)]
pub struct MemoryTransport {
    wire: Bytes,
    at: usize,
    chunk: usize,
    written: Arc<Written>,
}

/// The writes to a transport: the number of bytes, and a checksum of a few of them.
#[derive(Debug, Default)]
pub struct Written {
    bytes: AtomicU64,
    checksum: AtomicU64,
    keeps: bool,
    kept: Mutex<Vec<u8>>,
}

impl Written {
    /// Records a write. The compiler has to assume that its bytes are read.
    fn record(&self, buf: &[u8]) {
        let buf = black_box(buf);
        let bytes = self.bytes.load(Relaxed) + buf.len() as u64;
        self.bytes.store(bytes, Relaxed);
        if let [first, .., last] = *buf {
            let sum = self.checksum.load(Relaxed).rotate_left(9);
            let few = u64::from(first) << 8 | u64::from(last);
            self.checksum.store(sum ^ few, Relaxed);
        }
        if self.keeps {
            self.keep(buf);
        }
    }

    #[cold]
    #[inline(never)]
    fn keep(&self, buf: &[u8]) {
        self.kept().extend_from_slice(buf);
    }

    /// Returns the number of bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Returns the bytes written, if the transport keeps them.
    pub fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryTransport {
    /// Creates a transport that returns `wire` again and again, at most `chunk` bytes for each read. With
    /// an empty wire the peer sends nothing. The bytes that are written are kept if `keeps` says so.
    pub fn new(wire: Bytes, chunk: usize, keeps: bool) -> Self {
        let written = Written {
            keeps,
            ..Written::default()
        };
        Self {
            wire,
            at: 0,
            chunk,
            written: Arc::new(written),
        }
    }

    /// Returns the record of writes, which outlives the transport.
    pub fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }

    /// Returns the next bytes that a read of `room` bytes gets.
    fn read_into(&mut self, room: usize) -> &[u8] {
        if self.at == self.wire.len() {
            self.at = 0;
        }
        let n = room.min(self.chunk).min(self.wire.len() - self.at);
        let from = self.at;
        self.at += n;
        &self.wire[from..from + n]
    }
}

impl AsyncRead for MemoryTransport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.wire.is_empty() {
            return Poll::Pending;
        }
        let room = buf.remaining();
        buf.put_slice(self.read_into(room));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for MemoryTransport {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written.record(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut n = 0;
        for buf in bufs {
            self.written.record(buf);
            n += buf.len();
        }
        Poll::Ready(Ok(n))
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
