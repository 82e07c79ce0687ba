//! What comes from a server: frames, inflated and compared.

use contestant::deflate::Settings;

use super::zlib::Inflater;
use crate::Outcome;

const CONTINUATION: u8 = 0;
const PING: u8 = 9;
const PONG: u8 = 10;

/// What a frame was.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// The end of a message: it was as expected.
    Message,
    /// A ping, to be answered.
    Ping(Vec<u8>),
    /// Neither.
    Part,
}

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Replies {
    inflater: Inflater,
    next: usize,
    assembled: Vec<u8>,
    compressed: bool,
    /// Bytes of frames so far, and of their payloads, control frames not counted.
    pub bytes: u64,
    pub payload: u64,
}

impl Replies {
    pub fn new(settings: &Settings) -> Self {
        Self {
            inflater: Inflater::new(settings),
            next: 0,
            assembled: Vec::new(),
            compressed: false,
            bytes: 0,
            payload: 0,
        }
    }

    /// Takes the frame that `bytes` begin with, if it is whole, and returns its length. The messages
    /// are to come in their order, again and again.
    pub fn take(&mut self, bytes: &[u8], messages: &[Vec<u8>]) -> Outcome<Option<(usize, Came)>> {
        let Some((header, length)) = header(bytes)? else {
            return Ok(None);
        };
        let Some(payload) = bytes.get(header..header + length) else {
            return Ok(None);
        };
        let end = header + length;
        let (fin, rsv1, opcode) = (bytes[0] & 0x80 != 0, bytes[0] & 0x40 != 0, bytes[0] & 15);
        match opcode {
            PING => return Ok(Some((end, Came::Ping(payload.to_vec())))),
            PONG => return Ok(Some((end, Came::Part))),
            CONTINUATION => {}
            1 | 2 => self.compressed = rsv1,
            _ => return Err(format!("a frame of opcode {opcode}")),
        }
        self.bytes += end as u64;
        self.payload += length as u64;
        if !fin || opcode == CONTINUATION {
            self.assembled.extend_from_slice(payload);
        }
        if !fin {
            return Ok(Some((end, Came::Part)));
        }
        let whole = match opcode {
            CONTINUATION => std::mem::take(&mut self.assembled),
            _ => Vec::new(),
        };
        let whole = if opcode == CONTINUATION {
            &whole
        } else {
            payload
        };
        let expected = &messages[self.next];
        self.next = (self.next + 1) % messages.len();
        let inflated = if self.compressed {
            self.inflater.message(whole, expected.len())?
        } else {
            whole
        };
        if inflated != expected {
            return Err("the echo differs from what was sent".into());
        }
        Ok(Some((end, Came::Message)))
    }
}

/// The lengths of a frame's header and payload, once the header is whole.
fn header(bytes: &[u8]) -> Outcome<Option<(usize, usize)>> {
    let Some(&second) = bytes.get(1) else {
        return Ok(None);
    };
    if second & 0x80 != 0 {
        return Err("the server masks".into());
    }
    Ok(match second {
        126 => bytes
            .get(2..4)
            .map(|it| (4, usize::from(u16::from_be_bytes([it[0], it[1]])))),
        127 => {
            let length = bytes.get(2..10).and_then(|it| it.try_into().ok());
            length.map(|it| (10, u64::from_be_bytes(it) as usize))
        }
        length => Some((2, usize::from(length))),
    })
}

/// Checks what was written in a pass over all messages. Returns the bytes of the payloads.
pub fn check(mut wire: &[u8], messages: &[Vec<u8>], settings: &Settings) -> Outcome<u64> {
    let mut replies = Replies::new(settings);
    let mut count = 0;
    while let Some((end, came)) = replies.take(wire, messages)? {
        count += usize::from(came == Came::Message);
        wire = &wire[end..];
    }
    if count != messages.len() || !wire.is_empty() {
        return Err(format!(
            "{count} of {} messages were written",
            messages.len()
        ));
    }
    Ok(replies.payload)
}

#[cfg(test)]
mod tests {
    use contestant::deflate::{TAIL, put_frame};

    use super::*;
    use crate::deflate::{corpus::Corpus, zlib};

    #[test]
    fn what_is_written_is_checked() {
        let messages = Corpus::Chat.messages();
        for settings in ["6:15:8:takeover:0", "1:10:8:alone:0"] {
            let settings: Settings = settings.parse().unwrap();
            let mut wire = Vec::new();
            for message in zlib::compress(&messages, &settings).unwrap() {
                let payload = &message[..message.len() - TAIL.len()];
                put_frame(&mut wire, true, payload, None);
            }
            let bytes = check(&wire, &messages, &settings).unwrap();
            assert!(bytes > 20 * messages.len() as u64);
            let middle = wire.len() / 2;
            wire[middle] ^= 0x55;
            assert!(check(&wire, &messages, &settings).is_err());
        }
    }
}
