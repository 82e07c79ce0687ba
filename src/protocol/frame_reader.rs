//! [`FrameReader`]: bytes to frame headers and chunks of payload, as they arrive.

use crate::config::Values;
use crate::frame::{Expected, FrameHeader, MaskingKey, ProtocolError, Role, Rsv};

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
    /// The frame being read and how many bytes of its payload were: all of them only when the last were
    /// read elsewhere (`direct.rs`), until the next read.
    pub(super) current: Option<(FrameHeader, u64)>,
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
            current: None,
        }
    }

    /// Lets these reserved bits pass on data frames.
    pub(crate) const fn allow(&mut self, rsv: Rsv) {
        self.rsv = rsv;
    }

    /// Whether a frame has begun and is not complete.
    #[cfg(feature = "codec")]
    pub(crate) const fn is_inside(&self) -> bool {
        self.current.is_some()
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

/// Makes room in `buffer` for the `arrived` bytes of a payload of which `missing` are yet to come;
/// `u64::MAX` when nobody knows.
///
/// Memory follows what arrives, not what is announced: with a known end the buffer takes at most four
/// times of what is there, else twice, so that few bytes move, and it does not grow beyond what is
/// missing.
#[inline]
pub(crate) fn make_room(buffer: &mut Vec<u8>, arrived: usize, missing: u64) {
    if buffer.capacity() - buffer.len() >= arrived {
        return;
    }
    let there = buffer.len() + arrived;
    let more = match usize::try_from(missing) {
        Ok(missing) if missing <= there.saturating_mul(3) => missing,
        Ok(_) if missing < u64::MAX => there.saturating_mul(3),
        _ => buffer.len(),
    };
    if buffer.capacity() == 0 {
        *buffer = Vec::with_capacity(arrived + more);
    } else {
        buffer.reserve_exact(arrived + more);
    }
}

#[cfg(test)]
mod tests {
    use super::make_room;

    #[test]
    fn memory_follows_what_arrives_and_not_what_is_claimed() {
        // tokio-websockets, fastwebsockets, tungstenite and wtx reserve the claimed length.
        let claimed = 64 << 20;
        let mut buffer = Vec::new();
        make_room(&mut buffer, 1, claimed - 1);
        assert_eq!(buffer.capacity(), 4);
        let mut moved = 0;
        while (buffer.len() as u64) < claimed {
            let arrived = 1400.min((64 << 20) - buffer.len());
            let before = buffer.capacity();
            let missing = claimed - (buffer.len() + arrived) as u64;
            make_room(&mut buffer, arrived, missing);
            if buffer.capacity() != before {
                moved += buffer.len();
            }
            buffer.resize(buffer.len() + arrived, 0);
            assert!(buffer.capacity() <= 4 * buffer.len());
        }
        assert_eq!(
            buffer.capacity(),
            buffer.len(),
            "more than the message needs"
        );
        assert!(moved < 2 * buffer.len(), "{moved} bytes were moved");
    }

    #[test]
    fn a_payload_that_is_all_there_gets_memory_of_its_own_size() {
        let mut buffer = Vec::new();
        make_room(&mut buffer, 10, 0);
        assert_eq!(buffer.capacity(), 10);
    }
}
