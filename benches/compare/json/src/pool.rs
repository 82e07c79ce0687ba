//! The messages: distinct documents, the same in every run, in the masked frames of a client.

use std::fmt::Write;

use bytes::Bytes;
use contestant::{MemoryTransport, Role, random::Random, wire};

use crate::{Outcome, document::Document};

/// Bytes of all messages, unless one of the bounds of their number is reached.
const POOL: usize = 4 << 20;
const FEWEST: usize = 64;
const MOST: usize = 16_384;
/// The most bytes that the transport returns for one read.
const CHUNK: usize = 64 << 10;

/// Writes one document with so many parts.
pub type Make = fn(&mut Random, usize) -> String;

/// Messages, and the sum of all of them.
pub struct Pool {
    wire: Bytes,
    pub count: u64,
    pub sum: u64,
}

impl Pool {
    pub fn new<D: Document>(make: Make, parts: usize) -> Outcome<Self> {
        let mut random = Random::new(0x150_u64 + parts as u64);
        let count = (POOL / make(&mut random, parts).len()).clamp(FEWEST, MOST);
        let documents: Vec<Bytes> = (0..count)
            .map(|_| make(&mut random, parts).into())
            .collect();
        let mut sum = 0;
        for document in &documents {
            sum += serde_json::from_slice::<D>(document)?.sum();
        }
        let first = wire::first_byte(true, false);
        Ok(Self {
            wire: wire::frames(&documents, first, Role::Server).into(),
            count: count as u64,
            sum,
        })
    }

    /// Creates a stream that repeats the messages.
    pub fn io(&self) -> MemoryTransport {
        MemoryTransport::new(self.wire.clone(), CHUNK, false)
    }
}

/// Writes a trade of an exchange: about 125 bytes.
pub fn trade(random: &mut Random, _: usize) -> String {
    let (symbol, price) = symbol(random);
    let (id, time) = (
        881_000_000 + random.below(1_000_000),
        1_731_000_000_000 + random.next() % 86_400_000,
    );
    let (size, side) = (
        random.below(10_000),
        ["buy", "sell"][random.below(2) as usize],
    );
    let maker = random.below(2) == 0;
    format!(
        r#"{{"type":"trade","symbol":"{symbol}","id":{id},"price":{}.{:02},"size":0.{size:04},"side":"{side}","time":{time},"maker":{maker}}}"#,
        price / 100,
        price % 100
    )
}

/// Writes an order book with so many levels on each side.
pub fn book(random: &mut Random, levels: usize) -> String {
    let (symbol, price) = symbol(random);
    let (sequence, time) = (
        random.below(1 << 30),
        1_731_000_000_000 + random.next() % 86_400_000,
    );
    let mut text =
        format!(r#"{{"type":"book","symbol":"{symbol}","sequence":{sequence},"time":{time}"#);
    for (side, sign) in [("bids", -1), ("asks", 1)] {
        let _ = write!(text, r#","{side}":["#);
        let mut at = i64::from(price);
        for level in 0..levels {
            at = (at + sign * i64::from(1 + random.below(6))).max(1);
            let comma = if level == 0 { "" } else { "," };
            let (whole, part) = (random.below(12), random.below(10_000));
            let _ = write!(
                text,
                "{comma}[{}.{:02},{whole}.{part:04}]",
                at / 100,
                at % 100
            );
        }
        text.push(']');
    }
    text + "}"
}

fn symbol(random: &mut Random) -> (&'static str, u32) {
    const SYMBOLS: [(&str, u32); 6] = [
        ("BTC-USD", 6_412_050),
        ("ETH-USD", 318_425),
        ("SOL-USD", 14_260),
        ("XRP-USD", 5_210),
        ("BTC-EUR", 5_903_310),
        ("AVAX-EUR", 2_764),
    ];
    let (symbol, price) = SYMBOLS[random.below(6) as usize];
    (symbol, price + random.below(price / 50))
}

/// Writes so many posts, of about 290 bytes each. One string in a few has escapes or characters beyond ASCII.
pub fn posts(random: &mut Random, count: usize) -> String {
    let mut text = String::from(r#"{"posts":["#);
    for number in 0..count {
        let comma = if number == 0 { "" } else { "," };
        let (id, likes) = (random.next() >> 16, random.below(5000));
        let author =
            ["amelie", "carlos", "dana", "jürgen", "søren", "wen"][random.below(6) as usize];
        let _ = write!(text, r#"{comma}{{"id":{id},"author":"{author}","text":""#);
        for _ in 0..21 + random.below(26) {
            text.push_str(WORDS[random.below(WORDS.len() as u32) as usize]);
            text.push(' ');
        }
        let (one, two) = (random.below(90), random.below(90));
        let _ = write!(
            text,
            r#"","likes":{likes},"tags":["tag{one}","news{two}"]}}"#
        );
    }
    text + "]}"
}

/// The words of posts, as JSON writes them.
const WORDS: [&str; 32] = [
    "the",
    "a",
    "message",
    "of",
    "to",
    "and",
    "market",
    "opened",
    "higher",
    "today",
    "because",
    "rates",
    "fell",
    "again",
    "this",
    "week",
    "we",
    "expect",
    "more",
    "news",
    "from",
    "people",
    "with",
    "long",
    "memories",
    "who",
    "remember",
    "café",
    "日本",
    "🙂",
    r#"\"quoted\""#,
    r"line\nbreak",
];
