//! A transport in memory: reading gets prepared bytes for ever, writing is swallowed and counted.

use std::{
    hint::black_box,
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Hands out the wire in chunks, from its beginning again after its end.
#[derive(Debug)]
pub struct MemoryTransport {
    wire: Bytes,
    at: usize,
    chunk: usize,
    written: Arc<Written>,
}

/// What was written: how many bytes, and a checksum of a few of them.
#[derive(Debug, Default)]
pub struct Written {
    bytes: AtomicU64,
    checksum: AtomicU64,
}

impl Written {
    /// Notes a write. Nobody may assume that its bytes are not read.
    fn note(&self, buf: &[u8]) {
        let buf = black_box(buf);
        let bytes = self.bytes.load(Relaxed) + buf.len() as u64;
        self.bytes.store(bytes, Relaxed);
        if let [first, .., last] = *buf {
            let sum = self.checksum.load(Relaxed).rotate_left(9);
            let few = u64::from(first) << 8 | u64::from(last);
            self.checksum.store(sum ^ few, Relaxed);
        }
    }

    /// Returns the number of bytes written.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Returns the checksum.
    pub fn checksum(&self) -> u64 {
        self.checksum.load(Relaxed)
    }
}

impl MemoryTransport {
    /// Makes a transport that hands out `wire` again and again, at most `chunk` bytes for each read. An
    /// empty wire is that of a peer that sends nothing.
    pub fn new(wire: Bytes, chunk: usize) -> Self {
        Self {
            wire,
            at: 0,
            chunk,
            written: Arc::default(),
        }
    }

    /// Returns what sees the writes, also after the transport has been given away.
    pub fn written(&self) -> Arc<Written> {
        Arc::clone(&self.written)
    }

    /// Reads the next bytes into a buffer.
    pub fn read_into(&mut self, room: usize) -> &[u8] {
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
        self.written.note(buf);
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut n = 0;
        for buf in bufs {
            self.written.note(buf);
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
