//! The sending direction of an [`Endpoint`].

use bytes::Bytes;
#[cfg(feature = "json")]
use bytes::BytesMut;

use super::{Endpoint, Event, Output, Work};
use crate::{
    frame::{CloseCode, CloseFrame, SendError},
    message::Message,
    text::Text,
};

impl Endpoint {
    /// Appends a message to `output`, or its first frames: [`on_written`](Self::on_written) appends the rest.
    /// If a message is unfinished, its rest is appended first, whether there is [room](Self::has_room) or not.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after a Close frame in either direction and after a violation. Any other
    /// error changes nothing.
    pub fn send(
        &mut self,
        message: impl Into<Message>,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        self.queue(&mut message.into(), output)?;
        self.on_written(output);
        Ok(())
    }

    /// Accepts a message, as [`Sender::begin`](super::Sender::begin). On success, `message` is in an unspecified but valid state.
    #[inline]
    pub(crate) fn queue(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.begin(message, output)
    }

    /// Accepts a message as [`queue`](Self::queue) does, whether there is room or not. The rest of an unfinished message
    /// leaves first, when there is room for it.
    #[cfg(feature = "tokio")]
    pub(crate) fn queue_behind(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.begin_behind(message, output)
    }

    /// Queues a text message, which `write` appends to a buffer as valid UTF-8.
    #[cfg(feature = "json")]
    pub(crate) fn queue_text<E: From<SendError>>(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
        output: &mut impl Output,
    ) -> Result<(), E> {
        self.check_open()?;
        self.sender.begin_text(write, output)
    }

    /// Appends a ping with a payload of at most 125 bytes to `output`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn ping(&mut self, payload: Bytes, output: &mut impl Output) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.send(Event::Ping(payload), output)
    }

    /// Appends an unsolicited pong with a payload of at most 125 bytes to `output` (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn pong(&mut self, payload: Bytes, output: &mut impl Output) -> Result<(), SendError> {
        self.check_open()?;
        self.sender.send(Event::Pong(payload), output)
    }

    /// Appends our Close frame to `output`. Messages still arrive until the peer's Close frame.
    ///
    /// Returns `false`, and does nothing, when the connection has sent a Close frame or has ended.
    pub fn close(&mut self, frame: CloseFrame, output: &mut impl Output) -> bool {
        if !self.is_open() {
            return false;
        }
        if self.sender.close(&frame, output) {
            self.closing.on_sent(frame);
        }
        true
    }

    /// Appends the Close frame for a peer that the keepalive has given up, 1011. Write the output once, and
    /// then [`abandon`](Self::abandon) the connection.
    pub fn give_up(&mut self, output: &mut impl Output) {
        let reason = Text::from_static("keepalive ping timeout");
        let frame = CloseFrame::from_static(CloseCode::INTERNAL_ERROR, reason);
        self.close_now(frame, output);
    }

    /// Appends the held pong and the next frames of an unfinished message, while `output` has room. Call this
    /// method after output was written.
    pub fn on_written(&mut self, output: &mut impl Output) {
        self.advance(output, &mut Work::unlimited());
    }

    /// Appends as [`on_written`](Self::on_written), until the work is done.
    #[inline]
    pub(crate) fn advance(&mut self, output: &mut impl Output, work: &mut Work) {
        if self.held_pong.is_some() || self.sender.is_unfinished() {
            self.refill(output, work);
        }
    }

    /// Returns whether a message has room: no message is unfinished, and `output` has at most
    /// [`Config::write_high_water`](crate::Config::write_high_water) bytes.
    #[inline]
    pub fn has_room(&self, output: &impl Output) -> bool {
        !self.sender.is_busy() && self.takes_control(output)
    }

    #[inline]
    pub(super) fn takes_control(&self, output: &impl Output) -> bool {
        output.len() <= self.config().settings.write_high_water
    }

    /// Returns the number of bytes of the unfinished message that are not in the output.
    pub fn unfinished_len(&self) -> usize {
        self.sender.unfinished_len()
    }

    /// Returns the number of bytes of messages that may be queued: up to the high-water mark, and no more than
    /// extensions may encode at once.
    #[cfg(feature = "tokio")]
    pub(crate) fn room(&self, output: &impl Output) -> usize {
        let above = self.config().settings.write_high_water.saturating_add(1);
        let left = above.saturating_sub(output.len() + self.unfinished_len());
        left.min(self.sender.piece_len())
    }

    /// Returns the work of encoding since the last call, in copied bytes.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn take_work(&mut self) -> usize {
        self.sender.take_work()
    }

    /// Returns whether [`advance`](Self::advance) continues a message once `output` has room.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) fn is_unfinished(&self) -> bool {
        self.sender.is_unfinished()
    }

    /// Appends the held pong and the rest of the unfinished message to `output`, room or not.
    #[cfg(feature = "tokio")]
    pub(crate) fn append_unsent(&mut self, output: &mut impl Output) {
        if let Some(payload) = self.held_pong.take() {
            self.reply(&payload, output);
        }
        while self.sender.is_unfinished() {
            self.advance_message(output);
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        self.is_open().then_some(()).ok_or(SendError::Closed)
    }

    #[cold]
    fn refill(&mut self, output: &mut impl Output, work: &mut Work) {
        while self.takes_control(output) {
            if let Some(payload) = self.held_pong.take() {
                self.reply(&payload, output);
            }
            if !self.sender.is_unfinished() {
                return;
            }
            self.advance_message(output);
            work.spend(self.sender.take_work());
            if work.is_done() {
                return;
            }
        }
    }

    /// Appends the next frame of the unfinished message, and then our Close frame if one waits.
    fn advance_message(&mut self, output: &mut impl Output) {
        if let Some(frame) = self.sender.advance(output) {
            self.closing.on_sent(frame);
        }
    }

    /// Closes between two frames of an unfinished message, whose rest is dropped.
    pub(super) fn close_now(&mut self, frame: CloseFrame, output: &mut impl Output) {
        self.sender.drop_unfinished();
        self.close(frame, output);
    }
}
