//! [`FrameReader`]: bytes to frame headers and chunks of payload, as they arrive.

use crate::config::Values;
use crate::frame::{Expected, FrameHeader, MaskingKey, ProtocolError, Role, Rsv, WholeFrame};

/// Reads one frame after the other from lent bytes.
///
/// What arrived of a data frame's payload is handed on at once, so nobody has to keep more of one than
/// the start of its header. A control frame, which is short, is handed on whole.
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
    /// The current frame and the number of payload bytes that were read. They equal `payload_len` only
    /// between [`skip`](Self::skip) and the next [`read`](Self::read).
    current: Option<(FrameHeader, u64)>,
}

/// The largest payload of the next data frame, in bytes, and the violation that a larger one is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) payload_len: u64,
    pub(crate) too_big: ProtocolError,
}

impl Limit {
    /// The limit of a frame, or what is left of the limit of its message, if that is less.
    pub(crate) const fn new(message: u64, frame: u64, values: &Values) -> Self {
        if message < frame {
            Self {
                payload_len: message,
                too_big: ProtocolError::MessageTooBig {
                    limit: values.max_message_size,
                },
            }
        } else {
            Self {
                payload_len: frame,
                too_big: ProtocolError::FrameTooBig {
                    limit: values.max_frame_size,
                },
            }
        }
    }
}

/// What has arrived of a frame.
#[derive(Debug)]
pub(crate) struct Piece<'a> {
    pub(crate) header: FrameHeader,
    /// Whether the header has only now arrived.
    pub(crate) begins: bool,
    /// The next bytes of the payload, still masked.
    pub(crate) chunk: &'a [u8],
    /// The key that unmasks them.
    pub(crate) key: MaskingKey,
    /// How many bytes of the payload are yet to come.
    pub(crate) missing: u64,
    /// How many bytes of the input this is, its header included.
    pub(crate) len: usize,
}

impl FrameReader {
    /// Reads what `sender` sends, without extensions.
    pub(crate) const fn new(sender: Role) -> Self {
        Self {
            sender,
            rsv: Rsv::NONE,
            continuation: false,
            allows_whole: false,
            current: None,
        }
    }

    /// Lets these reserved bits pass on data frames.
    pub(crate) const fn allow(&mut self, rsv: Rsv) {
        self.rsv = rsv;
    }

    /// Sets whether [`whole_message`](Self::whole_message) may recognise one. Default: it does not.
    pub(crate) const fn allow_whole(&mut self, allows_whole: bool) {
        self.allows_whole = allows_whole;
    }

    /// Whether a frame has begun and is not complete.
    #[cfg(feature = "codec")]
    pub(crate) const fn is_inside(&self) -> bool {
        self.current.is_some()
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

    /// Reads on; `None` while a header or a control frame is incomplete. The caller then drops as
    /// many bytes of `input` as the piece says.
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
        if missing > 0 {
            if header.opcode.is_control() {
                return Ok(None);
            }
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
            len: behind + len,
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
    /// Returns the key of the next payload byte of the current frame and the number of bytes that are
    /// missing; `None` between frames.
    pub(crate) fn rest(&self) -> Option<(MaskingKey, u64)> {
        let (header, done) = self.current?;
        let key = header.masking_key.unwrap_or(MaskingKey::ZERO);
        Some((key.rotate(done), header.payload_len - done))
    }

    /// Skips `len` bytes of the current frame, which were read elsewhere. When no byte is missing then,
    /// the next [`read`](Self::read) returns an empty last chunk.
    pub(crate) fn skip(&mut self, len: usize) {
        if let Some((header, done)) = &mut self.current {
            *done = header.payload_len.min(*done + len as u64);
        }
    }
}
