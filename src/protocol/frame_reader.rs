//! [`FrameReader`]: bytes to frame headers and chunks of payload, as they arrive.

use bytes::{Buf, BytesMut};

use crate::frame::{Expected, FrameHeader, MaskingKey, ProtocolError};

/// Reads one frame after the other from a lent buffer, and consumes what it has read.
///
/// What arrived of a payload is handed on at once, so the lent buffer never holds more of a frame
/// than the start of its header.
///
/// ```text
///            begin: header complete and legal
///   ┌─────────┐ ──────────────────────────▶ ┌─────────┐ ──┐ payload: a chunk arrived
///   │ between │                             │ inside  │   │
///   └─────────┘ ◀────────────────────────── └─────────┘ ◀─┘
///            payload: the last byte arrived
/// ```
#[derive(Debug)]
pub(crate) struct FrameReader {
    pub(crate) expected: Expected,
    /// The frame being read and how many bytes of its payload were.
    /// INVARIANT: fewer than its `payload_len`, but for a frame without payload.
    current: Option<(FrameHeader, u64)>,
}

impl FrameReader {
    pub(crate) const fn new(expected: Expected) -> Self {
        Self {
            expected,
            current: None,
        }
    }

    /// The header of the frame that is being read; `None` between frames.
    pub(crate) fn current(&self) -> Option<&FrameHeader> {
        self.current.as_ref().map(|(header, _)| header)
    }

    /// Reads the header of the next frame; `None` while it is incomplete. Called between frames.
    pub(crate) fn begin(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let Some((header, len)) = FrameHeader::parse(input, &self.expected)? else {
            return Ok(None);
        };
        input.advance(len);
        self.current = Some((header, 0));
        if !header.opcode.is_control() {
            self.expected.continuation = !header.fin;
        }
        Ok(Some(header))
    }

    /// Hands what has arrived of the payload to `sink`, still masked, with the key that unmasks it
    /// and the number of bytes that are yet to come. Returns the header once the frame is complete.
    pub(crate) fn payload(
        &mut self,
        input: &mut BytesMut,
        sink: impl FnOnce(&[u8], MaskingKey, u64) -> Result<(), ProtocolError>,
    ) -> Result<Option<FrameHeader>, ProtocolError> {
        let Some((header, done)) = &mut self.current else {
            return Ok(None);
        };
        let left = header.payload_len - *done;
        let len = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
        if len > 0 {
            let key = header.masking_key.unwrap_or(MaskingKey::ZERO);
            sink(&input[..len], key.rotate(*done), left - len as u64)?;
            input.advance(len);
            *done += len as u64;
        }
        if *done < header.payload_len {
            return Ok(None);
        }
        Ok(self.current.take().map(|(header, _)| header))
    }
}

/// Makes room in `buffer` for the `arrived` bytes of a payload of which `missing` are yet to come;
/// `u64::MAX` when nobody knows.
///
/// Memory follows what arrives, not what is announced: the buffer at most doubles, so that a byte
/// moves once on average, and does not grow beyond what is missing.
pub(crate) fn make_room(buffer: &mut Vec<u8>, arrived: usize, missing: u64) {
    if buffer.capacity() - buffer.len() >= arrived {
        return;
    }
    let missing = usize::try_from(missing).unwrap_or(usize::MAX);
    buffer.reserve_exact(
        buffer
            .len()
            .max(arrived)
            .min(arrived.saturating_add(missing)),
    );
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
        assert_eq!(buffer.capacity(), 1);
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
            assert!(buffer.capacity() <= 2 * buffer.len());
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
