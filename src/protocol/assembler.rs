//! [`Assembler`]: the payloads of data frames to one message (RFC 6455 §5.4, §8.1).

use super::frame_reader::{Piece, make_room};
use crate::{
    frame::{FrameHeader, MaskingKey, Opcode, ProtocolError},
    simd::{Carry, Simd},
};

/// Collects one message. Each byte is unmasked, validated and copied to where it stays in one pass.
#[derive(Debug)]
pub(super) struct Assembler {
    /// `Text` or `Binary` while a message is unfinished.
    pub(super) kind: Option<Opcode>,
    fragments: u32,
    /// The character that the text so far ends within.
    pub(super) carry: Carry,
    /// INVARIANT: empty unless a message is unfinished.
    pub(super) payload: Vec<u8>,
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self {
            kind: None,
            fragments: 0,
            carry: Carry::NONE,
            payload: Vec::new(),
        }
    }

    /// The number of bytes collected so far.
    pub(super) const fn len(&self) -> usize {
        self.payload.len()
    }

    /// Begins a frame: of a new message, or a continuation.
    pub(super) fn begin(
        &mut self,
        header: &FrameHeader,
        max_fragments: u32,
    ) -> Result<(), ProtocolError> {
        if header.opcode != Opcode::Continuation {
            self.kind = Some(header.opcode);
            self.fragments = 0;
        }
        if self.fragments == max_fragments {
            return Err(ProtocolError::TooManyFragments {
                limit: max_fragments,
            });
        }
        self.fragments += 1;
        Ok(())
    }

    /// Takes what has arrived of a frame.
    #[inline]
    pub(super) fn take(&mut self, piece: &Piece<'_>, simd: Simd) -> Result<(), ProtocolError> {
        // Of an unfinished message, nobody knows how much is missing.
        let missing = if piece.header.fin {
            piece.missing
        } else {
            u64::MAX
        };
        make_room(&mut self.payload, piece.chunk.len(), missing);
        self.append(piece.chunk, piece.key, simd)
    }

    /// Appends bytes for which there is room, unmasked and validated.
    #[inline]
    pub(super) fn append(
        &mut self,
        chunk: &[u8],
        key: MaskingKey,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        let key = key.to_bytes();
        if self.kind != Some(Opcode::Text) {
            simd.copy_mask(chunk, &mut self.payload, key);
            return Ok(());
        }
        self.carry = simd
            .copy_unmask_validate(chunk, &mut self.payload, key, self.carry)
            .map_err(|_| ProtocolError::InvalidUtf8)?;
        Ok(())
    }

    /// Ends the message, when all of its last frame has arrived: its kind and its payload, which is
    /// UTF-8 if that is `Text`.
    #[inline]
    pub(super) fn end(&mut self) -> Result<(Opcode, Vec<u8>), ProtocolError> {
        let payload = std::mem::take(&mut self.payload);
        if self.kind.take() != Some(Opcode::Text) {
            return Ok((Opcode::Binary, payload));
        }
        if !std::mem::take(&mut self.carry).is_none() {
            return Err(ProtocolError::InvalidUtf8);
        }
        Ok((Opcode::Text, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Rsv;

    #[test]
    fn a_message_of_many_fragments_is_not_moved_with_each_of_them() {
        let mut assembler = Assembler::new();
        let mut moves = 0;
        for number in 1..=4096 {
            let capacity = assembler.payload.capacity();
            let header = FrameHeader {
                fin: number == 4096,
                rsv: Rsv::NONE,
                opcode: match number {
                    1 => Opcode::Binary,
                    _ => Opcode::Continuation,
                },
                masking_key: None,
                payload_len: 256,
            };
            let piece = Piece {
                header,
                begins: true,
                chunk: &[7; 256],
                key: MaskingKey::ZERO,
                missing: 0,
                len: 258,
            };
            assembler.take(&piece, Simd::detect()).unwrap();
            moves += usize::from(assembler.payload.capacity() != capacity);
            assert!(assembler.payload.capacity() <= 2 * assembler.len());
        }
        assert!(moves <= 13, "the payload moved {moves} times");
    }
}
