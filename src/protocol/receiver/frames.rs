//! A receiver that continues with single frames.

use super::Receiver;
use crate::protocol::frame_reader::{Delivery, FrameReader};

impl Receiver {
    /// Returns whether all bytes that were consumed belong to whole messages that have left, and more may follow.
    pub(crate) fn is_between_messages(&self) -> bool {
        let has_rest = self.has_chunk() || self.assembler.is_paused();
        self.end.is_none() && self.frames.is_between_messages() && !has_rest
    }

    /// Returns the reader of frames. Call this method [between messages](Self::is_between_messages).
    pub(crate) fn into_frames(self) -> FrameReader {
        let mut frames = self.frames;
        frames.set_delivery(Delivery::WHOLE);
        frames
    }
}
