//! [`WriteQueue`]: the bytes that wait for the stream, in order, written with vectored writes.
//!
//! A stream without vectored writes, such as TLS, is given a short slice together with the bytes that follow
//! it, so that the header of a large payload is not written alone.
//!
//! Each thread keeps one spare queue with its memory, so that a connection which sends, flushes and
//! waits allocates nothing and owns nothing while it waits.

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, IoSlice},
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncWrite, ReadBuf};

use crate::protocol::Output;

/// Payloads below this are copied behind their header, larger ones are kept by reference: copying
/// so few bytes costs less than one more slice in the system call.
const COPY_BELOW: usize = 4096;

/// The largest number of slices of one write.
const MAX_SLICES: usize = 32;

/// For a stream without vectored writes, shorter slices than this are copied into one buffer of this size:
/// the largest plaintext of a TLS record (RFC 8446 §5.1).
const GATHERED: usize = 16 << 10;

/// A spare queue keeps no more memory than this for copied bytes.
const MAX_SPARE: usize = 128 << 10;

thread_local! {
    static SPARE: Cell<Option<Box<Queue>>> = const { Cell::new(None) };
}

/// Bytes to be written. Owns no memory when it is empty.
#[derive(Debug, Default)]
pub(super) struct WriteQueue(Option<Box<Queue>>);

#[derive(Debug, Default)]
struct Queue {
    /// Headers and copied payloads, one behind the other.
    copied: BytesMut,
    /// Large payloads, each with its position: the number of copied bytes that precede it, counted
    /// since the queue was created.
    kept: VecDeque<(usize, Bytes)>,
    /// The number of copied bytes that were written.
    written: usize,
    /// The number of bytes in `kept`.
    kept_len: usize,
}

impl WriteQueue {
    /// Returns whether no byte is queued.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|queue| queue.len() == 0)
    }

    /// Drops the queued bytes.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Appends bytes that were taken from a queue.
    pub(super) fn restore(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.append(bytes);
        }
    }

    /// Takes the queued bytes, in one piece.
    pub(super) fn take(&mut self) -> Bytes {
        let Some(mut queue) = self.0.take() else {
            return Bytes::new();
        };
        let mut all = BytesMut::with_capacity(queue.len());
        while queue.len() > 0 {
            let next = queue.slices().next().unwrap_or_default();
            all.extend_from_slice(next);
            let len = next.len();
            queue.advance(len);
        }
        all.freeze()
    }

    /// Writes once, and returns the number of bytes that the stream has taken. The queue must not be
    /// empty. An emptied queue gives its memory back to the thread.
    pub(super) fn poll_write<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let Some(queue) = &mut self.0 else {
            return Poll::Ready(Ok(0));
        };
        let written = ready!(queue.poll_write(io, cx))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        queue.advance(written);
        if queue.len() == 0 {
            self.release();
        }
        Poll::Ready(Ok(written))
    }

    /// Gives the memory of an empty queue back to the thread, unless there is too much of it.
    fn release(&mut self) {
        if let Some(queue) = self.0.take()
            && queue.copied.capacity() <= MAX_SPARE
        {
            SPARE.set(Some(queue));
        }
    }

    fn queue(&mut self) -> &mut Queue {
        self.0
            .get_or_insert_with(|| SPARE.take().unwrap_or_default())
    }
}

/// A queue to which a value is serialized. In the end the memory of an empty queue is released, also after an error or
/// a panic of the serializer, because an idle connection owns no buffer.
#[cfg(feature = "json")]
pub(super) struct ReleaseEmpty<'a>(pub(super) &'a mut WriteQueue);

#[cfg(feature = "json")]
impl Drop for ReleaseEmpty<'_> {
    fn drop(&mut self) {
        if self.0.is_empty() {
            self.0.release();
        }
    }
}

impl Queue {
    fn len(&self) -> usize {
        self.copied.len() + self.kept_len
    }

    /// Appends a payload by reference.
    fn keep(&mut self, payload: Bytes) {
        self.kept_len += payload.len();
        let at = self.written + self.copied.len();
        self.kept.push_back((at, payload));
    }

    /// The bytes in the order of the wire; none of the slices is empty.
    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.copied[..];
        let mut written = self.written;
        let kept = self.kept.iter().flat_map(move |(at, payload)| {
            let (before, behind) = rest.split_at(at - written);
            (rest, written) = (behind, *at);
            [before, payload.as_ref()]
        });
        let last = self.kept.back().map_or(0, |(at, _)| at - self.written);
        let slices = kept.chain([&self.copied[last..]]);
        slices.filter(|slice| !slice.is_empty())
    }

    fn poll_write<S: AsyncWrite + Unpin>(
        &self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(io);
        if self.kept.is_empty() {
            return io.poll_write(cx, &self.copied);
        }
        if !io.is_write_vectored() {
            return self.poll_write_gathered(io, cx);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let mut used = 0;
        for (slice, bytes) in slices.iter_mut().zip(self.slices()) {
            *slice = IoSlice::new(bytes);
            used += 1;
        }
        io.poll_write_vectored(cx, &slices[..used])
    }

    /// Writes once to a stream without vectored writes: the first slice, or the bytes of several slices if
    /// the first one is short.
    // Not inlined, because the buffer would enlarge the stack frame of the vectored write.
    #[inline(never)]
    fn poll_write_gathered<S: AsyncWrite>(
        &self,
        io: Pin<&mut S>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let first = self.slices().next().unwrap_or_default();
        if first.len() >= GATHERED || first.len() == self.len() {
            return io.poll_write(cx, first);
        }
        let mut memory = [MaybeUninit::uninit(); GATHERED];
        let mut gathered = ReadBuf::uninit(&mut memory);
        for slice in self.slices() {
            let len = slice.len().min(gathered.remaining());
            gathered.put_slice(&slice[..len]);
            if gathered.remaining() == 0 {
                break;
            }
        }
        io.poll_write(cx, gathered.filled())
    }

    /// Removes written bytes. A stream that claims to have written more than it was given only empties
    /// the queue.
    fn advance(&mut self, mut written: usize) {
        while let Some((at, payload)) = self.kept.front_mut() {
            let before = *at - self.written;
            if written < before {
                break;
            }
            self.copied.advance(before);
            self.written += before;
            written -= before;
            if written < payload.len() {
                payload.advance(written);
                self.kept_len -= written;
                return;
            }
            written -= payload.len();
            self.kept_len -= payload.len();
            self.kept.pop_front();
        }
        if written < self.copied.len() {
            self.copied.advance(written);
            self.written += written;
        } else {
            self.copied.clear();
            self.written = 0;
        }
    }
}

impl Output for WriteQueue {
    const COPY_BELOW: usize = COPY_BELOW;

    #[inline]
    fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.queue().copied
    }

    fn append(&mut self, payload: Bytes) {
        self.queue().keep(payload);
    }
}
