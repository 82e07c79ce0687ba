//! [`Assembler`]: the payloads of data frames to one message (RFC 6455 §5.4, §8.1).

use bytes::Bytes;

use super::frame_reader::make_room;
use crate::{
    config::Config,
    frame::{FrameHeader, MaskingKey, Opcode, ProtocolError},
    message::Message,
    simd::Simd,
    text::Text,
    utf8::Validator,
};

/// Collects one message. Each byte is unmasked, validated and copied to where it stays in one pass.
#[derive(Debug)]
pub(super) struct Assembler {
    simd: Simd,
    /// `Text` or `Binary` while a message is unfinished.
    kind: Option<Opcode>,
    /// INVARIANT: empty unless a message is unfinished.
    payload: Vec<u8>,
    validator: Validator,
    /// Whether the frame that has begun is the last one of its message.
    last: bool,
    fragments: u32,
    max_fragments: u32,
}

impl Assembler {
    pub(super) fn new(simd: Simd, config: &Config) -> Self {
        Self {
            simd,
            kind: None,
            payload: Vec::new(),
            validator: Validator::with(simd),
            last: false,
            fragments: 0,
            max_fragments: config.max_fragments,
        }
    }

    /// The number of bytes collected so far.
    pub(super) const fn len(&self) -> usize {
        self.payload.len()
    }

    /// Begins a frame: of a new message, or a continuation.
    pub(super) fn begin(&mut self, header: &FrameHeader) -> Result<(), ProtocolError> {
        if header.opcode != Opcode::Continuation {
            self.kind = Some(header.opcode);
            self.fragments = 0;
        }
        if self.fragments == self.max_fragments {
            return Err(ProtocolError::TooManyFragments {
                limit: self.max_fragments,
            });
        }
        self.fragments += 1;
        self.last = header.fin;
        Ok(())
    }

    /// Takes a chunk of the frame's payload, still masked, of which `missing` bytes are yet to come.
    pub(super) fn append(
        &mut self,
        chunk: &[u8],
        key: MaskingKey,
        missing: u64,
    ) -> Result<(), ProtocolError> {
        // Of an unfinished message, nobody knows how much is missing.
        let missing = if self.last { missing } else { u64::MAX };
        make_room(&mut self.payload, chunk.len(), missing);
        if self.kind != Some(Opcode::Text) {
            self.simd
                .copy_mask(chunk, &mut self.payload, key.to_bytes());
            return Ok(());
        }
        self.validator
            .copy_unmask(chunk, &mut self.payload, key.to_bytes())
            .map_err(|_| ProtocolError::InvalidUtf8)
    }

    /// Ends a frame; returns the message when it was the last one.
    pub(super) fn end(&mut self) -> Result<Option<Message>, ProtocolError> {
        if !self.last {
            return Ok(None);
        }
        let payload = Bytes::from(std::mem::take(&mut self.payload));
        if self.kind.take() != Some(Opcode::Text) {
            return Ok(Some(Message::Binary(payload)));
        }
        match self.validator.finish() {
            Ok(()) => Ok(Some(Message::Text(Text::from_validated(payload)))),
            Err(_) => Err(ProtocolError::InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Rsv;

    #[test]
    fn a_message_of_many_fragments_is_not_moved_with_each_of_them() {
        let config = Config::new();
        let mut assembler = Assembler::new(Simd::detect(), &config);
        let mut moves = 0;
        for number in 1..=config.max_fragments {
            let capacity = assembler.payload.capacity();
            let header = FrameHeader {
                fin: number == config.max_fragments,
                rsv: Rsv::NONE,
                opcode: match number {
                    1 => Opcode::Binary,
                    _ => Opcode::Continuation,
                },
                masking_key: None,
                payload_len: 256,
            };
            assembler.begin(&header).unwrap();
            assembler.append(&[7; 256], MaskingKey::ZERO, 0).unwrap();
            moves += usize::from(assembler.payload.capacity() != capacity);
            assert!(assembler.payload.capacity() <= 2 * assembler.len());
            let message = assembler.end().unwrap();
            assert_eq!(message.is_some(), header.fin);
        }
        assert!(moves <= 13, "the payload moved {moves} times");
    }
}
