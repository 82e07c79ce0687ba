//! The messages: deterministic, distinct, of an exact length in bytes.

use bytes::Bytes;

use crate::{Content, random::Random, stories};

/// The payload of a pool in bytes, unless four messages take more.
pub const POOL_BYTES: usize = 8 << 20;

const MIN_MESSAGES: usize = 4;
const MAX_MESSAGES: usize = 4096;

/// Creates the pool of messages of a size: as many as fit into `pool` bytes, 4 to 4,096. Stories have
/// sizes and a number of their own.
pub fn messages(content: Content, size: usize, pool: usize) -> Vec<Bytes> {
    if content.is_story() {
        return stories::messages(content);
    }
    let count = (pool / size.max(1)).clamp(MIN_MESSAGES, MAX_MESSAGES);
    let mut random = Random::new(0x5EED ^ size as u64);
    (0..count)
        .map(|_| Bytes::from(message(content, size, &mut random)))
        .collect()
}

/// Creates one message of exactly `size` bytes.
pub fn message(content: Content, size: usize, random: &mut Random) -> Vec<u8> {
    match content {
        Content::Binary => binary(size, random),
        Content::Ascii => ascii(size, random),
        Content::Json => cut(size, random, json_word),
        Content::Multi => cut(size, random, multi_word),
        _ => unreachable!("a story has sizes of its own"),
    }
}

fn binary(size: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

fn ascii(size: usize, random: &mut Random) -> Vec<u8> {
    (0..size)
        .map(|_| b' ' + u8::try_from(random.below(95)).expect("below 95"))
        .collect()
}

/// Creates text of words of exactly `size` bytes, with spaces at the end where a character does not fit.
pub fn cut(size: usize, random: &mut Random, word: fn(&mut String, &mut Random)) -> Vec<u8> {
    let mut text = String::with_capacity(size + 64);
    while text.len() < size {
        word(&mut text, random);
    }
    let end = (0..=size).rev().find(|&i| text.is_char_boundary(i));
    text.truncate(end.expect("zero is a boundary"));
    let mut bytes = text.into_bytes();
    bytes.resize(size, b' ');
    bytes
}

/// Appends a member of a JSON object.
fn json_word(text: &mut String, random: &mut Random) {
    if text.is_empty() {
        text.push('{');
    }
    text.push('"');
    letters(text, random);
    text.push_str("\":");
    match random.below(4) {
        0 => text.push_str(&random.below(1_000_000).to_string()),
        1 => {
            let (whole, part) = (random.below(1000), random.below(100));
            text.push_str(&format!("{whole}.{part:02}"));
        }
        2 => text.push_str(["true", "false", "null", "[]"][random.below(4) as usize]),
        _ => {
            text.push('"');
            letters(text, random);
            text.push(' ');
            letters(text, random);
            text.push('"');
        }
    }
    text.push_str(if random.below(6) == 0 { "},{" } else { "," });
}

/// Appends 3 to 10 letters, a few of them beyond ASCII.
fn letters(text: &mut String, random: &mut Random) {
    const OTHER: [char; 8] = ['é', 'ü', 'ñ', 'ß', 'ø', 'ж', '語', '€'];
    for _ in 0..3 + random.below(8) {
        if random.below(1000) < 16 {
            text.push(OTHER[random.below(8) as usize]);
        } else {
            text.push(char::from(b'a' + random.below(26) as u8));
        }
    }
}

/// Appends a word of Chinese or Cyrillic, or some emoji.
fn multi_word(text: &mut String, random: &mut Random) {
    let (first, count) = match random.below(20) {
        0..=8 => (0x4E00, 0x5000),
        9..=17 => (0x0430, 32),
        _ => (0x1F600, 64),
    };
    for _ in 0..2 + random.below(8) {
        text.push(char::from_u32(first + random.below(count)).expect("no surrogate"));
    }
    text.push(' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_and_text_is_valid() {
        for content in [Content::Ascii, Content::Json, Content::Multi] {
            for size in [0, 1, 2, 3, 16, 125, 1024, 70_000] {
                for message in messages(content, size, 100_000) {
                    assert_eq!(message.len(), size);
                    assert!(str::from_utf8(&message).is_ok());
                }
            }
        }
    }

    #[test]
    fn messages_are_distinct() {
        for (content, size) in [
            (Content::Ascii, 16),
            (Content::Binary, 16),
            (Content::Trades, 0),
            (Content::Chat, 0),
        ] {
            let pool = messages(content, size, POOL_BYTES);
            let distinct: std::collections::HashSet<_> = pool.iter().collect();
            assert_eq!(pool.len(), 4096);
            assert!(distinct.len() > 4000, "{content:?} {}", distinct.len());
        }
    }
}
