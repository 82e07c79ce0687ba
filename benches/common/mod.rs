//! The parts that the benches share: sizes, contents, and pools of distinct messages.

use std::time::Duration;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use wsimd::Message;

/// The sizes of messages, in bytes, and their names.
const SIZES: [(&str, usize); 5] = [
    ("16 B", 16),
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("1 MiB", 1 << 20),
];

/// The most bytes of a pool, and the bounds of the number of its messages.
///
/// A small pool gives wrong figures. A branch predictor learns 256 KiB of JSON, which makes its validation four
/// times as fast as that of 4 MiB.
const POOL_SIZE: usize = 4 << 20;
const MESSAGES: (usize, usize) = (4, 16 << 10);

/// The kind of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// Any bytes.
    Binary,
    /// Printable ASCII.
    Ascii,
    /// Text like JSON, with one character in a hundred beyond ASCII.
    Json,
    /// Characters of two, three and four bytes, none of ASCII.
    Multibyte,
}

/// Distinct messages, each with a masking key.
pub(crate) type Pool = Vec<(Message, [u8; 4])>;

/// Runs benches. Each takes less time than criterion's default, because there are many.
pub(crate) fn run(benches: &[fn(&mut Criterion)]) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    for bench in benches {
        bench(&mut criterion);
    }
    criterion.final_summary();
}

/// Runs `bench` with a group, the name of the size, and a pool, for each wanted content and size.
///
/// The throughput is set for an iteration that goes through the whole pool once.
pub(crate) fn sweep(
    criterion: &mut Criterion,
    name: &str,
    wanted: fn(Content) -> bool,
    mut bench: impl FnMut(&mut BenchmarkGroup<'_, WallTime>, &str, &Pool),
) {
    let contents = [
        Content::Binary,
        Content::Ascii,
        Content::Json,
        Content::Multibyte,
    ];
    for content in contents.into_iter().filter(|content| wanted(*content)) {
        let content_name = format!("{content:?}").to_lowercase();
        let mut group = criterion.benchmark_group(format!("{name}/{content_name}"));
        for (size_name, size) in SIZES {
            let pool = pool(content, size);
            group.throughput(Throughput::Bytes((size * pool.len()) as u64));
            bench(&mut group, size_name, &pool);
        }
        group.finish();
    }
}

fn pool(content: Content, size: usize) -> Pool {
    let mut random = Random(size as u64);
    let messages = (POOL_SIZE / size).clamp(MESSAGES.0, MESSAGES.1);
    (0..messages)
        .map(|_| (message(content, size, &mut random), random.next()))
        .collect()
}

fn message(content: Content, size: usize, random: &mut Random) -> Message {
    if content == Content::Binary {
        let bytes: Vec<u8> = (0..size).map(|_| random.next()[0]).collect();
        return bytes.into();
    }
    let template = r#"{"id":10482,"name":"mira","score":17.25,"tags":["a","b"],"ok":true},"#;
    let mut text = String::with_capacity(size);
    for pattern in template.chars().cycle() {
        let next = match content {
            Content::Json if random.pick(100) == 0 => random.char_of("éüß–日😀"),
            Content::Json if pattern.is_ascii_digit() => random.char_of("0123456789"),
            Content::Json => pattern,
            Content::Multibyte => random.char_of("éßñλщж日本語界한국😀🦀"),
            _ => char::from(b' ' + random.next()[0] % 95),
        };
        if text.len() + next.len_utf8() > size {
            break;
        }
        text.push(next);
    }
    text.extend(std::iter::repeat_n('.', size - text.len()));
    text.into()
}

/// SplitMix64, seeded so that every run has the same pools.
struct Random(u64);

impl Random {
    fn next(&mut self) -> [u8; 4] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let [a, b, c, d, ..] = (mixed ^ (mixed >> 31)).to_le_bytes();
        [a, b, c, d]
    }

    fn pick(&mut self, among: usize) -> usize {
        u32::from_le_bytes(self.next()) as usize % among
    }

    fn char_of(&mut self, alphabet: &str) -> char {
        let chars = alphabet.chars();
        let at = self.pick(chars.clone().count());
        chars.clone().nth(at).unwrap_or_default()
    }
}
