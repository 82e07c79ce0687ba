//! Large payloads that are read from the stream to the message, without a buffer between them.

use super::Receiver;
use crate::frame::ProtocolError;

/// Payloads that lack at least this number of bytes are read from the stream straight to the message.
const MIN_DIRECT: u64 = 64 << 10;

impl Receiver {
    /// Returns the buffer to which the next bytes from the stream may be appended, and the largest number
    /// of them; `None` unless much of a frame is missing and there is a budget for it. The bytes are then handed to
    /// [`on_arrived`](Self::on_arrived).
    pub(crate) fn destination(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let missing = self.frames.missing()?;
        if missing < MIN_DIRECT || self.end.is_some() || self.frames.delivery().is_streamed() {
            return None;
        }
        self.assembler.direct_payload()?.tail(missing)
    }

    /// Takes the last `len` bytes that were appended to the [`destination`](Self::destination).
    pub(crate) fn on_arrived(&mut self, len: usize) -> Result<(), ProtocolError> {
        let (Some(piece), Some(payload)) = (self.frames.skip(len), self.assembler.direct_payload())
        else {
            return Ok(());
        };
        payload
            .unmask_tail(len, piece.key, self.simd)
            .and_then(|()| payload.check_end(piece.missing_of_message()))
            .map_err(|error| self.fail(error))
    }

    /// Returns whether bytes that have arrived are not in the input and wait to be received: a frame that was
    /// read to the [`destination`](Self::destination), or bytes that extensions have yet to decode.
    #[inline]
    pub(crate) fn has_more(&self) -> bool {
        self.frames.missing() == Some(0) || self.assembler.is_paused()
    }
}
