//! `Codec` and `FrameCodec` without a stream: the memory of their buffers.

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};
use wsimd::{Codec, Error, Event, FrameCodec, Role};

use super::{config, send_error};
use crate::support::frames::{BINARY, FIN, ROLES, close, frame};

/// The room that a buffer has after decoding, in bytes.
const ROOM: usize = 4096;

/// Decodes the whole buffer, and checks that it is ready for a read afterwards.
fn drain<D: Decoder<Error = Error>>(codec: &mut D, input: &mut BytesMut) -> usize {
    let mut decoded = 0;
    while codec.decode(input).unwrap().is_some() {
        decoded += 1;
    }
    assert!(input.len() < 14, "{} bytes were left", input.len());
    let room = input.capacity() - input.len();
    assert!(room >= ROOM, "{room} bytes of room");
    decoded
}

#[test]
fn the_buffer_has_room_for_a_read_when_nothing_is_left_to_decode() {
    for role in ROLES {
        let peer = role.peer();
        let message = frame(peer, FIN | BINARY, &[1; 1000]);
        let begun = frame(peer, FIN | BINARY, &[1; 100_000]);
        for input in [
            vec![],
            message[..1].to_vec(),
            message.clone(),
            message.repeat(9),
            [&message[..], &message[..5]].concat(),
            begun[..8192].to_vec(),
            close(peer, 1000, ""),
        ] {
            // A buffer without free capacity.
            let mut buffer = BytesMut::with_capacity(input.len());
            buffer.extend_from_slice(&input);
            drain(&mut Codec::new(role, &config()), &mut buffer);
            let mut buffer = BytesMut::from(&input[..]);
            drain(&mut FrameCodec::new(role, &config()), &mut buffer);
        }
    }
}

#[test]
fn the_buffer_does_not_grow_with_the_message() {
    for role in ROLES {
        let message = frame(role.peer(), FIN | BINARY, &vec![1; 1 << 20]);
        let mut codec = Codec::new(role, &config());
        let mut frames = FrameCodec::new(role, &config());
        let (mut decoded, mut buffer, mut other) = (0, BytesMut::new(), BytesMut::new());
        for chunk in message.repeat(2).chunks(ROOM) {
            for (codec, buffer) in [
                (&mut codec as &mut dyn Drains, &mut buffer),
                (&mut frames, &mut other),
            ] {
                buffer.extend_from_slice(chunk);
                decoded += codec.drain(buffer);
                assert!(buffer.capacity() < 4 * ROOM, "{}", buffer.capacity());
            }
        }
        assert_eq!(decoded, 4);
    }
}

/// [`drain`] for a codec of any type.
trait Drains {
    fn drain(&mut self, input: &mut BytesMut) -> usize;
}

impl<D: Decoder<Error = Error>> Drains for D {
    fn drain(&mut self, input: &mut BytesMut) -> usize {
        drain(self, input)
    }
}

#[test]
fn a_message_shares_no_memory_with_the_read_buffer() {
    let mut codec = Codec::new(Role::Client, &config());
    let mut buffer = BytesMut::with_capacity(1 << 16);
    let start = buffer.as_ptr();
    buffer.extend_from_slice(&frame(Role::Server, FIN | BINARY, b"small"));
    let message = codec.decode(&mut buffer).unwrap();
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    // The whole buffer can be reused while the message is alive.
    assert!(buffer.try_reclaim(1 << 16));
    assert_eq!(buffer.as_ptr(), start);
    assert_eq!(message, Some(b"small".as_slice().into()));
}

#[test]
fn an_encoder_appends_to_what_is_there() {
    let mut codec = Codec::new(Role::Server, &config());
    let mut output = BytesMut::from(&b"before"[..]);
    codec.encode("after".into(), &mut output).unwrap();
    send_error(codec.encode(Event::Ping(vec![0; 126].into()), &mut output));
    assert_eq!(&output[..], b"before\x81\x05after");
}
