//! Frames as they look on the wire, written down independently of the crate.

use wsimd::{Message, Role, frame::MaskingKey};

pub(crate) const FIN: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xA;

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// The key of every masked frame in the tests.
pub(crate) const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// The source of masking keys that makes a client's bytes predictable.
pub(crate) fn key() -> MaskingKey {
    MaskingKey::new(KEY)
}

/// A frame from an endpoint of this role, masked if it has to be.
#[expect(clippy::cast_possible_truncation, reason = "each arm has the range")]
pub(crate) fn frame(sender: Role, first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = if sender == Role::Client { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..=125 => bytes.push(mask | len as u8),
        len @ 126..=65_535 => {
            bytes.push(mask | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(mask | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    if sender == Role::Server {
        bytes.extend(payload);
        return bytes;
    }
    bytes.extend(KEY);
    bytes.extend(payload.iter().zip(KEY.iter().cycle()).map(|(a, b)| a ^ b));
    bytes
}

/// The payload of a Close frame.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// A whole Close frame.
pub(crate) fn close(sender: Role, code: u16, reason: &str) -> Vec<u8> {
    frame(sender, FIN | CLOSE, &close_payload(code, reason))
}

/// Frames of a peer that mix messages in one and in several frames with pings of the payloads `1` and
/// `2`. Returns the bytes and the messages.
pub(crate) fn mixed_traffic(peer: Role) -> (Vec<u8>, [Message; 3]) {
    let long: Vec<u8> = (0..=250).cycle().take(300).collect();
    let frames = [
        frame(peer, FIN | TEXT, "κόσμε".as_bytes()),
        frame(peer, FIN | PING, b"1"),
        frame(peer, BINARY, &long[..130]),
        frame(peer, FIN | PING, b"2"),
        frame(peer, CONTINUATION, &long[130..131]),
        frame(peer, FIN | CONTINUATION, &long[131..]),
        frame(peer, FIN | TEXT, b""),
    ];
    (frames.concat(), ["κόσμε".into(), long.into(), "".into()])
}
