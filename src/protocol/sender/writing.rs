//! Messages that are written straight into the output.

use bytes::{Bytes, BytesMut};

use super::Sender;
use crate::{
    frame::{FrameHeader, Opcode, SendError},
    message::Message,
    protocol::Output,
    text::Text,
};

impl Sender {
    /// Begins a text message as [`begin`](Self::begin) does. `write` appends the text to a buffer, as valid UTF-8:
    /// to the output unless the message has to be encoded.
    pub(crate) fn begin_text<E: From<SendError>>(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> Result<(), E>,
        output: &mut impl Output,
    ) -> Result<(), E> {
        if self.closed {
            return Err(SendError::Closed.into());
        }
        if self.encoders.is_some() {
            let mut payload = BytesMut::new();
            write(&mut payload)?;
            return Ok(self.begin(&mut text(payload.freeze()), output)?);
        }
        self.make_way(output)?;
        let mut draft = Draft::new(output.buffer(), FrameHeader::room(self.role));
        write(draft.buffer)?;
        let settings = &self.config.settings;
        let limit = settings
            .outgoing_frame_size
            .min(settings.max_outgoing_message_size);
        if draft.payload().len() > limit {
            // Several frames, or an error.
            let payload = Bytes::copy_from_slice(draft.payload());
            drop(draft);
            return Ok(self.begin(&mut text(payload), output)?);
        }
        let header = self.header(Opcode::Text, draft.payload());
        let payload = draft.finish(header);
        if let Some(key) = header.masking_key {
            self.simd.mask(payload, key);
        }
        Ok(())
    }
}

fn text(payload: Bytes) -> Message {
    Text::from_validated(payload).into()
}

/// A payload that is being written to the end of the output, with room for its header. The output is as before if
/// the payload is not finished.
struct Draft<'a> {
    buffer: &'a mut BytesMut,
    start: usize,
    room: usize,
}

impl<'a> Draft<'a> {
    fn new(buffer: &'a mut BytesMut, room: usize) -> Self {
        let start = buffer.len();
        buffer.resize(start + room, 0);
        Self {
            buffer,
            start,
            room,
        }
    }

    fn payload(&self) -> &[u8] {
        &self.buffer[self.start + self.room..]
    }

    /// Completes the frame. Returns its payload.
    fn finish(&mut self, header: FrameHeader) -> &mut [u8] {
        let payload = header.insert(self.buffer, self.start, self.room);
        self.start = self.buffer.len();
        &mut self.buffer[payload..]
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.buffer.truncate(self.start);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{
        config::Config,
        frame::{MaskingKey, Role},
        protocol::{Event, Receiver},
    };

    const ROLES: [Role; 2] = [Role::Client, Role::Server];

    fn peer_receives(role: Role, mut wire: BytesMut) -> Vec<Event> {
        let mut peer = Receiver::new(role.peer(), &Config::new());
        let events: Vec<Event> = std::iter::from_fn(|| peer.receive(&mut wire).unwrap()).collect();
        assert!(wire.is_empty());
        events
    }

    /// Writes `size` bytes in pieces, as a serializer does.
    fn letters(size: usize) -> impl FnOnce(&mut BytesMut) -> Result<(), SendError> {
        move |buffer| {
            for _ in 0..size {
                buffer.extend_from_slice(b"x");
            }
            Ok(())
        }
    }

    #[test]
    fn a_text_of_any_size_is_framed_as_a_message_of_the_same_text() {
        for role in ROLES {
            let config = Config::new().masking_keys(|| MaskingKey::new([1, 2, 3, 4]));
            let sizes = [
                0, 1, 124, 125, 126, 127, 128, 65_534, 65_535, 65_536, 300_000,
            ];
            let (mut written, mut sent) = (BytesMut::new(), BytesMut::new());
            let mut writer = Sender::new(role, &config);
            let mut sender = Sender::new(role, &config);
            for size in sizes {
                writer.begin_text(letters(size), &mut written).unwrap();
                writer.finish(&mut written);
                sender.send("x".repeat(size), &mut sent).unwrap();
                assert!(written == sent, "{role:?}, {size} bytes");
            }
            assert_eq!(peer_receives(role, written).len(), sizes.len());
        }
    }

    #[test]
    fn a_text_that_is_not_finished_leaves_nothing() {
        for role in ROLES {
            let config = Config::new().max_outgoing_message_size(10);
            let mut sender = Sender::new(role, &config);
            let mut output = BytesMut::from("before");
            let refused = |buffer: &mut BytesMut| {
                buffer.extend_from_slice(b"half");
                Err(SendError::Closed)
            };
            assert_eq!(
                sender.begin_text(refused, &mut output),
                Err(SendError::Closed)
            );
            assert_eq!(output, "before");
            let too_big = SendError::MessageTooBig {
                size: 11,
                limit: 10,
            };
            assert_eq!(sender.begin_text(letters(11), &mut output), Err(too_big));
            assert_eq!(output, "before");
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                sender.begin_text::<SendError>(
                    |buffer| {
                        buffer.extend_from_slice(b"half");
                        panic!("as the test wants it")
                    },
                    &mut output,
                )
            }));
            assert!(panicked.is_err());
            assert_eq!(output, "before");
            assert_eq!(sender.begin_text(letters(10), &mut output), Ok(()));
            let events = peer_receives(role, output.split_off(6));
            assert_eq!(events, [Event::from("x".repeat(10))]);
        }
    }
}
