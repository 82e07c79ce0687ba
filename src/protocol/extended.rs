//! [`Extended`]: what extensions do between the frames and the message.

use super::{
    assembler::Assembler,
    frame_reader::{Limit, Piece, make_room},
    receiver::Receiver,
};
use crate::{
    config::Values,
    extension::{Decoders, Target},
    frame::{FrameHeader, MaskingKey, ProtocolError},
    simd::Simd,
};

/// How many bytes are decoded at a time: few, since nobody knows what they become (DEFLATE makes up to
/// 16 MiB of them, in some 9 ms), but not too few, since pages are inflated slower in small pieces.
const MAX_STEP: usize = 16 << 10;

/// What encoding adds to each frame, however short, at most.
const FRAME_END: u64 = 16;

/// After so much work, in decoded bytes, other tasks may run. Inflating as many takes about a
/// millisecond.
#[cfg(feature = "tokio")]
const MAX_WORK: u64 = 512 << 10;

/// As how many decoded bytes each byte of the input counts, and each piece that is decoded: they may
/// become little or nothing and take their time.
const INPUT_WORK: u64 = 4;
const PIECE_WORK: u64 = 256;

/// The receiving direction of the extensions of a connection.
#[derive(Debug)]
pub(super) struct Extended {
    decoders: Decoders,
    /// Whether the frame is decoded; between frames, whether the next one might be.
    decoded: bool,
    /// How many bytes the frames of the message have announced, [`FRAME_END`] of each left out.
    announced: u64,
    /// The work since the last pause.
    work: u64,
    max_work: u64,
    paused: bool,
}

impl Extended {
    pub(super) const fn new(decoders: Decoders) -> Self {
        Self {
            decoders,
            decoded: true,
            announced: 0,
            work: 0,
            max_work: u64::MAX,
            paused: false,
        }
    }

    pub(super) fn tidy(&mut self) {
        self.decoders.tidy();
    }

    /// Begins a pause if it is time for one.
    pub(super) const fn take_pause(&mut self) -> bool {
        self.paused = self.work >= self.max_work;
        if self.paused {
            self.work = 0;
        }
        self.paused
    }

    /// Whether the frame that is being received is decoded.
    #[cfg(feature = "tokio")]
    pub(super) const fn is_decoding(&self) -> bool {
        self.decoded
    }

    /// How much of the input is looked at now.
    pub(super) fn visible<'a>(&self, input: &'a [u8]) -> &'a [u8] {
        match input.get(..MAX_STEP) {
            Some(step) if self.decoded => step,
            _ => input,
        }
    }

    /// How large the next frame may be. Encoded, it may be a little larger than what it stands for.
    pub(super) fn limit(&self, values: &Values) -> Limit {
        let message = encoded(values.max_message_size).saturating_sub(self.announced);
        Limit::new(message, encoded(values.max_frame_size), values)
    }

    /// Begins a frame, which may be as large as `limit` if it is not decoded.
    fn begin(&mut self, header: &FrameHeader, limit: Limit) -> Result<(), ProtocolError> {
        self.announced += header.payload_len.saturating_sub(FRAME_END);
        self.decoded = self.decoders.begin(header)?;
        if !self.decoded && header.payload_len > limit.payload_len {
            return Err(limit.too_big);
        }
        Ok(())
    }

    /// Decodes the next bytes of the frame, which are masked.
    fn decode(&mut self, piece: &Piece<'_>, mut message: Growing<'_>) -> Result<(), ProtocolError> {
        let mut unmasked = Vec::with_capacity(piece.chunk.len());
        message
            .simd
            .copy_mask(piece.chunk, &mut unmasked, piece.key.to_bytes());
        self.decoders.decode(&unmasked, &mut message)?;
        if piece.missing == 0 {
            self.decoders.end(&mut message)?;
        }
        self.work += INPUT_WORK * piece.chunk.len() as u64 + message.work;
        message.failed.map_or(Ok(()), Err)
    }

    /// Ends a frame.
    fn end(&mut self, fin: bool, assembler: &mut Assembler) {
        if fin && self.decoded {
            assembler.trim();
        }
        if fin {
            self.announced = 0;
        }
        self.decoded = true;
    }
}

impl Receiver {
    /// Lets [`next`](Self::next) return `None` now and then while a long message is decoded, for other
    /// tasks to run, though its input is not used up.
    #[cfg(feature = "tokio")]
    pub(crate) fn let_pause(&mut self) {
        if let Some(extended) = &mut self.extended {
            extended.max_work = MAX_WORK;
        }
    }

    /// Whether the last `None` of [`next`](Self::next) was such a pause.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_paused(&self) -> bool {
        self.extended
            .as_ref()
            .is_some_and(|extended| extended.paused)
    }

    /// Takes what has arrived of a data frame, where there are extensions. A frame that none of them
    /// decodes may be as large as `plain` says.
    // Never: it would cost those who have none.
    #[inline(never)]
    pub(super) fn take_extended(
        &mut self,
        piece: Piece<'_>,
        plain: Limit,
    ) -> Result<(), ProtocolError> {
        let Some(extended) = &mut self.extended else {
            return Ok(());
        };
        if piece.begins {
            extended.begin(&piece.header, plain)?;
        }
        if extended.decoded {
            let limit = self.config.values.max_message_size;
            let message = self.assembler.growing(self.simd, limit);
            extended.decode(&piece, message)?;
        } else {
            self.assembler.take(&piece, self.simd)?;
        }
        if piece.missing == 0 {
            extended.end(piece.header.fin, &mut self.assembler);
        }
        Ok(())
    }
}

/// The largest that encoding makes of so many bytes.
const fn encoded(limit: u64) -> u64 {
    limit.saturating_add(limit / 8).saturating_add(1024)
}

/// The message that is being decoded.
struct Growing<'a> {
    assembler: &'a mut Assembler,
    simd: Simd,
    limit: u64,
    work: u64,
    failed: Option<ProtocolError>,
}

impl Growing<'_> {
    fn grow(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let room = self.room();
        let len = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (fitting, rest) = bytes.split_at(len);
        // First: what is not UTF-8 there comes before the byte that is too much.
        let room = room - len as u64;
        self.assembler.grow(fitting, room, self.simd)?;
        match rest {
            [] => Ok(()),
            _ => Err(ProtocolError::MessageTooBig { limit: self.limit }),
        }
    }
}

impl Target for Growing<'_> {
    fn append(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.work += PIECE_WORK + bytes.len() as u64;
        self.grow(bytes).inspect_err(|error| self.fail(*error))
    }

    fn fail(&mut self, error: ProtocolError) {
        self.failed.get_or_insert(error);
    }

    fn room(&self) -> u64 {
        self.limit.saturating_sub(self.assembler.len() as u64)
    }
}

impl Assembler {
    /// The message, of at most `limit` bytes, for decoded bytes to be appended.
    const fn growing(&mut self, simd: Simd, limit: u64) -> Growing<'_> {
        Growing {
            assembler: self,
            simd,
            limit,
            work: 0,
            failed: None,
        }
    }

    /// Appends decoded bytes. Memory doubles, but not beyond what there is `room` for behind them.
    fn grow(&mut self, bytes: &[u8], room: u64, simd: Simd) -> Result<(), ProtocolError> {
        let there = (self.len() + bytes.len()) as u64;
        let missing = if room < there { room } else { u64::MAX };
        make_room(&mut self.payload, bytes.len(), missing);
        self.append(bytes, MaskingKey::ZERO, simd)
    }

    /// Gives back what the message has too much of.
    fn trim(&mut self) {
        trim(&mut self.payload);
    }
}

/// Gives memory back that is not used, if it is much.
pub(super) fn trim(bytes: &mut Vec<u8>) {
    if bytes.capacity() - bytes.len() > bytes.len() / 8 {
        bytes.shrink_to_fit();
    }
}
