//! `Receiver`: arbitrary bytes from a peer.

use bytes::BytesMut;
use wsimd::{
    CloseCode, Config, Event, Message,
    frame::{MAX_CONTROL_PAYLOAD, ProtocolError},
    protocol::Receiver,
    simd::Simd,
};

use super::{role, split::splits};

/// The limit of a message with the flag for one, in bytes.
const MAX_MESSAGE_SIZE: usize = 300;

/// Receives arbitrary bytes in arbitrary pieces, with every backend.
///
/// Input:
/// 1. a byte of flags: 1 the receiver is a server, 2 messages limited to 300 bytes, 4 frames to 100
///    bytes, 8 messages to 3 frames, 16 no limit;
/// 2. two lengths of pieces;
/// 3. the bytes of the wire.
///
/// Properties:
/// - The events and the error depend only on the bytes, and not on the pieces or the backend.
/// - All bytes are consumed, except those of an incomplete header.
/// - A text is UTF-8. Messages and control frames are within their limits. Close is the last event.
/// - A violation is sticky.
pub fn receive(data: &[u8]) {
    let Some((&[flags, ref lengths @ ..], wire)) = data.split_first_chunk::<3>() else {
        return;
    };
    let role = role(flags & 1 != 0);
    let config = config(flags);
    let expected = run(Receiver::new(role, &config), &[wire], flags);
    for (how, pieces) in splits(wire, *lengths) {
        for simd in Simd::available() {
            let seen = run(Receiver::with_simd(role, &config, simd), &pieces, flags);
            let name = simd.name();
            assert_eq!(
                seen, expected,
                "{how} on {name} (left) is not as whole (right)"
            );
        }
    }
}

fn config(flags: u8) -> Config {
    let mut config = Config::new();
    if flags & 2 != 0 {
        config = config.max_message_size(MAX_MESSAGE_SIZE);
    }
    if flags & 4 != 0 {
        config = config.max_frame_size(100);
    }
    if flags & 8 != 0 {
        config = config.max_fragments(3);
    }
    if flags & 16 != 0 {
        config = config.max_message_size(None).max_fragments(None);
    }
    config
}

#[derive(Debug, PartialEq)]
struct Received {
    events: Vec<Event>,
    /// The violation, or the number of remaining bytes.
    end: Result<usize, ProtocolError>,
}

fn run(mut receiver: Receiver, pieces: &[&[u8]], flags: u8) -> Received {
    let mut input = BytesMut::new();
    let mut events = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match receiver.receive(&mut input) {
                Ok(Some(event)) => {
                    check(&event, flags);
                    assert!(
                        !matches!(events.last(), Some(Event::Close(_))),
                        "{event:?} after Close"
                    );
                    events.push(event);
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(receiver.receive(&mut input), Err(error), "not sticky");
                    assert!(input.is_empty(), "kept bytes after a violation");
                    return Received {
                        events,
                        end: Err(error),
                    };
                }
            }
        }
        let most = if receiver.is_closed() { 0 } else { 13 + 125 };
        assert!(
            input.len() <= most,
            "{} bytes are left, more than {most}",
            input.len()
        );
    }
    let is_closed = matches!(events.last(), Some(Event::Close(_)));
    assert_eq!(
        receiver.is_closed(),
        is_closed,
        "is_closed, after {:?}",
        events.last()
    );
    Received {
        events,
        end: Ok(input.len()),
    }
}

fn check(event: &Event, flags: u8) {
    match event {
        Event::Message(message) => {
            let too_big = message.len() > MAX_MESSAGE_SIZE && flags & (2 | 16) == 2;
            assert!(!too_big, "a message of {} bytes", message.len());
            if let Message::Text(text) = message {
                let bytes = text.as_bytes();
                assert!(
                    str::from_utf8(bytes).is_ok(),
                    "text that is not UTF-8: {bytes:02x?}"
                );
            }
        }
        Event::Ping(payload) | Event::Pong(payload) => {
            assert!(
                payload.len() <= MAX_CONTROL_PAYLOAD,
                "control payload of {}",
                payload.len()
            );
        }
        Event::Close(frame) => {
            let payload = frame.to_payload();
            assert!(
                payload.len() <= MAX_CONTROL_PAYLOAD,
                "Close payload of {}",
                payload.len()
            );
            assert!(
                frame.code().is_none_or(CloseCode::may_be_sent),
                "code in {frame:?}"
            );
        }
    }
}
