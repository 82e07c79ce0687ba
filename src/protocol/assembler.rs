//! [`Assembler`]: the payloads of data frames to one message (RFC 6455 §5.4, §8.1).

use super::{
    decoding::Decoding,
    frame_reader::{Limit, Piece},
};
use crate::{
    config::Values,
    extension::Decoders,
    frame::{FrameHeader, Opcode, ProtocolError},
    payload::Payload,
    simd::Simd,
};

/// Collects one message, and lets extensions decode it on the way.
#[derive(Debug)]
pub(super) struct Assembler {
    /// INVARIANT: empty unless a message is unfinished.
    payload: Payload,
    /// The number of frames of the unfinished message.
    fragments: u32,
    /// Most connections have negotiated no extension.
    decoding: Option<Box<Decoding>>,
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self {
            payload: Payload::new(false),
            fragments: 0,
            decoding: None,
        }
    }

    /// Sets the negotiated extensions.
    pub(super) fn extend(&mut self, decoders: Decoders) {
        self.decoding = (!decoders.is_empty()).then(|| Box::new(Decoding::new(decoders)));
    }

    /// Returns the extensions, if any were negotiated.
    pub(super) fn decoding(&mut self) -> Option<&mut Decoding> {
        self.decoding.as_deref_mut()
    }

    /// Returns the part of `input` that may be read now and the limit of the next frame; `None` when the
    /// extensions pause.
    pub(super) fn next_step<'a>(
        &mut self,
        input: &'a [u8],
        values: &Values,
    ) -> Option<(&'a [u8], Limit)> {
        let (visible, mut limit) = match &mut self.decoding {
            None => (input, self.limit(values)),
            Some(decoding) => {
                if decoding.take_pause() {
                    return None;
                }
                (decoding.visible(input), decoding.limit(values))
            }
        };
        if self.fragments == values.max_fragments {
            limit.too_many = Some(ProtocolError::TooManyFragments {
                limit: values.max_fragments,
            });
        }
        Some((visible, limit))
    }

    /// Takes the bytes that have arrived of a data frame.
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        values: &Values,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        if piece.begins {
            self.begin(&piece.header, values)?;
        }
        match &mut self.decoding {
            Some(decoding) if decoding.is_active() => {
                decoding.decode(piece, &mut self.payload, values.max_message_size, simd)?;
            }
            _ => self.append(piece, simd)?,
        }
        match &mut self.decoding {
            Some(decoding) if piece.missing == 0 => {
                decoding.end(piece.header.fin, &mut self.payload);
            }
            _ => {}
        }
        Ok(())
    }

    /// Begins a frame of a new message, or a continuation.
    fn begin(&mut self, header: &FrameHeader, values: &Values) -> Result<(), ProtocolError> {
        if header.opcode != Opcode::Continuation {
            self.payload = Payload::new(header.opcode == Opcode::Text);
        }
        self.fragments += 1;
        let plain = self.limit(values);
        match &mut self.decoding {
            Some(decoding) => decoding.begin(header, plain),
            None => Ok(()),
        }
    }

    fn append(&mut self, piece: &Piece<'_>, simd: Simd) -> Result<(), ProtocolError> {
        let missing = piece.missing_of_message();
        self.payload.reserve(piece.chunk.len(), missing);
        self.payload.append(piece.chunk, piece.key, simd)?;
        self.payload.check_end(missing)
    }

    /// Returns the limit of the next frame if no extension decodes it.
    const fn limit(&self, values: &Values) -> Limit {
        let left = values.max_message_size - self.payload.len() as u64;
        Limit::new(left, values.max_frame_size, values)
    }

    /// Discards the unfinished message and releases its memory.
    pub(super) fn discard(&mut self) {
        self.payload.take();
    }

    /// Ends the message, once all of its last frame has arrived. Returns whether it is text, and its
    /// payload.
    pub(super) fn end(&mut self) -> Result<(bool, Vec<u8>), ProtocolError> {
        self.fragments = 0;
        let payload = self.payload.take();
        Ok((payload.is_text(), payload.finish()?))
    }
}

#[cfg(feature = "tokio")]
impl Assembler {
    /// Returns the payload, for bytes of a frame to be appended as they come from the stream; `None`
    /// when the frame is decoded.
    pub(super) fn direct(&mut self) -> Option<&mut Payload> {
        match &self.decoding {
            Some(decoding) if decoding.is_active() => None,
            _ => Some(&mut self.payload),
        }
    }

    /// Whether the extensions pause.
    pub(super) fn is_paused(&self) -> bool {
        self.decoding.as_ref().is_some_and(|it| it.is_paused())
    }
}
