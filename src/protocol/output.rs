//! [`Output`]: the place of the bytes for the wire.

use bytes::{Bytes, BytesMut};

/// The place of a [`Sender`](super::Sender)'s bytes for the wire, in order.
pub trait Output {
    /// Payloads of fewer bytes are copied to the buffer, as are all that are masked.
    const COPY_BELOW: usize;

    /// Returns the number of bytes that wait to be written.
    fn len(&self) -> usize;

    /// Returns whether no byte waits to be written.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The buffer that headers, masked payloads and other small things are appended to.
    fn buffer(&mut self) -> &mut BytesMut;

    /// Appends a payload of at least [`COPY_BELOW`](Self::COPY_BELOW) bytes, by reference.
    fn append(&mut self, payload: Bytes);
}

impl Output for BytesMut {
    const COPY_BELOW: usize = usize::MAX;

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn buffer(&mut self) -> &mut BytesMut {
        self
    }

    fn append(&mut self, payload: Bytes) {
        self.extend_from_slice(&payload);
    }
}
