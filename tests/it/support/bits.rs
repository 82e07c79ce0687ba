//! DEFLATE (RFC 1951) written down bit by bit, and read by an inflater that shares nothing with the
//! crate's.

/// `(base, extra bits)` of the length codes from 257.
const LENGTHS: [(u16, u8); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// `(base, extra bits)` of the distance codes.
const DISTANCES: [(u16, u8); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];

/// Writes the payload of a message.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    bytes: Vec<u8>,
    /// How many bits of the last byte are free.
    free: u32,
}

impl Bits {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Writes a number of so many bits, the lowest first.
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

    /// A stored block.
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

    /// A block of dynamic codes in which there is nothing.
    pub(crate) fn nothing_dynamic(self) -> Self {
        // 257 and 1 lengths, written with 18 codes of which two are used: 1 is `0`, 18 is `1`.
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

    /// What was written so far.
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

/// Inflates messages, and keeps all that it has ever inflated.
#[derive(Debug, Default)]
pub(crate) struct Inflater {
    pub(crate) output: Vec<u8>,
    /// The longest distance so far.
    pub(crate) distance: usize,
}

impl Inflater {
    /// Inflates a message. What it refers to may be in those before.
    pub(crate) fn message(&mut self, payload: &[u8]) -> Vec<u8> {
        let start = self.output.len();
        let input = [payload, &[0, 0, 0xff, 0xff]].concat();
        let mut input = Input {
            bytes: &input,
            bit: 0,
        };
        while input.bit < input.bytes.len() * 8 {
            self.block(&mut input);
        }
        self.output[start..].to_vec()
    }

    /// Inflates a message that refers to none before.
    pub(crate) fn alone(&mut self, payload: &[u8]) -> Vec<u8> {
        self.output.clear();
        self.message(payload)
    }

    fn block(&mut self, input: &mut Input<'_>) {
        let last = input.take(1);
        match input.take(2) {
            0 => {
                input.bit = input.bit.next_multiple_of(8);
                let len = input.take(16);
                assert_eq!(input.take(16), len ^ 0xffff);
                for _ in 0..len {
                    self.output.push(u8::try_from(input.take(8)).unwrap());
                }
            }
            1 => {
                let lengths: Vec<u8> = (0..288)
                    .map(|symbol| match symbol {
                        0..=143 => 8,
                        144..=255 => 9,
                        256..=279 => 7,
                        _ => 8,
                    })
                    .collect();
                self.symbols(input, &Codes::new(&lengths), &Codes::new(&[5; 30]));
            }
            2 => {
                let (literals, distances) = dynamic(input);
                self.symbols(input, &literals, &distances);
            }
            _ => panic!("a block of no type"),
        }
        if last == 1 {
            input.bit = input.bit.next_multiple_of(8);
        }
    }

    fn symbols(&mut self, input: &mut Input<'_>, literals: &Codes, distances: &Codes) {
        loop {
            match literals.read(input) {
                256 => return,
                symbol @ 257.. => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let len = usize::from(base) + input.take(extra) as usize;
                    let (base, extra) = DISTANCES[distances.read(input)];
                    let distance = usize::from(base) + input.take(extra) as usize;
                    self.distance = self.distance.max(distance);
                    let from = self
                        .output
                        .len()
                        .checked_sub(distance)
                        .expect("too far back");
                    for place in from..from + len {
                        self.output.push(self.output[place]);
                    }
                }
                literal => self.output.push(u8::try_from(literal).unwrap()),
            }
        }
    }
}

fn dynamic(input: &mut Input<'_>) -> (Codes, Codes) {
    const ORDER: [usize; 19] = [
        16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
    ];
    let literals = 257 + input.take(5) as usize;
    let all = literals + 1 + input.take(5) as usize;
    let mut lengths = [0; 19];
    for place in &ORDER[..4 + input.take(4) as usize] {
        lengths[*place] = u8::try_from(input.take(3)).unwrap();
    }
    let codes = Codes::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < all {
        let (length, times) = match codes.read(input) {
            16 => (*lengths.last().unwrap(), 3 + input.take(2)),
            17 => (0, 3 + input.take(3)),
            18 => (0, 11 + input.take(7)),
            length => (u8::try_from(length).unwrap(), 1),
        };
        lengths.extend(std::iter::repeat_n(length, times as usize));
    }
    (
        Codes::new(&lengths[..literals]),
        Codes::new(&lengths[literals..]),
    )
}

struct Input<'a> {
    bytes: &'a [u8],
    bit: usize,
}

impl Input<'_> {
    fn take(&mut self, bits: u8) -> u32 {
        (0..bits).fold(0, |number, place| {
            let bit = self.bytes[self.bit / 8] >> (self.bit % 8) & 1;
            self.bit += 1;
            number | u32::from(bit) << place
        })
    }
}

/// Canonical Huffman codes: how many there are of each length, and their symbols in order.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[u8]) -> Self {
        let mut counts = [0; 16];
        let mut symbols: Vec<usize> = (0..lengths.len()).filter(|i| lengths[*i] > 0).collect();
        symbols.sort_by_key(|symbol| lengths[*symbol]);
        for symbol in &symbols {
            counts[usize::from(lengths[*symbol])] += 1;
        }
        Self { counts, symbols }
    }

    fn read(&self, input: &mut Input<'_>) -> usize {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code = code << 1 | input.take(1) as usize;
            if code < first + count {
                return self.symbols[index + code - first];
            }
            index += count;
            first = (first + count) << 1;
        }
        panic!("no such code")
    }
}
