//! The message whose last frame was not appended.

use super::{Sender, write_frame};
use crate::{
    frame::{CloseFrame, FrameHeader, SendError},
    protocol::{
        Output,
        outgoing::{Fragment, Outgoing},
        unfinished::{Body, Unfinished},
    },
};

impl Sender {
    /// Begins a message that leaves in several frames, with its first frame.
    #[cold]
    pub(super) fn cut(&mut self, message: Outgoing, output: &mut impl Output) {
        self.unfinished = Some(Unfinished::new(Body::Whole(message)));
        self.advance(output);
    }

    /// Returns whether a message has begun and not ended. No other message may begin.
    #[inline]
    pub(crate) const fn is_busy(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Returns whether [`advance`](Self::advance) continues a message.
    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        self.unfinished.as_ref().is_some_and(|it| it.is_ready())
    }

    /// Returns the number of bytes of the unfinished message that were not appended.
    pub(crate) fn unfinished_len(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |message| message.len())
    }

    /// Appends the next frame of the unfinished message, or encodes the next piece of it. Returns the Close frame
    /// that has followed the last frame.
    pub(crate) fn advance(&mut self, output: &mut impl Output) -> Option<CloseFrame> {
        let message = self.unfinished.as_mut()?;
        let Some(fragment) = message.cut(self.config.settings.outgoing_frame_size) else {
            message.encode(self.encoders.as_mut()?);
            return None;
        };
        let Fragment {
            fin,
            rsv,
            opcode,
            mut payload,
        } = fragment;
        let header = FrameHeader {
            fin,
            rsv,
            ..self.header(opcode, &payload)
        };
        write_frame(self.simd, &header, &mut payload, output);
        if !fin {
            return None;
        }
        let Unfinished { next, close, .. } = *self.unfinished.take()?;
        if let Some(mut message) = next {
            self.append(&mut message, output);
        }
        if let Some(unfinished) = &mut self.unfinished {
            unfinished.close = close;
            return None;
        }
        self.append_close(close.as_ref()?, output);
        close
    }

    /// Appends the rest of the unfinished message, so that another one may begin.
    #[inline]
    pub(super) fn make_way(&mut self, output: &mut impl Output) -> Result<(), SendError> {
        if !self.is_busy() {
            return Ok(());
        }
        self.finish(output);
        match self.is_busy() {
            true => Err(SendError::Unfinished),
            false => Ok(()),
        }
    }

    /// Appends the rest of the unfinished message, as far as it was accepted.
    #[cold]
    pub(super) fn finish(&mut self, output: &mut impl Output) {
        while self.is_unfinished() {
            self.advance(output);
        }
    }

    /// Drops the rest of the unfinished message, and the Close frame that was to follow.
    pub(crate) fn drop_unfinished(&mut self) {
        if let Some(message) = self.unfinished.take()
            && message.close.is_some()
        {
            self.closed = false;
        }
    }
}
