//! Messages in chunks, in both directions.

use super::{Endpoint, Output, Sender};
use crate::{frame::CloseFrame, protocol::Received};

impl Endpoint {
    /// Receives messages as a whole from now on, as [`deliver_whole`](crate::protocol::Receiver::deliver_whole) of a receiver.
    pub(crate) fn deliver_whole(&mut self, output: &mut impl Output) -> Option<Received> {
        let received = self.receiver.deliver_whole();
        let (is_text, payload) = received
            .map_err(|error| self.on_violation(error, output))
            .ok()??;
        Some(Received::message(is_text, payload))
    }

    /// Returns whether a message that is sent in chunks has begun and not ended.
    #[inline]
    pub(crate) fn is_streaming(&self) -> bool {
        self.sender.is_streaming()
    }

    /// Returns the number of bytes that the next chunk of a message should have at most. Zero if it has to wait.
    pub(crate) fn stream_room(&self, output: &impl Output) -> usize {
        match self.takes_control(output) {
            true => self.sender.stream_room(),
            false => 0,
        }
    }

    /// Returns the sending half, to send a message in chunks.
    pub(crate) const fn sender_mut(&mut self) -> &mut Sender {
        &mut self.sender
    }

    /// Closes in the middle of a message that is sent in chunks, whose rest is dropped.
    pub(crate) fn cut_stream(&mut self, frame: CloseFrame, output: &mut impl Output) {
        self.close_now(frame, output);
    }
}
