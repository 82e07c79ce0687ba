//! Compares the messages of a server with the messages that were sent, byte by byte.

use bytes::Bytes;

use crate::{
    deflate::{Inflater, Settings},
    wire::{Event, Reader},
};

/// Follows the messages of one connection.
#[derive(Debug)]
pub struct Checker {
    reader: Reader,
    inflater: Option<Inflater>,
    /// The number of messages so far.
    pub done: u64,
    /// Bytes of the messages' payloads on the wire.
    pub payload: u64,
    /// Payloads of pings that are not answered.
    pub pings: Vec<Vec<u8>>,
}

impl Checker {
    /// Creates a checker that expects the message of index `done` next.
    pub fn new(deflate: Option<&Settings>, done: u64) -> Self {
        Self {
            reader: Reader::default(),
            inflater: deflate.map(Inflater::new),
            done,
            payload: 0,
            pings: Vec::new(),
        }
    }

    /// Takes received bytes. The messages have to arrive in their order, again and again.
    pub fn take(&mut self, bytes: &[u8], messages: &[Bytes], text: bool) -> Result<(), String> {
        let (inflater, pings) = (&mut self.inflater, &mut self.pings);
        let (done, wire) = (&mut self.done, &mut self.payload);
        self.reader.read(bytes, |event| {
            let (opcode, compressed, payload) = match event {
                Event::Ping(payload) => {
                    pings.push(payload.to_vec());
                    return Ok(());
                }
                Event::Message(opcode, compressed, payload) => (opcode, compressed, payload),
            };
            let expected = &messages[(*done % messages.len() as u64) as usize];
            let inflated = match (compressed, inflater.as_mut()) {
                (false, _) => payload,
                (true, Some(inflater)) => inflater.message(payload, expected.len())?,
                (true, None) => return Err("a compressed echo".into()),
            };
            if inflated != expected || (opcode == 1) != text {
                return Err(format!("echo {done} differs from the message sent"));
            }
            *done += 1;
            *wire += payload.len() as u64;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Role, corpus, deflate, wire};

    fn check(wire: &[u8], chunk: usize, messages: &[Bytes], deflate: Option<&Settings>) -> bool {
        let mut checker = Checker::new(deflate, 0);
        let mut parts = wire.chunks(chunk);
        let taken = parts.try_for_each(|part| checker.take(part, messages, true));
        taken.is_ok() && checker.done == messages.len() as u64
    }

    #[test]
    fn any_framing_passes() {
        let messages = corpus::messages(Content::Multi, 300, 0);
        let mut wire = vec![0x89, 1, b'p'];
        for message in &messages {
            wire::frame(&mut wire, 0x01, &message[..8], None);
            wire::frame(&mut wire, 0x8a, b"", None);
            wire::frame(&mut wire, 0x00, b"", None);
            wire::frame(&mut wire, 0x80, &message[8..], None);
        }
        for chunk in [1, 3, 304, 5000] {
            assert!(check(&wire, chunk, &messages, None));
        }
    }

    #[test]
    fn a_wrong_byte_is_an_error() {
        let settings: Settings = "1:10:alone:0".parse().unwrap();
        let messages = corpus::messages(Content::Chat, 0, 0);
        let compressed = deflate::compress(&messages, &settings).unwrap();
        for (payloads, deflate) in [(&messages, None), (&compressed, Some(&settings))] {
            let first = wire::first_byte(true, deflate.is_some());
            let mut wire = wire::frames(payloads, first, Role::Client);
            assert!(check(&wire, 999, &messages, deflate));
            let middle = wire.len() / 2;
            wire[middle] ^= 0x55;
            assert!(!check(&wire, 999, &messages, deflate));
        }
    }
}
