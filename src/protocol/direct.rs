//! Reading a large payload from the stream straight to where it stays, and unmasking it there.

use super::{
    assembler::Assembler,
    frame_reader::{FrameReader, make_room},
    receiver::{End, Receiver},
};
use crate::{
    frame::{FrameHeader, MaskingKey, Opcode, ProtocolError},
    simd::Simd,
};

/// Payloads of which so many bytes are missing are read straight to where they stay.
const MIN_DIRECT: u64 = 64 << 10;

impl Receiver {
    /// Where the next bytes from the stream may be read to instead of into a buffer, and how many at the
    /// most: the message that is being received, if much of a frame is missing. They are then handed to
    /// [`arrived`](Self::arrived).
    pub(crate) fn destination(&mut self) -> Option<(&mut Vec<u8>, usize)> {
        let (_, _, missing) = self.frames.rest()?;
        let decoded = self.extended.as_ref().is_some_and(|it| it.is_decoding());
        if missing < MIN_DIRECT || decoded || self.end.is_some() {
            return None;
        }
        let payload = self.assembler.room(missing);
        let room = payload.capacity() - payload.len();
        let most = usize::try_from(missing).map_or(room, |missing| room.min(missing));
        Some((payload, most))
    }

    /// Takes what was read to the [`destination`](Self::destination): the last `len` bytes there.
    pub(crate) fn arrived(&mut self, len: usize) -> Result<(), ProtocolError> {
        let Some((_, key, _)) = self.frames.rest() else {
            return Ok(());
        };
        self.frames.took(len);
        let unmasked = self.assembler.unmask(len, key, self.simd);
        if let Err(error) = unmasked {
            self.end = Some(Box::new(End::Failed(error)));
        }
        unmasked
    }

    /// Whether a frame is complete that was read to the [`destination`](Self::destination).
    pub(crate) fn has_frame(&self) -> bool {
        matches!(self.frames.rest(), Some((_, _, 0)))
    }
}

impl FrameReader {
    /// The frame that has begun and is not complete, with the key of the next byte of its payload and
    /// how many are yet to come.
    fn rest(&self) -> Option<(FrameHeader, MaskingKey, u64)> {
        let (header, done) = self.current?;
        let key = header.masking_key.unwrap_or(MaskingKey::ZERO);
        Some((header, key.rotate(done), header.payload_len - done))
    }

    /// Notes that so many bytes of the rest were taken elsewhere. The next [`read`](Self::read) says
    /// that the frame is complete, if they were all.
    fn took(&mut self, len: usize) {
        if let Some((header, done)) = &mut self.current {
            *done = header.payload_len.min(*done + len as u64);
        }
    }
}

impl Assembler {
    /// The payload so far, with room for some of the `missing` bytes of a frame, that are then handed to
    /// [`unmask`](Self::unmask).
    fn room(&mut self, missing: u64) -> &mut Vec<u8> {
        if self.payload.capacity() == self.payload.len() {
            make_room(&mut self.payload, 1, missing - 1);
        }
        &mut self.payload
    }

    /// Takes the last `len` bytes, which were appended as they came from the stream.
    fn unmask(&mut self, len: usize, key: MaskingKey, simd: Simd) -> Result<(), ProtocolError> {
        let start = self.payload.len().saturating_sub(len);
        let (masked, key) = (&mut self.payload[start..], key.to_bytes());
        if self.kind != Some(Opcode::Text) {
            simd.mask(masked, key);
            return Ok(());
        }
        self.carry = simd
            .unmask_validate(masked, key, self.carry)
            .map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(())
    }
}
