//! Reading into a buffer that a connection holds only while something is in it.
//!
//! Each thread keeps one spare read buffer. It is taken *out* for the time of a read, because a
//! stream may be a connection itself and read in turn. What a connection sees of the buffer is what
//! was read for it: the bytes of another one are beyond its length.

use std::{
    cell::Cell,
    io,
    pin::pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The size of a read buffer, in bytes.
const READ_BUFFER: usize = 64 << 10;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// Reads once and appends to `input`. While nothing arrives, `input` keeps only what is in it.
pub(super) fn poll_read<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    lease(input);
    let read = pin!(io.read_buf(input)).poll(cx);
    if !matches!(read, Poll::Ready(Ok(1..))) {
        release(input);
    }
    read
}

/// Makes room for a read: in the buffer that `input` has, or else in the thread's spare one.
fn lease(input: &mut BytesMut) {
    if input.try_reclaim(READ_BUFFER.saturating_sub(input.len())) {
        return;
    }
    let mut buffer = SPARE
        .take()
        .unwrap_or_else(|| BytesMut::with_capacity(READ_BUFFER));
    buffer.extend_from_slice(input);
    *input = buffer;
}

/// Gives the buffer back to the thread, and moves what is left in it to memory of its own size.
pub(super) fn release(input: &mut BytesMut) {
    let left = BytesMut::from(&input[..]);
    let mut buffer = std::mem::replace(input, left);
    buffer.clear();
    if buffer.try_reclaim(READ_BUFFER) {
        SPARE.set(Some(buffer));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use tokio::io::ReadBuf;

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

    fn read<F: FnMut() + Unpin>(io: &mut Chunks<F>, input: &mut BytesMut) -> usize {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        match poll_read(io, input, &mut cx) {
            Poll::Ready(read) => read.unwrap(),
            Poll::Pending => 0,
        }
    }

    #[test]
    fn a_connection_that_waits_owns_no_buffer() {
        let mut io = Chunks(vec![b"frame"], || ());
        let mut input = BytesMut::new();
        assert_eq!(read(&mut io, &mut input), 5);
        input.clear();
        assert_eq!(read(&mut io, &mut input), 0);
        assert_eq!(input.capacity(), 0);
    }

    #[test]
    fn the_start_of_a_header_is_kept_in_memory_of_its_own_size() {
        let mut io = Chunks(vec![b"\xfe\x01\x02", b"\x82"], || ());
        let mut input = BytesMut::new();
        assert_eq!(read(&mut io, &mut input), 1);
        assert!(input.capacity() >= READ_BUFFER / 2);
        assert_eq!(read(&mut io, &mut input), 3);
        assert_eq!(read(&mut io, &mut input), 0);
        assert_eq!(&input[..], b"\x82\xfe\x01\x02");
        assert!(input.capacity() <= 64, "{} bytes", input.capacity());
    }

    #[test]
    fn a_buffer_that_is_used_up_is_used_again() {
        let mut io = Chunks(vec![b"two", b"one"], || ());
        let mut input = BytesMut::new();
        read(&mut io, &mut input);
        let first = input.as_ptr();
        bytes::Buf::advance(&mut input, 3);
        assert_eq!(read(&mut io, &mut input), 3);
        assert_eq!((&input[..], input.as_ptr()), (&b"two"[..], first));
    }

    #[test]
    fn a_connection_sees_nothing_of_what_another_one_read() {
        let mut secret = BytesMut::new();
        read(&mut Chunks(vec![b"secret of one"], || ()), &mut secret);
        let buffer = secret.as_ptr();
        secret.clear();
        release(&mut secret);
        let mut input = BytesMut::new();
        assert_eq!(read(&mut Chunks(vec![b"two"], || ()), &mut input), 3);
        assert_eq!(input.as_ptr(), buffer, "the buffer was not shared");
        assert_eq!(&input[..], b"two");
    }

    #[test]
    fn a_stream_may_be_a_connection_itself() {
        let mut outer = Chunks(vec![b"outer"], || {
            let mut inner = BytesMut::new();
            assert_eq!(read(&mut Chunks(vec![b"inner"], || ()), &mut inner), 5);
            release(&mut inner);
            assert_eq!(&inner[..], b"inner");
        });
        let mut input = BytesMut::new();
        assert_eq!(read(&mut outer, &mut input), 5);
        assert_eq!(&input[..], b"outer");
    }
}
