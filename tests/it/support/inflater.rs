//! A second inflater, written from RFC 1951 and RFC 7692 alone: slow, and unrelated to zlib.
//!
//! The tests of the crate and the fuzz targets share it.

/// Inflates the messages of one direction of a connection.
#[derive(Debug)]
pub(crate) struct Inflater {
    /// The largest distance that messages may refer back, in bytes.
    window: usize,
    takeover: bool,
    /// All inflated bytes. Without context takeover, those of the last message.
    pub(crate) output: Vec<u8>,
    /// The largest distance so far, in bytes.
    pub(crate) distance: usize,
    /// The start of the message in `output`.
    message: usize,
    /// The first byte of `output` that may be referred to.
    stream: usize,
    limit: usize,
    /// The number of streams that ended in the message.
    ends: usize,
    /// The budget that these ends cost, in bytes.
    end_cost: usize,
}

/// The reason why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The payload is not DEFLATE.
    Damaged,
    /// The payload, followed by the tail that its sender omitted, does not end at the end of a block.
    Incomplete,
    /// The payload refers to bytes that were sent, but are outside the negotiated window.
    BeyondWindow,
    /// The message is longer than the limit.
    TooLong,
}

impl Default for Inflater {
    /// Creates an inflater with context takeover and the largest window.
    fn default() -> Self {
        Self::new(15, true)
    }
}

impl Inflater {
    pub(crate) const fn new(window_bits: u8, takeover: bool) -> Self {
        Self {
            window: 1 << window_bits,
            takeover,
            output: Vec::new(),
            distance: 0,
            message: 0,
            stream: 0,
            limit: 0,
            ends: 0,
            end_cost: 0,
        }
    }

    /// Returns the number of streams of the last message that ended, and the budget that they cost.
    pub(crate) const fn ends(&self) -> (usize, usize) {
        (self.ends, self.end_cost)
    }

    /// Inflates a message that has no fault.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let (message, verdict) = self.judge(payload, usize::MAX);
        verdict.unwrap();
        message
    }

    /// Inflates a message of at most `limit` bytes. Returns the bytes before the fault, and the fault.
    ///
    /// An empty payload is an empty message. The last block of a stream (RFC 7692 §7.2.3.4) may end the
    /// message, and another stream may follow.
    pub(crate) fn judge(&mut self, payload: &[u8], limit: usize) -> (Vec<u8>, Result<(), Fault>) {
        if !self.takeover {
            self.output.clear();
            self.stream = 0;
        }
        self.message = self.output.len();
        self.limit = limit;
        (self.ends, self.end_cost) = (0, 0);
        let mut bits = Bits {
            bytes: payload,
            at: 0,
        };
        let mut verdict = Ok(false);
        while verdict == Ok(false) && bits.at < 8 * payload.len() {
            verdict = self.block(&mut bits);
        }
        let ended = verdict.map(drop);
        (self.output[self.message..].to_vec(), ended)
    }

    /// Inflates a block. Returns whether the message ends within it, because the sender omitted the tail.
    fn block(&mut self, bits: &mut Bits<'_>) -> Result<bool, Fault> {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.align();
                if bits.at == 8 * bits.bytes.len() {
                    self.end_stream(last);
                    return Ok(true);
                }
                self.stored(bits)?;
            }
            1 => {
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                self.compressed(bits, &Code::new(&lengths), &Code::new(&[5; 30]))?;
            }
            2 => {
                let (literals, distances) = codes(bits)?;
                self.compressed(bits, &literals, &distances)?;
            }
            _ => return Err(Fault::Damaged),
        }
        self.end_stream(last);
        if last {
            bits.align();
            if !self.takeover {
                self.stream = self.output.len();
            }
        } else if bits.at == 8 * bits.bytes.len() {
            return Err(Fault::Incomplete);
        }
        Ok(false)
    }

    /// Counts the end of a block.
    fn end_stream(&mut self, is_last: bool) {
        if is_last {
            self.ends += 1;
            self.end_cost += match self.takeover {
                true => self.output.len().min(self.window) / 64,
                false => 0,
            };
        }
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<(), Fault> {
        let [len, check] = [bits.take(16)?, bits.take(16)?];
        if len != check ^ 0xffff {
            return Err(Fault::Damaged);
        }
        for _ in 0..len {
            let byte = bits.take(8)?;
            self.push(byte.to_le_bytes()[0])?;
        }
        Ok(())
    }

    fn compressed(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Code,
        distances: &Code,
    ) -> Result<(), Fault> {
        loop {
            let symbol = literals.decode(bits)?;
            match symbol {
                0..=255 => self.push(symbol.to_le_bytes()[0])?,
                256 => return Ok(()),
                257..=285 => {
                    let (base, extra) = LENGTHS[usize::from(symbol - 257)];
                    let len = usize::from(base) + bits.take(extra)?;
                    let symbol = usize::from(distances.decode(bits)?);
                    let &(base, extra) = DISTANCES.get(symbol).ok_or(Fault::Damaged)?;
                    let distance = usize::from(base) + bits.take(extra)?;
                    self.copy(distance, len)?;
                }
                _ => return Err(Fault::Damaged),
            }
        }
    }

    fn copy(&mut self, distance: usize, len: usize) -> Result<(), Fault> {
        if distance > self.output.len() - self.stream {
            return Err(Fault::Damaged);
        }
        if distance > self.window {
            return Err(Fault::BeyondWindow);
        }
        self.distance = self.distance.max(distance);
        for _ in 0..len {
            self.push(self.output[self.output.len() - distance])?;
        }
        Ok(())
    }

    fn push(&mut self, byte: u8) -> Result<(), Fault> {
        if self.output.len() - self.message == self.limit {
            return Err(Fault::TooLong);
        }
        self.output.push(byte);
        Ok(())
    }
}

/// Reads bits, the lowest of each byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u8) -> Result<usize, Fault> {
        let mut taken = 0;
        for i in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Fault::Incomplete)?;
            taken |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Ok(taken)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// A Huffman code (RFC 1951 §3.2.2).
struct Code {
    /// The number of symbols by the length of their code, in bits.
    counts: [u16; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for bits in 1..16 {
            let with = (0u16..).zip(lengths).filter(|&(_, len)| *len == bits);
            let before = symbols.len();
            symbols.extend(with.map(|(symbol, _)| symbol));
            counts[usize::from(bits)] = u16::try_from(symbols.len() - before).unwrap_or(u16::MAX);
        }
        Self { counts, symbols }
    }

    /// Checks that the code is complete: every sequence of bits stands for exactly one sequence of
    /// symbols.
    ///
    /// A single symbol of one bit and a code without symbols are allowed, as by zlib. RFC 1951 §3.2.7
    /// says less.
    fn check(&self) -> Result<(), Fault> {
        let mut left = 1;
        for count in &self.counts[1..] {
            left = 2 * left - i32::from(*count);
            if left < 0 {
                return Err(Fault::Damaged);
            }
        }
        let is_single = self.symbols.len() == usize::from(self.counts[1]);
        if left == 0 || is_single {
            return Ok(());
        }
        Err(Fault::Damaged)
    }

    fn decode(&self, bits: &mut Bits<'_>) -> Result<u16, Fault> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            let count = usize::from(*count);
            code |= bits.take(1)?;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Fault::Damaged)
    }
}

/// Reads the codes of a block with dynamic codes (RFC 1951 §3.2.7).
fn codes(bits: &mut Bits<'_>) -> Result<(Code, Code), Fault> {
    let [literals, distances] = [257 + bits.take(5)?, 1 + bits.take(5)?];
    let described = 4 + bits.take(4)?;
    if literals > 286 || distances > 30 {
        return Err(Fault::Damaged);
    }
    let mut lengths = [0; 19];
    for &symbol in &ORDER[..described] {
        lengths[symbol] = bits.take(3)?.to_le_bytes()[0];
    }
    let code = Code::new(&lengths);
    code.check()?;
    if lengths.iter().filter(|len| **len > 0).count() == 1 {
        return Err(Fault::Damaged);
    }
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let symbol = code.decode(bits)?;
        let (value, times) = match symbol {
            16 => {
                let last = *lengths.last().ok_or(Fault::Damaged)?;
                (last, 3 + bits.take(2)?)
            }
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len.to_le_bytes()[0], 1),
        };
        lengths.extend(std::iter::repeat_n(value, times));
    }
    if lengths.len() > literals + distances || lengths[256] == 0 {
        return Err(Fault::Damaged);
    }
    let codes = (
        Code::new(&lengths[..literals]),
        Code::new(&lengths[literals..]),
    );
    codes.0.check()?;
    codes.1.check()?;
    Ok(codes)
}

/// The order in which the lengths of the code of lengths are sent.
const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

/// The shortest length of each symbol from 257, and the number of extra bits, which are added to it.
#[rustfmt::skip]
pub(crate) const LENGTHS: [(u16, u8); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1),
    (15, 1), (17, 1), (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3),
    (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// The same for the distances.
#[rustfmt::skip]
pub(crate) const DISTANCES: [(u16, u8); 30] = [
    (1, 0), (2, 0), (3, 0), (4, 0), (5, 1), (7, 1), (9, 2), (13, 2), (17, 3), (25, 3),
    (33, 4), (49, 4), (65, 5), (97, 5), (129, 6), (193, 6), (257, 7), (385, 7), (513, 8), (769, 8),
    (1025, 9), (1537, 9), (2049, 10), (3073, 10), (4097, 11), (6145, 11), (8193, 12), (12289, 12),
    (16385, 13), (24577, 13),
];
