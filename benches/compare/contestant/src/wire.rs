//! Frames on the wire (RFC 6455 §5.2), prepared for decoding.

use bytes::Bytes;

use crate::{Content, Role, corpus::Random};

/// Frames messages back to back for a receiver of this role: masked for a server, each with a key
/// of its own.
pub fn frames(messages: &[Bytes], content: Content, receiver: Role) -> Bytes {
    let mut random = Random::new(0xA5);
    let mut bytes = Vec::new();
    for message in messages {
        let key = match receiver {
            Role::Server => Some((random.next() as u32).to_le_bytes()),
            Role::Client => None,
        };
        header(&mut bytes, content.is_text(), message.len(), key);
        let start = bytes.len();
        bytes.extend_from_slice(message);
        if let Some(key) = key {
            mask(&mut bytes[start..], key);
        }
    }
    bytes.into()
}

/// Appends the header of a whole message in one frame.
pub fn header(out: &mut Vec<u8>, text: bool, len: usize, key: Option<[u8; 4]>) {
    let masked = if key.is_some() { 0x80 } else { 0 };
    out.push(0x80 | if text { 1 } else { 2 });
    if len < 126 {
        out.push(masked | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(masked | 126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(masked | 127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
    out.extend(key.into_iter().flatten());
}

/// Returns the length of the header of a whole message in one frame.
pub fn header_len(len: usize, masked: bool) -> usize {
    let base = match len {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    };
    base + if masked { 4 } else { 0 }
}

/// Masks or unmasks a payload.
pub fn mask(payload: &mut [u8], key: [u8; 4]) {
    for (byte, key) in payload.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}
