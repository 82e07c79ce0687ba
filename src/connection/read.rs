//! [`ReadBuffer`]: memory that a connection holds only while something is in it.
//!
//! Each thread keeps one spare read buffer. It is taken *out* for the time of a read, because a
//! stream may be a connection itself and read in turn. A connection sees only the bytes that were read
//! for it: the bytes of another connection lie beyond the length of the buffer.

use std::{
    cell::Cell,
    io,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, ReadBuf};

use crate::message::MessageRef;

/// The size of a read buffer, in bytes.
const SIZE: usize = 512 << 10;

thread_local! {
    static SPARE: Cell<Option<Box<BytesMut>>> = const { Cell::new(None) };
}

/// Bytes that were read and not received yet.
#[derive(Debug, Default)]
pub(super) struct ReadBuffer(Option<Box<BytesMut>>);

impl ReadBuffer {
    /// Returns the bytes, so that some can be consumed; `None` when there are none.
    pub(super) fn bytes(&mut self) -> Option<&mut BytesMut> {
        self.0.as_deref_mut()
    }

    /// Returns the bytes; `None` when there are none.
    #[inline]
    pub(super) fn peek(&self) -> Option<&BytesMut> {
        self.0.as_deref()
    }

    /// Returns whether there are no bytes.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Drops the bytes.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// Drops the bytes and returns their number. The buffer goes back to the thread.
    pub(super) fn discard(&mut self) -> usize {
        let Some(bytes) = &mut self.0 else {
            return 0;
        };
        let len = bytes.len();
        bytes.clear();
        self.release();
        len
    }

    /// Takes the bytes.
    pub(super) fn take(&mut self) -> BytesMut {
        self.0.take().map_or_else(BytesMut::new, |bytes| *bytes)
    }

    /// Reads once and appends. If nothing arrives, only the earlier bytes are kept.
    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = self.lease();
        // A message at the end of the buffer can be padded in place.
        let room = buffer.capacity() - buffer.len();
        let most = room.saturating_sub(MessageRef::PADDING).max(1);
        let read = pin!(io.read_buf(&mut (&mut *buffer).limit(most))).poll(cx);
        if matches!(read, Poll::Ready(Ok(1..))) {
            self.0 = Some(buffer);
        } else if buffer.is_empty() {
            SPARE.set(Some(buffer));
        } else {
            self.0 = Some(buffer);
            self.release();
        }
        read
    }

    /// Returns a buffer with room for a read and with the bytes in it: the one that holds them, or
    /// else the thread's spare one.
    fn lease(&mut self) -> Box<BytesMut> {
        let bytes = self.0.take();
        if let Some(mut bytes) = bytes {
            if bytes.try_reclaim(SIZE.saturating_sub(bytes.len())) {
                return bytes;
            }
            let mut buffer = spare();
            buffer.extend_from_slice(&bytes);
            return buffer;
        }
        spare()
    }

    /// Gives the buffer back to the thread, and moves the remaining bytes to memory of their own size.
    pub(super) fn release(&mut self) {
        let Some(mut buffer) = self.0.take() else {
            return;
        };
        if !buffer.is_empty() {
            self.0 = Some(Box::new(BytesMut::from(&buffer[..])));
        }
        buffer.clear();
        if buffer.try_reclaim(SIZE) {
            SPARE.set(Some(buffer));
        }
    }

    /// Gives the buffer back to the thread if it is empty.
    pub(super) fn release_empty(&mut self) {
        if self.0.as_ref().is_some_and(|buffer| buffer.is_empty()) {
            self.release();
        }
    }
}

impl From<BytesMut> for ReadBuffer {
    fn from(bytes: BytesMut) -> Self {
        Self((!bytes.is_empty()).then(|| Box::new(bytes)))
    }
}

/// Reads from a reader that has its bytes in memory.
pub(super) fn poll_read_buffered<R: AsyncBufRead>(
    mut reader: Pin<&mut R>,
    cx: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let bytes = ready!(reader.as_mut().poll_fill_buf(cx))?;
    let len = bytes.len().min(buffer.remaining());
    buffer.put_slice(&bytes[..len]);
    reader.consume(len);
    Poll::Ready(Ok(()))
}

fn spare() -> Box<BytesMut> {
    SPARE
        .take()
        .unwrap_or_else(|| Box::new(BytesMut::with_capacity(SIZE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out the chunks, then waits; runs `before` ahead of every read.
    struct Chunks<F>(Vec<&'static [u8]>, F);

    impl<F: FnMut() + Unpin> AsyncRead for Chunks<F> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            (self.1)();
            match self.0.pop() {
                None => Poll::Pending,
                Some(chunk) => {
                    buf.put_slice(chunk);
                    Poll::Ready(Ok(()))
                }
            }
        }
    }

    fn read<F: FnMut() + Unpin>(io: &mut Chunks<F>, input: &mut ReadBuffer) -> usize {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match input.poll_read(io, &mut cx) {
            Poll::Ready(read) => read.unwrap(),
            Poll::Pending => 0,
        }
    }

    fn bytes(input: &mut ReadBuffer) -> &mut BytesMut {
        input.bytes().expect("something is there")
    }

    #[test]
    fn a_connection_that_waits_owns_no_buffer() {
        let mut io = Chunks(vec![b"frame"], || ());
        let mut input = ReadBuffer::default();
        assert_eq!(read(&mut io, &mut input), 5);
        bytes(&mut input).clear();
        assert_eq!(read(&mut io, &mut input), 0);
        assert!(input.0.is_none());
    }

    #[test]
    fn the_start_of_a_header_is_kept_in_memory_of_its_own_size() {
        let mut io = Chunks(vec![b"\xfe\x01\x02", b"\x82"], || ());
        let mut input = ReadBuffer::default();
        assert_eq!(read(&mut io, &mut input), 1);
        assert!(bytes(&mut input).capacity() >= SIZE / 2);
        assert_eq!(read(&mut io, &mut input), 3);
        assert_eq!(read(&mut io, &mut input), 0);
        let bytes = bytes(&mut input);
        assert_eq!(&bytes[..], b"\x82\xfe\x01\x02");
        assert!(bytes.capacity() <= 64, "{} bytes", bytes.capacity());
    }

    #[test]
    fn a_read_leaves_room_for_the_padding_of_the_last_message() {
        static LARGE: [u8; 2 * SIZE] = [0; 2 * SIZE];

        /// Fills the whole buffer of each read.
        struct Endless;

        impl AsyncRead for Endless {
            fn poll_read(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let room = buf.remaining();
                buf.put_slice(&LARGE[..room]);
                Poll::Ready(Ok(()))
            }
        }

        let mut input = ReadBuffer::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for rest in [0, 1, 100] {
            assert!(input.poll_read(&mut Endless, &mut cx).is_ready());
            let bytes = bytes(&mut input);
            assert!(bytes.len() > SIZE / 2);
            assert!(bytes.capacity() - bytes.len() >= MessageRef::PADDING);
            bytes::Buf::advance(bytes, bytes.len() - rest);
        }
    }

    #[test]
    fn a_buffer_that_is_used_up_is_used_again() {
        let mut io = Chunks(vec![b"two", b"one"], || ());
        let mut input = ReadBuffer::default();
        read(&mut io, &mut input);
        let first = bytes(&mut input).as_ptr();
        bytes::Buf::advance(bytes(&mut input), 3);
        assert_eq!(read(&mut io, &mut input), 3);
        let bytes = bytes(&mut input);
        assert_eq!((&bytes[..], bytes.as_ptr()), (&b"two"[..], first));
    }

    #[test]
    fn a_connection_sees_nothing_of_what_another_one_read() {
        let mut secret = ReadBuffer::default();
        read(&mut Chunks(vec![b"secret of one"], || ()), &mut secret);
        let buffer = bytes(&mut secret).as_ptr();
        bytes(&mut secret).clear();
        secret.release_empty();
        let mut input = ReadBuffer::default();
        assert_eq!(read(&mut Chunks(vec![b"two"], || ()), &mut input), 3);
        let bytes = bytes(&mut input);
        assert_eq!(bytes.as_ptr(), buffer, "the buffer was not shared");
        assert_eq!(&bytes[..], b"two");
    }

    #[test]
    fn a_stream_may_be_a_connection_itself() {
        let mut outer = Chunks(vec![b"outer"], || {
            let mut inner = ReadBuffer::default();
            assert_eq!(read(&mut Chunks(vec![b"inner"], || ()), &mut inner), 5);
            inner.release();
            assert_eq!(inner.take(), "inner");
        });
        let mut input = ReadBuffer::default();
        assert_eq!(read(&mut outer, &mut input), 5);
        assert_eq!(input.take(), "outer");
    }
}
