//! Frames on the wire (RFC 6455 §5.2): written for a peer, and read from a server.

use bytes::Bytes;

use crate::{Role, random::Random};

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const MASK: u8 = 0x80;

/// Returns the first byte of a message in one frame.
pub fn first_byte(text: bool, compressed: bool) -> u8 {
    FIN | if compressed { RSV1 } else { 0 } | if text { 1 } else { 2 }
}

/// Frames messages back to back for a receiver of this role. Frames for a server are masked, each with
/// a key of its own.
pub fn frames(messages: &[Bytes], first: u8, receiver: Role) -> Vec<u8> {
    let mut random = Random::new(0xA5);
    let mut bytes = Vec::new();
    for message in messages {
        let key = match receiver {
            Role::Server => Some((random.next() as u32).to_le_bytes()),
            Role::Client => None,
        };
        frame(&mut bytes, first, message, key);
    }
    bytes
}

/// Appends a frame.
pub fn frame(out: &mut Vec<u8>, first: u8, payload: &[u8], key: Option<[u8; 4]>) {
    header(out, first, payload.len(), key);
    let start = out.len();
    out.extend_from_slice(payload);
    let masked = out[start..].iter_mut();
    let keys = key.unwrap_or_default().into_iter().cycle();
    masked.zip(keys).for_each(|(byte, key)| *byte ^= key);
}

/// Appends the header of a frame.
pub fn header(out: &mut Vec<u8>, first: u8, len: usize, key: Option<[u8; 4]>) {
    let masked = if key.is_some() { MASK } else { 0 };
    out.push(first);
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

/// Returns the length of the header of a frame.
pub fn header_len(len: usize, masked: bool) -> usize {
    let base = match len {
        0..126 => 2,
        126..0x1_0000 => 4,
        _ => 10,
    };
    base + if masked { 4 } else { 0 }
}

/// The messages and pings of a server.
#[derive(Debug)]
pub enum Event<'a> {
    /// A whole message: its opcode, whether it is compressed, and its payload.
    Message(u8, bool, &'a [u8]),
    /// A ping with its payload.
    Ping(&'a [u8]),
}

/// Reads any legal framing of a server's messages.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes of a frame that has not arrived whole.
    pending: Vec<u8>,
    /// The first byte of a fragmented message, and its payload so far.
    fragments: Option<(u8, Vec<u8>)>,
}

impl Reader {
    /// Takes received bytes and calls `each` for the messages and pings that they complete.
    pub fn read(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Event<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut pending = std::mem::take(&mut self.pending);
        let mut rest = if pending.is_empty() {
            bytes
        } else {
            pending.extend_from_slice(bytes);
            &pending
        };
        while let Some((start, end)) = bounds(rest)? {
            let Some(payload) = rest.get(start..end) else {
                break;
            };
            self.frame(rest[0], payload, &mut each)?;
            rest = &rest[end..];
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    fn frame(
        &mut self,
        first: u8,
        payload: &[u8],
        each: &mut impl FnMut(Event<'_>) -> Result<(), String>,
    ) -> Result<(), String> {
        let is_last = first & FIN != 0;
        match (first & 15, self.fragments.take()) {
            (8, _) => Err("the server sent Close".into()),
            (9, fragments) => {
                self.fragments = fragments;
                each(Event::Ping(payload))
            }
            (10, fragments) => {
                self.fragments = fragments;
                Ok(())
            }
            (opcode @ (1 | 2), None) if is_last => {
                each(Event::Message(opcode, first & RSV1 != 0, payload))
            }
            (1 | 2, None) => {
                self.fragments = Some((first, payload.to_vec()));
                Ok(())
            }
            (0, Some((first, mut message))) => {
                message.extend_from_slice(payload);
                if is_last {
                    return each(Event::Message(first & 15, first & RSV1 != 0, &message));
                }
                self.fragments = Some((first, message));
                Ok(())
            }
            (opcode, _) => Err(format!("an echo with opcode {opcode}")),
        }
    }
}

/// Returns the start and the end of the payload of the first frame, once its header has arrived.
fn bounds(bytes: &[u8]) -> Result<Option<(usize, usize)>, String> {
    let [first, second, ..] = *bytes else {
        return Ok(None);
    };
    if second & MASK != 0 || first & 0x30 != 0 {
        return Err("the server masked a frame or set a reserved bit".into());
    }
    let start = match second {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    let Some(length) = bytes.get(2..start) else {
        return Ok(None);
    };
    let length = match second {
        126 | 127 => length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        length => length.into(),
    };
    Ok(Some((start, start.saturating_add(length))))
}
