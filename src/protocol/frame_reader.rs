//! [`FrameReader`]: bytes to frame headers and chunks of payload, as they arrive.

use crate::{
    config::Settings,
    frame::{Expected, FrameHeader, MaskingKey, ProtocolError, Role, Rsv, WholeFrame},
    simd::Simd,
};

/// Reads one frame after the other from lent bytes.
///
/// The payload of a data frame is handed on as it arrives, so that the caller keeps no more than the
/// start of a header. A control frame is handed on from its start until it is whole.
///
/// ```text
///            a header, and some of its payload
///   ┌─────────┐ ──────────────────────────▶ ┌─────────┐ ──┐ a chunk of the payload
///   │ between │                             │ inside  │   │
///   └─────────┘ ◀────────────────────────── └─────────┘ ◀─┘
///        │   ▲        the last chunk
///        └───┘ a whole frame
/// ```
#[derive(Debug)]
pub(crate) struct FrameReader {
    sender: Role,
    rsv: Rsv,
    /// Whether a fragmented message is unfinished.
    continuation: bool,
    /// Whether a message in one frame may be taken at once.
    allows_whole: bool,
    delivery: Delivery,
    /// The current frame and the number of payload bytes that were read. They equal `payload_len` only
    /// between [`skip`](Self::skip) and the next [`read`](Self::read).
    current: Option<(FrameHeader, u64)>,
}

/// How messages leave the receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// Whether messages leave in chunks.
    pub(super) in_chunks: bool,
    /// Whether the rest of the current message is dropped.
    pub(super) skips: bool,
    /// Whether all later messages are dropped as well.
    pub(super) discards: bool,
}

impl Delivery {
    pub(super) const WHOLE: Self = Self {
        in_chunks: false,
        skips: false,
        discards: false,
    };

    /// Returns whether the current message leaves in chunks, or is dropped.
    pub(super) const fn is_streamed(self) -> bool {
        self.in_chunks || self.skips
    }
}

/// The limits of the next data frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// The largest payload, in bytes.
    pub(crate) payload_len: u64,
    /// The violation that a larger payload is, without the size of the payload.
    pub(crate) too_big: ProtocolError,
    /// The violation that any data frame is; `None` when a data frame may come.
    pub(crate) too_many: Option<ProtocolError>,
}

impl Limit {
    /// Returns the limit of a frame or the rest of the limit of its message, whichever is smaller. `size` is the
    /// number of bytes of the message before the frame.
    pub(crate) const fn new(message: u64, frame: u64, size: u64, settings: &Settings) -> Self {
        if message < frame {
            Self {
                payload_len: message,
                too_big: ProtocolError::MessageTooBig {
                    size,
                    limit: settings.max_message_size,
                },
                too_many: None,
            }
        } else {
            Self {
                payload_len: frame,
                too_big: Self::frame_too_big(settings),
                too_many: None,
            }
        }
    }

    /// Returns the rest of the limit of a streamed message. `size` is as for [`new`](Self::new).
    pub(crate) const fn streamed(message: u64, size: u64, settings: &Settings) -> Self {
        Self {
            payload_len: message,
            too_big: ProtocolError::StreamTooBig {
                size,
                limit: settings.max_streamed_message_size,
            },
            too_many: None,
        }
    }

    /// Returns the violation that a larger frame is, without its size.
    pub(crate) const fn frame_too_big(settings: &Settings) -> ProtocolError {
        ProtocolError::FrameTooBig {
            size: 0,
            limit: settings.max_frame_size,
            is_message_limit: settings.max_frame_size == settings.max_message_size,
        }
    }
}

/// The part of a frame that has arrived and was not read before.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) header: FrameHeader,
    /// Whether the header has only now arrived.
    pub(crate) begins: bool,
    /// The next bytes of the payload, still masked.
    pub(crate) chunk: &'a [u8],
    /// The key that unmasks them.
    pub(crate) key: MaskingKey,
    /// The number of payload bytes that have not arrived.
    pub(crate) missing: u64,
    /// The number of input bytes to drop, header included: none while a control frame is incomplete.
    pub(crate) len: usize,
}

impl Piece<'_> {
    /// Returns the chunk, unmasked.
    pub(super) fn unmask(&self, simd: Simd) -> Vec<u8> {
        let mut unmasked = Vec::with_capacity(self.chunk.len());
        simd.copy_mask(self.chunk, &mut unmasked, self.key);
        unmasked
    }

    /// Returns the number of bytes of the message that have not arrived; `u64::MAX` when another frame
    /// follows, because it is then unknown.
    pub(crate) const fn missing_of_message(&self) -> u64 {
        if self.header.fin {
            self.missing
        } else {
            u64::MAX
        }
    }
}

impl FrameReader {
    /// Creates a reader of the frames that `sender` sends, without extensions.
    pub(crate) const fn new(sender: Role) -> Self {
        Self {
            sender,
            rsv: Rsv::NONE,
            continuation: false,
            allows_whole: false,
            delivery: Delivery::WHOLE,
            current: None,
        }
    }

    /// Allows these reserved bits on data frames.
    pub(crate) const fn allow(&mut self, rsv: Rsv) {
        self.rsv = rsv;
    }

    /// Sets whether [`whole_message`](Self::whole_message) may recognise one. Default: it does not.
    pub(crate) const fn allow_whole(&mut self, allows_whole: bool) {
        self.allows_whole = allows_whole;
    }

    /// Returns how messages leave the receiver.
    #[inline]
    pub(super) const fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Sets how messages leave the receiver.
    pub(super) const fn set_delivery(&mut self, delivery: Delivery) {
        self.delivery = delivery;
    }

    /// Whether a frame has begun and is not complete.
    #[cfg(feature = "codec")]
    pub(crate) const fn is_inside(&self) -> bool {
        self.current.is_some()
    }

    /// Whether the next frame begins a message.
    #[cfg(feature = "codec")]
    pub(super) const fn is_between_messages(&self) -> bool {
        self.current.is_none() && !self.continuation
    }

    /// Recognises a whole message in one frame of at most `max_payload_len` bytes at the start of
    /// `input`. Nothing is read. `None` means that [`read`](Self::read) has to judge.
    #[inline]
    pub(crate) fn whole_message(&self, input: &[u8], max_payload_len: u64) -> Option<WholeFrame> {
        if !self.allows_whole || self.continuation || self.current.is_some() {
            return None;
        }
        WholeFrame::recognise(input, self.sender, max_payload_len)
    }

    /// Reads the next piece of a frame; `None` while a header is incomplete. The caller drops
    /// [`Piece::len`] bytes of `input`. An incomplete control frame is read again, from its start.
    pub(crate) fn read<'a>(
        &mut self,
        input: &'a [u8],
        limit: Limit,
    ) -> Result<Option<Piece<'a>>, ProtocolError> {
        let (header, done, behind) = match self.current.take() {
            Some((header, done)) => (header, done, 0),
            None => match self.begin(input, limit)? {
                Some((header, len)) => (header, 0, len),
                None => return Ok(None),
            },
        };
        let arrived = &input[behind..];
        let left = header.payload_len - done;
        let len = usize::try_from(left).map_or(arrived.len(), |left| left.min(arrived.len()));
        let missing = left - len as u64;
        let is_kept = missing > 0 && header.opcode.is_control();
        if missing > 0 && !is_kept {
            self.current = Some((header, done + len as u64));
        }
        Ok(Some(Piece {
            header,
            begins: behind > 0,
            chunk: &arrived[..len],
            key: header
                .masking_key
                .map_or(MaskingKey::ZERO, |key| key.rotate(done)),
            missing,
            len: if is_kept { 0 } else { behind + len },
        }))
    }

    fn begin(
        &mut self,
        input: &[u8],
        limit: Limit,
    ) -> Result<Option<(FrameHeader, usize)>, ProtocolError> {
        let expected = Expected {
            sender: self.sender,
            rsv: self.rsv,
            continuation: self.continuation,
            max_payload_len: limit.payload_len,
            too_big: limit.too_big,
            too_many: limit.too_many,
        };
        let begun = FrameHeader::parse(input, &expected)?;
        if let Some((header, _)) = &begun
            && !header.opcode.is_control()
        {
            self.continuation = !header.fin;
        }
        Ok(begun)
    }
}

#[cfg(feature = "tokio")]
impl FrameReader {
    /// Returns the number of bytes that are missing of the current frame; `None` between frames.
    pub(crate) fn missing(&self) -> Option<u64> {
        let (header, done) = self.current?;
        Some(header.payload_len - done)
    }

    /// Skips `len` bytes of the current frame, which were read elsewhere, and returns the piece that they
    /// are, without its chunk. When no byte is missing, the next [`read`](Self::read) returns an empty
    /// chunk.
    pub(crate) fn skip(&mut self, len: usize) -> Option<Piece<'static>> {
        let (header, done) = self.current.as_mut()?;
        let key = header.masking_key.unwrap_or(MaskingKey::ZERO);
        let key = key.rotate(*done);
        *done = header.payload_len.min(*done + len as u64);
        Some(Piece {
            header: *header,
            begins: false,
            chunk: &[],
            key,
            missing: header.payload_len - *done,
            len: 0,
        })
    }
}
