//! [`WriteQueue`]: what waits for the socket, in order, written with vectored writes.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

use crate::protocol::Output;

/// Payloads below this are copied behind their header, larger ones are kept by reference: copying
/// so few bytes costs less than one more slice in the system call.
const COPY_BELOW: usize = 1024;

/// How many slices one write is given at the most.
const MAX_SLICES: usize = 32;

/// Bytes to be written. Owns no memory when it is empty.
#[derive(Debug, Default)]
pub(super) struct WriteQueue {
    chunks: VecDeque<Bytes>,
    /// Small things, behind the chunks.
    tail: BytesMut,
    /// The bytes in `chunks`.
    in_chunks: usize,
    /// Whether the stream was written to and not flushed since.
    unflushed: bool,
}

impl WriteQueue {
    /// The number of bytes queued.
    pub(super) fn len(&self) -> usize {
        self.in_chunks + self.tail.len()
    }

    /// Drops what is queued.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Takes what is queued, in one piece.
    pub(super) fn take(&mut self) -> Bytes {
        let mut all = BytesMut::with_capacity(self.len());
        for chunk in self.chunks.drain(..) {
            all.extend_from_slice(&chunk);
        }
        all.extend_from_slice(&self.tail);
        self.clear();
        all.freeze()
    }

    /// Writes until at most `high_water` bytes are queued.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        high_water: usize,
    ) -> Poll<io::Result<()>> {
        while self.len() > high_water {
            let written = ready!(self.poll_write_once(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
            self.unflushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes everything and flushes the stream.
    pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_write(io, cx, 0))?;
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_once<S: AsyncWrite + Unpin>(
        &self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        let Some(first) = self.chunks.front() else {
            return io.poll_write(cx, &self.tail);
        };
        if !io.is_write_vectored() {
            return io.poll_write(cx, first);
        }
        let queued = self.chunks.iter().map(Bytes::as_ref).chain([&*self.tail]);
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut used = 0;
        for (slice, bytes) in slices.iter_mut().zip(queued) {
            *slice = IoSlice::new(bytes);
            used += 1;
        }
        io.poll_write_vectored(cx, &slices[..used])
    }

    /// Forgets what was written. A stream that claims more than it was given is not believed.
    fn advance(&mut self, mut written: usize) {
        while let Some(first) = self.chunks.front_mut() {
            if written < first.len() {
                first.advance(written);
                self.in_chunks -= written;
                return;
            }
            written -= first.len();
            self.in_chunks -= first.len();
            self.chunks.pop_front();
        }
        self.tail.advance(written.min(self.tail.len()));
        if self.tail.is_empty() {
            self.tail = BytesMut::new();
            self.chunks = VecDeque::new();
        }
    }

    fn push(&mut self, chunk: Bytes) {
        self.in_chunks += chunk.len();
        self.chunks.push_back(chunk);
    }
}

impl Output for WriteQueue {
    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    fn append(&mut self, payload: Bytes) {
        if payload.len() < COPY_BELOW {
            self.tail.extend_from_slice(&payload);
            return;
        }
        if !self.tail.is_empty() {
            let tail = std::mem::take(&mut self.tail).freeze();
            self.push(tail);
        }
        self.push(payload);
    }
}
