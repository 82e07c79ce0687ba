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
