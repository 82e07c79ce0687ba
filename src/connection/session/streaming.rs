//! The sending side of a session, for a message that is sent in chunks.

use super::Session;
use crate::{error::Error, frame::CloseFrame, protocol::Chunk};

impl Session {
    /// Begins a message with its first chunk. On an error nothing has begun.
    pub(in crate::connection) fn begin_stream(
        &mut self,
        is_text: bool,
        chunk: Chunk<'_>,
    ) -> Result<(), Error> {
        self.check_open()?;
        Ok(self.endpoint.sender_mut().begin_stream(is_text, chunk)?)
    }

    /// Adds a chunk to the message that has begun, even if our Close frame waits for its end.
    pub(in crate::connection) fn continue_stream(&mut self, chunk: Chunk<'_>) -> Result<(), Error> {
        if !self.is_streaming() {
            return Err(self.refusal());
        }
        Ok(self.endpoint.sender_mut().continue_stream(chunk)?)
    }

    /// Lets the accepted chunks leave.
    pub(in crate::connection) fn flush_stream(&mut self) {
        self.endpoint.sender_mut().flush_stream();
    }

    /// Returns whether a message that is sent in chunks has begun and not ended.
    #[inline]
    pub(in crate::connection) fn is_streaming(&self) -> bool {
        self.endpoint.is_streaming()
    }

    /// Returns the number of bytes that the next chunk should have at most. Zero if it has to wait.
    #[inline]
    pub(in crate::connection) fn stream_room(&self) -> usize {
        self.wire.stream_room(&self.endpoint)
    }

    /// Closes in the middle of a message that is sent in chunks. A requested Close frame is not sent.
    pub(in crate::connection) fn cut_stream(&mut self, frame: CloseFrame) {
        self.ending().set_request(None);
        self.endpoint.cut_stream(frame, self.wire.output());
    }
}
