//! [`Assembler`]: the payloads of data frames to one message (RFC 6455 §5.4, §8.1).

use super::{
    decoding::Decoding,
    frame_reader::{Limit, Piece},
    work::Work,
};
use crate::{
    config::Settings,
    extension::{DecodeState, Decoders},
    frame::{FrameHeader, Opcode, ProtocolError},
    payload::Payload,
    simd::Simd,
};

/// Collects one message, and lets extensions decode it on the way.
#[derive(Debug)]
pub(super) struct Assembler {
    /// An idle connection has none.
    unfinished: Option<Box<Unfinished>>,
    /// Most connections have negotiated no extension.
    decoding: Option<Box<Decoding>>,
}

/// An unfinished message.
#[derive(Debug)]
struct Unfinished {
    payload: Payload,
    /// The number of frames that have begun.
    fragments: u32,
}

impl Assembler {
    pub(super) const fn new() -> Self {
        Self {
            unfinished: None,
            decoding: None,
        }
    }

    /// Sets the negotiated extensions.
    pub(super) fn set_decoders(&mut self, decoders: Decoders) {
        self.decoding = (!decoders.is_empty()).then(|| Box::new(Decoding::new(decoders)));
    }

    /// Returns the extensions, if any were negotiated.
    pub(super) fn decoding(&mut self) -> Option<&mut Decoding> {
        self.decoding.as_deref_mut()
    }

    /// Returns the part of `input` that may be read in one step, and the limit of the next frame.
    pub(super) fn next_step<'a>(&self, input: &'a [u8], settings: &Settings) -> (&'a [u8], Limit) {
        let (visible, mut limit) = match &self.decoding {
            None => (input, self.limit(settings)),
            Some(decoding) => (decoding.visible(input), decoding.limit(settings)),
        };
        let (fragments, len) = match &self.unfinished {
            Some(unfinished) => (unfinished.fragments, unfinished.payload.len()),
            None => (0, 0),
        };
        let max_fragments = settings.max_fragments(len);
        if fragments >= max_fragments {
            limit.too_many = Some(ProtocolError::TooManyFragments {
                limit: max_fragments,
            });
        }
        (visible, limit)
    }

    /// Takes the bytes that have arrived of a data frame. Returns whether the message is complete. Extensions
    /// may [pause](Self::is_paused).
    pub(super) fn take(
        &mut self,
        piece: &Piece<'_>,
        settings: &Settings,
        simd: Simd,
        work: &mut Work,
    ) -> Result<bool, ProtocolError> {
        work.piece();
        if piece.begins {
            self.begin(&piece.header, settings)?;
        }
        // A frame has begun.
        let Some(Unfinished { payload, .. }) = self.unfinished.as_deref_mut() else {
            return Ok(false);
        };
        let is_last = piece.missing == 0;
        let Some(decoding) = &mut self.decoding else {
            append(piece, payload, simd)?;
            return Ok(is_last && piece.header.fin);
        };
        let is_ended = if decoding.is_active() {
            let state = DecodeState::new(settings.max_message_size, work.decodable(), simd);
            decoding.decode(Some(piece), payload, state, work)?
        } else {
            append(piece, payload, simd)?;
            is_last
        };
        Ok(is_ended && decoding.end(payload))
    }

    /// Lets extensions continue after a pause. Returns whether the message is complete.
    pub(super) fn resume(
        &mut self,
        settings: &Settings,
        simd: Simd,
        work: &mut Work,
    ) -> Result<bool, ProtocolError> {
        let (Some(decoding), Some(unfinished)) = (&mut self.decoding, &mut self.unfinished) else {
            return Ok(false);
        };
        let payload = &mut unfinished.payload;
        let state = DecodeState::new(settings.max_message_size, work.decodable(), simd);
        Ok(decoding.decode(None, payload, state, work)? && decoding.end(payload))
    }

    /// Begins a frame of a new message, or a continuation.
    fn begin(&mut self, header: &FrameHeader, settings: &Settings) -> Result<(), ProtocolError> {
        let unfinished = self.unfinished.get_or_insert_with(|| {
            let payload = Payload::new(header.opcode == Opcode::Text);
            Box::new(Unfinished {
                payload,
                fragments: 0,
            })
        });
        unfinished.fragments = unfinished.fragments.saturating_add(1);
        let plain = self.limit(settings);
        match &mut self.decoding {
            Some(decoding) => decoding.begin(header, plain),
            None => Ok(()),
        }
    }

    /// Returns the limit of the next frame if no extension decodes it.
    fn limit(&self, settings: &Settings) -> Limit {
        let len = self.unfinished.as_ref().map_or(0, |it| it.payload.len());
        let len = len as u64;
        let left = settings.max_message_size - len;
        Limit::new(left, settings.max_frame_size, len, settings)
    }

    /// Returns whether arrived bytes still wait to be decoded.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.decoding.as_ref().is_some_and(|it| it.is_paused())
    }

    /// Discards the unfinished message and releases its memory.
    pub(super) fn discard(&mut self) {
        self.unfinished = None;
    }

    /// Ends the message, once all of its last frame has arrived. Returns whether it is text, and its
    /// payload.
    pub(super) fn end(&mut self) -> Result<(bool, Vec<u8>), ProtocolError> {
        let payload = match self.unfinished.take() {
            Some(unfinished) => unfinished.payload,
            None => Payload::new(false),
        };
        Ok((payload.is_text(), payload.finish()?))
    }
}

fn append(piece: &Piece<'_>, payload: &mut Payload, simd: Simd) -> Result<(), ProtocolError> {
    let missing = piece.missing_of_message();
    payload.reserve(piece.chunk.len(), missing);
    payload.append(piece.chunk, piece.key, simd)?;
    payload.check_end(missing)
}

#[cfg(feature = "tokio")]
impl Assembler {
    /// Returns the payload, for bytes of a frame to be appended as they come from the stream; `None`
    /// when the frame is decoded.
    pub(super) fn direct_payload(&mut self) -> Option<&mut Payload> {
        match &self.decoding {
            Some(decoding) if decoding.is_active() => None,
            _ => Some(&mut self.unfinished.as_mut()?.payload),
        }
    }
}
