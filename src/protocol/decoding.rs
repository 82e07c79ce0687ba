//! [`Decoding`]: extensions between the frames and the message.

use super::{
    assembler::Plan,
    frame_reader::{Limit, Piece},
    work::Work,
};
use crate::{
    extension::{DecodeState, Decoders},
    frame::{FrameHeader, ProtocolError},
    payload::Payload,
};

/// The number of bytes that are unmasked and decoded at a time. Pages are inflated slower in smaller pieces.
const MAX_STEP: usize = 16 << 10;

/// The most bytes that encoding adds to a frame, however short the frame is.
const FRAME_END: u64 = 16;

/// The work of one input byte, in decoded bytes. Input that decodes to nothing still takes its time.
const INPUT_WORK: u64 = 4;

/// The receiving direction of the extensions of a connection.
#[derive(Debug)]
pub(super) struct Decoding {
    decoders: Decoders,
    /// Whether the current frame is decoded. Between frames: whether the next frame might be.
    is_active: bool,
    /// The number of bytes that the frames of the message have announced, without [`FRAME_END`] of each.
    announced: u64,
    /// Whether the current frame is the last of its message.
    fin: bool,
}

impl Decoding {
    pub(super) const fn new(decoders: Decoders) -> Self {
        Self {
            decoders,
            is_active: true,
            announced: 0,
            fin: false,
        }
    }

    pub(super) fn release_idle(&mut self) {
        self.decoders.release_idle();
    }

    /// Whether bytes that have arrived wait to be decoded.
    pub(super) fn is_paused(&self) -> bool {
        self.decoders.is_paused()
    }

    /// Whether the current frame is decoded.
    pub(super) const fn is_active(&self) -> bool {
        self.is_active
    }

    /// Returns the part of the input that may be read in one step.
    pub(super) fn visible<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        match input.get(..MAX_STEP) {
            Some(step) if self.is_active => step,
            _ => input,
        }
    }

    /// Returns the limit of the next frame. An encoded frame may be a little larger than its content.
    pub(super) fn limit(&self, plan: Plan<'_>) -> Limit {
        let settings = plan.settings;
        if plan.is_streamed {
            let message = max_encoded(settings.max_streamed_message_size);
            let left = message.saturating_sub(self.announced);
            return Limit::streamed(left, self.announced, settings);
        }
        let message = max_encoded(settings.max_message_size).saturating_sub(self.announced);
        let frame = max_encoded(settings.max_frame_size);
        Limit::new(message, frame, self.announced, settings)
    }

    /// Begins a frame. A frame that no extension decodes may be as large as `plain`.
    pub(super) fn begin(
        &mut self,
        header: &FrameHeader,
        plain: Limit,
    ) -> Result<(), ProtocolError> {
        self.announced += header.payload_len.saturating_sub(FRAME_END);
        self.fin = header.fin;
        self.is_active = self.decoders.begin(header)?;
        if !self.is_active && header.payload_len > plain.payload_len {
            return Err(plain.too_big.add_frame(header.payload_len));
        }
        Ok(())
    }

    /// Decodes the next bytes of the frame, or goes on after a pause if `piece` is `None`. Returns whether the
    /// frame has come to its end. [Pauses](Self::is_paused) if the work is done.
    pub(super) fn decode(
        &mut self,
        piece: Option<&Piece<'_>>,
        payload: &mut Payload,
        mut state: DecodeState,
        work: &mut Work,
    ) -> Result<bool, ProtocolError> {
        let is_ended = match piece {
            None => self.decoders.resume(payload, &mut state),
            Some(piece) => {
                let unmasked = piece.unmask(state.simd());
                state.record_input(INPUT_WORK * unmasked.len() as u64);
                let is_last = piece.missing == 0;
                self.decoders
                    .decode(&unmasked, is_last, payload, &mut state)
            }
        };
        work.decode(state.work());
        is_ended
    }

    /// Ends a frame. Returns whether it was the last of its message.
    pub(super) fn end(&mut self, payload: &mut Payload) -> bool {
        if self.fin && self.is_active {
            payload.trim();
        }
        if self.fin {
            self.announced = 0;
        }
        self.is_active = true;
        self.fin
    }
}

/// Returns the largest size to which encoding brings so many bytes.
const fn max_encoded(limit: u64) -> u64 {
    limit.saturating_add(limit / 8).saturating_add(1024)
}
