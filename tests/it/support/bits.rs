//! Writes DEFLATE (RFC 1951) bit by bit.

use super::inflater::{DISTANCES, LENGTHS};

/// Writes the payload of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    /// The number of free bits of the last byte.
    free: u32,
}

impl Bits {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a number of `bits` bits, the lowest first.
    pub(crate) fn put(mut self, number: u32, bits: u32) -> Self {
        for bit in 0..bits {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let last = self.bytes.last_mut().unwrap();
            *last |= u8::from(number >> bit & 1 == 1) << (8 - self.free);
            self.free -= 1;
        }
        self
    }

    /// Writes a Huffman code, the highest bit first.
    fn code(self, code: u32, bits: u32) -> Self {
        self.put(code.reverse_bits() >> (32 - bits), bits)
    }

    fn align(mut self) -> Self {
        self.free = 0;
        self
    }

    /// Writes a stored block.
    #[expect(clippy::cast_possible_truncation, reason = "blocks of tests are short")]
    pub(crate) fn stored(self, last: bool, bytes: &[u8]) -> Self {
        let mut bits = self.put(last.into(), 3).align();
        let len = bytes.len() as u16;
        bits.bytes.extend(len.to_le_bytes());
        bits.bytes.extend((!len).to_le_bytes());
        bits.bytes.extend(bytes);
        bits
    }

    /// Begins a block of fixed codes.
    pub(crate) fn fixed(self, last: bool) -> Self {
        self.put(u32::from(last) | 1 << 1, 3)
    }

    pub(crate) fn literals(self, bytes: &[u8]) -> Self {
        bytes
            .iter()
            .fold(self, |bits, byte| bits.symbol((*byte).into()))
    }

    /// Refers `distance` bytes back.
    pub(crate) fn copy(self, len: u16, distance: u16) -> Self {
        let (code, base, extra) = find(&LENGTHS, len);
        let bits = self.symbol(257 + code).put((len - base).into(), extra);
        let (code, base, extra) = find(&DISTANCES, distance);
        bits.code(code, 5).put((distance - base).into(), extra)
    }

    /// Ends a block of fixed codes.
    pub(crate) fn end(self) -> Self {
        self.symbol(256)
    }

    /// Writes an empty block with dynamic codes.
    pub(crate) fn nothing_dynamic(self) -> Self {
        // 257 and 1 lengths, written with 18 codes. Two of them are used: 1 is `0`, 18 is `1`.
        let mut bits = self.put(0b100, 3).put(0, 5).put(0, 5).put(14, 4);
        for place in 0..18 {
            bits = bits.put((place == 2 || place == 17).into(), 3);
        }
        // 138 and 118 zeros, the lengths of code 256 and of one distance, and code 256.
        bits = bits.put(1, 1).put(127, 7).put(1, 1).put(107, 7);
        bits.put(0, 3)
    }

    fn symbol(self, symbol: u32) -> Self {
        match symbol {
            0..=143 => self.code(0b0011_0000 + symbol, 8),
            144..=255 => self.code(0b1_1001_0000 + symbol - 144, 9),
            256..=279 => self.code(symbol - 256, 7),
            _ => self.code(0b1100_0000 + symbol - 280, 8),
        }
    }

    /// Ends the message: an empty stored block, without the tail.
    pub(crate) fn message(self) -> Vec<u8> {
        self.put(0, 3).bytes
    }

    /// Returns the bytes so far.
    pub(crate) fn bytes(self) -> Vec<u8> {
        self.bytes
    }
}

fn find(table: &[(u16, u8)], value: u16) -> (u32, u16, u32) {
    let numbered = (0..).zip(table);
    let (code, (base, extra)) = numbered
        .take_while(|(_, (base, _))| *base <= value)
        .last()
        .unwrap();
    (code, *base, (*extra).into())
}
