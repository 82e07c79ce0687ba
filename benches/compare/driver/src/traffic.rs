//! Prepared traffic: masked frames to send, and the echo that is expected, byte by byte.

use contestant::{Content, corpus};

use crate::Outcome;

/// A pool of messages of one size, all distinct: as frames of a client, back to back, and as what
/// comes back, back to back. All frames of a side are equally long.
#[derive(Debug)]
pub struct Traffic {
    pub sent: Vec<u8>,
    pub sent_frame: usize,
    pub echoed: Vec<u8>,
    pub echoed_frame: usize,
    pub header: usize,
    pub opcode: u8,
    /// The echo is the same bytes as sent.
    pub raw: bool,
}

impl Traffic {
    pub fn new(content: Content, size: usize, raw: bool) -> Self {
        Self::with_pool(content, size, raw, corpus::POOL_BYTES)
    }

    /// Makes as many messages as fit into `pool` bytes of payload, but at least four.
    pub fn with_pool(content: Content, size: usize, raw: bool, pool: usize) -> Self {
        let opcode = if content.is_text() { 1 } else { 2 };
        let messages = corpus::messages(content, size, pool);
        let count = messages.len();
        let mut random = corpus::Random::new(size as u64);
        let (mut sent, mut echoed) = (Vec::new(), Vec::new());
        let mut header = 0;
        for payload in messages {
            let key = (random.next() as u32).to_ne_bytes();
            push_frame(&mut sent, opcode, &payload, Some(key));
            if !raw {
                header = push_frame(&mut echoed, opcode, &payload, None);
            }
        }
        if raw {
            echoed.clone_from(&sent);
        }
        Self {
            sent_frame: sent.len() / count,
            echoed_frame: echoed.len() / count,
            sent,
            echoed,
            header,
            opcode,
            raw,
        }
    }

    /// The payload of the `index`th message of a connection. Not for raw traffic.
    pub fn payload(&self, index: u64) -> &[u8] {
        let count = self.echoed.len() / self.echoed_frame;
        let start = (index % count as u64) as usize * self.echoed_frame;
        &self.echoed[start + self.header..start + self.echoed_frame]
    }
}

/// Appends a frame; returns the length of its header.
fn push_frame(wire: &mut Vec<u8>, opcode: u8, payload: &[u8], key: Option<[u8; 4]>) -> usize {
    let start = wire.len();
    let mask_bit = if key.is_some() { 0x80 } else { 0 };
    wire.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => wire.push(mask_bit | length as u8),
        length @ 126..65_536 => {
            wire.push(mask_bit | 126);
            wire.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            wire.push(mask_bit | 127);
            wire.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    wire.extend_from_slice(key.as_ref().map_or(&[], |key| &key[..]));
    let header = wire.len() - start;
    let key = key.unwrap_or_default();
    wire.extend(payload.iter().zip(key.iter().cycle()).map(|(a, b)| a ^ b));
    header
}

/// Follows the echoes of one connection and compares every byte.
#[derive(Debug, Default)]
pub struct Verifier {
    /// Bytes of the expected stream that have come.
    matched: u64,
    /// Set when the server frames its echoes otherwise (fragments, long lengths, pings).
    parser: Option<Parser>,
}

impl Verifier {
    /// Takes bytes that were received; returns how many messages they complete.
    pub fn take(&mut self, bytes: &[u8], traffic: &Traffic) -> Outcome<u64> {
        if let Some(parser) = &mut self.parser {
            return parser.take(bytes, traffic);
        }
        let frame = traffic.echoed_frame as u64;
        let before = self.matched / frame;
        if matches(bytes, traffic, self.matched) {
            self.matched += bytes.len() as u64;
            return Ok(self.matched / frame - before);
        }
        if traffic.raw {
            return Err("the echo differs from what was sent".into());
        }
        let begun = (self.matched % frame) as usize;
        let start = (before * frame % traffic.echoed.len() as u64) as usize;
        let parser = self.parser.insert(Parser::at(before));
        parser.take(&traffic.echoed[start..start + begun], traffic)?;
        parser.take(bytes, traffic)
    }
}

/// Whether `bytes` are those of the expected stream (the pool, over and over) from `place` on.
fn matches(mut bytes: &[u8], traffic: &Traffic, place: u64) -> bool {
    let mut start = (place % traffic.echoed.len() as u64) as usize;
    while !bytes.is_empty() {
        let length = bytes.len().min(traffic.echoed.len() - start);
        if bytes[..length] != traffic.echoed[start..start + length] {
            return false;
        }
        bytes = &bytes[length..];
        start = 0;
    }
    true
}

/// Reads any legal framing of the expected messages.
#[derive(Debug)]
struct Parser {
    message: u64,
    /// Bytes of the message that have come.
    offset: usize,
    fragmented: bool,
    head: Vec<u8>,
    /// The frame whose payload is being read, and what is left of it.
    frame: Option<(u8, u64)>,
}

impl Parser {
    fn at(message: u64) -> Self {
        Self {
            message,
            offset: 0,
            fragmented: false,
            head: Vec::new(),
            frame: None,
        }
    }

    fn take(&mut self, mut bytes: &[u8], traffic: &Traffic) -> Outcome<u64> {
        let before = self.message;
        loop {
            let Some((first, left)) = self.frame else {
                let Some((byte, rest)) = bytes.split_first() else {
                    return Ok(self.message - before);
                };
                self.head.push(*byte);
                bytes = rest;
                self.frame = self.header(traffic)?;
                self.finish(traffic)?;
                continue;
            };
            if bytes.is_empty() {
                return Ok(self.message - before);
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
            let (part, rest) = bytes.split_at(length);
            bytes = rest;
            if first & 0x08 == 0 {
                self.compare(part, traffic)?;
            }
            self.frame = Some((first, left - length as u64));
            self.finish(traffic)?;
        }
    }

    /// The first byte and the length of a frame whose head is complete.
    fn header(&mut self, traffic: &Traffic) -> Outcome<Option<(u8, u64)>> {
        let [first, second, rest @ ..] = &self.head[..] else {
            return Ok(None);
        };
        if second & 0x80 != 0 {
            return Err("the server masked a frame".into());
        }
        let length = match (second & 0x7f, rest) {
            (126, [a, b]) => u64::from(u16::from_be_bytes([*a, *b])),
            (127, rest) if rest.len() == 8 => rest
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
            (126 | 127, _) => return Ok(None),
            (length, _) => u64::from(length),
        };
        let first = *first;
        self.head.clear();
        let expected = if self.fragmented { 0 } else { traffic.opcode };
        match first & 0x0f {
            9 | 10 => {}
            8 => return Err("the server sent Close".into()),
            opcode if opcode == expected => {}
            opcode => return Err(format!("an echo with opcode {opcode}")),
        }
        if first & 0x70 != 0 {
            return Err("the server set a reserved bit".into());
        }
        Ok(Some((first, length)))
    }

    fn compare(&mut self, part: &[u8], traffic: &Traffic) -> Outcome<()> {
        let payload = traffic.payload(self.message);
        let end = self.offset + part.len();
        if payload.get(self.offset..end) != Some(part) {
            return Err(format!(
                "echo {} differs near byte {}",
                self.message, self.offset
            ));
        }
        self.offset = end;
        Ok(())
    }

    /// Ends the frame if nothing of it is left, and the message if that was its last.
    fn finish(&mut self, traffic: &Traffic) -> Outcome<()> {
        let Some((first, 0)) = self.frame else {
            return Ok(());
        };
        self.frame = None;
        if first & 0x08 != 0 {
            return Ok(());
        }
        self.fragmented = first & 0x80 == 0;
        if !self.fragmented {
            let size = traffic.payload(self.message).len();
            if self.offset != size {
                return Err(format!("an echo of {} bytes, not {size}", self.offset));
            }
            self.message += 1;
            self.offset = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunked(wire: &[u8], traffic: &Traffic, chunk: usize) -> Outcome<u64> {
        let mut verifier = Verifier::default();
        let taken = wire.chunks(chunk).map(|part| verifier.take(part, traffic));
        taken.sum()
    }

    #[test]
    fn sizes_are_exact_and_messages_distinct() {
        for content in [Content::Ascii, Content::Multi, Content::Binary] {
            for size in [0, 1, 20, 125, 126, 65_535, 65_536] {
                let traffic = Traffic::with_pool(content, size, false, 0);
                assert_eq!(traffic.payload(0).len(), size);
                assert_eq!(traffic.sent.len() % traffic.sent_frame, 0);
                assert_eq!(traffic.sent_frame, traffic.echoed_frame + 4);
                assert!(size < 20 || traffic.payload(0) != traffic.payload(1));
                if content.is_text() {
                    assert!(std::str::from_utf8(traffic.payload(3)).is_ok());
                }
            }
        }
    }

    #[test]
    fn the_expected_stream_passes_however_it_is_cut() {
        let traffic = Traffic::with_pool(Content::Multi, 300, false, 1200);
        let twice = traffic.echoed.repeat(2);
        for chunk in [1, 7, 304, 1000, 5000] {
            assert_eq!(chunked(&twice, &traffic, chunk), Ok(8));
        }
    }

    #[test]
    fn other_framings_pass() {
        let traffic = Traffic::with_pool(Content::Binary, 20, false, 0);
        let mut wire = traffic.echoed[..22].to_vec();
        wire.extend_from_slice(&[0x89, 1, b'p']);
        for (index, first) in [(1, 0x02), (2, 0x02)] {
            let payload = traffic.payload(index);
            wire.extend_from_slice(&[first, 8]);
            wire.extend_from_slice(&payload[..8]);
            wire.extend_from_slice(&[0x8a, 0]);
            wire.extend_from_slice(&[0x00, 0, 0x80, 126, 0, 12]);
            wire.extend_from_slice(&payload[8..]);
        }
        wire.extend_from_slice(&traffic.echoed[66..]);
        for chunk in [1, 3, 22, 1000] {
            assert_eq!(chunked(&wire, &traffic, chunk), Ok(4));
        }
    }

    #[test]
    fn what_differs_is_refused() {
        let traffic = Traffic::with_pool(Content::Binary, 200, false, 0);
        for place in [0, 1, 50, 203, 500] {
            let mut wire = traffic.echoed.clone();
            wire[place] ^= 0x10;
            for chunk in [1, 64, 4096] {
                let taken = chunked(&wire, &traffic, chunk);
                assert!(!matches!(taken, Ok(4)), "{place} {chunk}: {taken:?}");
            }
        }
        let close = [0x88, 0];
        assert!(chunked(&close, &traffic, 2).is_err());
    }

    #[test]
    fn raw_traffic_comes_back_as_sent() {
        let traffic = Traffic::with_pool(Content::Binary, 200, true, 0);
        assert_eq!(chunked(&traffic.sent, &traffic, 100), Ok(4));
        let mut wire = traffic.sent.clone();
        wire[300] ^= 1;
        assert!(chunked(&wire, &traffic, 100).is_err());
    }
}
