//! What the messages of a measurement are made of: the contents of the comparison, and scripts apart.

use contestant::corpus::{self, Random, cut};

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Text of printable ASCII.
    Ascii,
    /// Text like JSON, one character in a hundred beyond ASCII.
    Json,
    /// Words of Chinese and Cyrillic and some emoji.
    Multi,
    /// Words of Cyrillic: two bytes a letter, and spaces.
    Cyrillic,
    /// Chinese without spaces: three bytes a character.
    Cjk,
    /// Emoji: four bytes each.
    Emoji,
    /// Characters at random, half of them ASCII, the others of two, three or four bytes.
    Mixed,
    /// Random bytes.
    Binary,
}

impl Content {
    /// Returns the name in results.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ascii => "ascii",
            Self::Json => "json",
            Self::Multi => "multi",
            Self::Cyrillic => "cyrillic",
            Self::Cjk => "cjk",
            Self::Emoji => "emoji",
            Self::Mixed => "mixed",
            Self::Binary => "binary",
        }
    }

    /// Returns whether it is text.
    pub fn is_text(self) -> bool {
        self != Self::Binary
    }

    /// Makes one message of exactly `size` bytes.
    pub fn message(self, size: usize, random: &mut Random) -> Vec<u8> {
        use contestant::Content::{Ascii, Binary, Json, Multi};
        match self {
            Self::Ascii => corpus::message(Ascii, size, random),
            Self::Json => corpus::message(Json, size, random),
            Self::Multi => corpus::message(Multi, size, random),
            Self::Cyrillic => cut(size, random, cyrillic_word),
            Self::Cjk => cut(size, random, |text, random| push(text, random, CJK)),
            Self::Emoji => cut(size, random, |text, random| push(text, random, EMOJI)),
            Self::Mixed => cut(size, random, mixed_character),
            Self::Binary => corpus::message(Binary, size, random),
        }
    }
}

/// The first of some characters, and how many there are.
type Block = (u32, u32);

const ASCII: Block = (0x20, 95);
const CYRILLIC: Block = (0x0430, 32);
const CJK: Block = (0x4E00, 0x5000);
const EMOJI: Block = (0x1F600, 64);

fn push(text: &mut String, random: &mut Random, (first, count): Block) {
    text.push(char::from_u32(first + random.below(count)).expect("no surrogate"));
}

/// Appends 2 to 9 letters and a space.
fn cyrillic_word(text: &mut String, random: &mut Random) {
    for _ in 0..2 + random.below(8) {
        push(text, random, CYRILLIC);
    }
    text.push(' ');
}

fn mixed_character(text: &mut String, random: &mut Random) {
    const BLOCKS: [Block; 6] = [ASCII, ASCII, ASCII, CYRILLIC, CJK, EMOJI];
    let block = BLOCKS[random.below(6) as usize];
    push(text, random, block);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn characters(content: Content) -> Vec<usize> {
        let text = content.message(60_000, &mut Random::new(1));
        assert_eq!(text.len(), 60_000);
        let text = String::from_utf8(text).unwrap();
        text.trim_end().chars().map(char::len_utf8).collect()
    }

    #[test]
    fn scripts_have_characters_of_their_length() {
        assert!(characters(Content::Cyrillic).iter().all(|&n| n <= 2));
        assert!(characters(Content::Cjk).iter().all(|&n| n == 3));
        assert!(characters(Content::Emoji).iter().all(|&n| n == 4));
    }

    #[test]
    fn half_of_mixed_is_ascii() {
        let lengths = characters(Content::Mixed);
        for (length, part) in [(1, 0.5), (2, 1.0 / 6.0), (3, 1.0 / 6.0), (4, 1.0 / 6.0)] {
            let count = lengths.iter().filter(|&&n| n == length).count();
            let found = count as f64 / lengths.len() as f64;
            assert!((found - part).abs() < 0.02, "{length}: {found}");
        }
    }
}
