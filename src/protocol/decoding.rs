//! [`Decoding`]: extensions between the frames and the message.

use super::frame_reader::{Limit, Piece};
use crate::{
    config::Values,
    extension::{DecodeState, Decoders},
    frame::{FrameHeader, ProtocolError},
    payload::Payload,
    simd::Simd,
};

/// The number of bytes that are decoded at a time. DEFLATE makes up to 16 MiB of them in about 9 ms, so
/// that more would hold the thread for too long. Pages are inflated slower in smaller pieces.
const MAX_STEP: usize = 16 << 10;

/// The most bytes that encoding adds to a frame, however short the frame is.
const FRAME_END: u64 = 16;

/// The work after which other tasks may run, in decoded bytes. Inflating as many takes about a
/// millisecond.
#[cfg(feature = "tokio")]
const MAX_WORK: u64 = 512 << 10;

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
    /// The work since the last pause.
    work: u64,
    max_work: u64,
    is_paused: bool,
}

impl Decoding {
    pub(super) const fn new(decoders: Decoders) -> Self {
        Self {
            decoders,
            is_active: true,
            announced: 0,
            work: 0,
            max_work: u64::MAX,
            is_paused: false,
        }
    }

    pub(super) fn tidy(&mut self) {
        self.decoders.tidy();
    }

    /// Allows pauses.
    #[cfg(feature = "tokio")]
    pub(super) const fn let_pause(&mut self) {
        self.max_work = MAX_WORK;
    }

    /// Begins a pause if the work since the last pause demands one, and returns whether it does.
    pub(super) const fn take_pause(&mut self) -> bool {
        self.is_paused = self.work >= self.max_work;
        if self.is_paused {
            self.work = 0;
        }
        self.is_paused
    }

    /// Whether the last call of [`take_pause`](Self::take_pause) began a pause.
    #[cfg(feature = "tokio")]
    pub(super) const fn is_paused(&self) -> bool {
        self.is_paused
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
    pub(super) fn limit(&self, values: &Values) -> Limit {
        let message = encoded(values.max_message_size).saturating_sub(self.announced);
        Limit::new(message, encoded(values.max_frame_size), values)
    }

    /// Begins a frame. A frame that no extension decodes may be as large as `plain`.
    pub(super) fn begin(
        &mut self,
        header: &FrameHeader,
        plain: Limit,
    ) -> Result<(), ProtocolError> {
        self.announced += header.payload_len.saturating_sub(FRAME_END);
        self.is_active = self.decoders.begin(header)?;
        if !self.is_active && header.payload_len > plain.payload_len {
            return Err(plain.too_big);
        }
        Ok(())
    }

    /// Decodes the next bytes of the frame, which are masked, and appends them to a message of at most
    /// `limit` bytes.
    pub(super) fn decode(
        &mut self,
        piece: &Piece<'_>,
        payload: &mut Payload,
        limit: u64,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        let mut unmasked = Vec::with_capacity(piece.chunk.len());
        simd.copy_mask(piece.chunk, &mut unmasked, piece.key.to_bytes());
        let mut state = DecodeState::new(limit, simd);
        self.decoders.decode(&unmasked, payload, &mut state)?;
        if piece.missing == 0 {
            self.decoders.end(payload, &mut state)?;
        }
        let work = INPUT_WORK * piece.chunk.len() as u64 + state.work();
        self.work = self.work.saturating_add(work);
        Ok(())
    }

    /// Ends a frame.
    pub(super) fn end(&mut self, fin: bool, payload: &mut Payload) {
        if fin && self.is_active {
            payload.trim();
        }
        if fin {
            self.announced = 0;
        }
        self.is_active = true;
    }
}

/// Returns the largest size to which encoding brings so many bytes.
const fn encoded(limit: u64) -> u64 {
    limit.saturating_add(limit / 8).saturating_add(1024)
}
