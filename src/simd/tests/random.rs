//! (c) Random texts of many scripts, with random keys, cuts and corruptions.

use super::{MaskingKey, Text, check_all, scaled};

/// Sizes of vectors and of groups of vectors.
const SIZES: [usize; 7] = [16, 32, 64, 128, 256, 512, 1024];

#[test]
fn judges_random_texts_after_each_chunk() {
    let mut random = Random(0x5eed);
    for _ in 0..scaled(60_000, 1_500) {
        let mut plain = random.text();
        for _ in 0..random.below(6).saturating_sub(2) {
            random.corrupt(&mut plain);
        }
        let key = match random.below(16) {
            0 => MaskingKey::ZERO,
            _ => random.key(),
        };
        let cuts = random.cuts(plain.len());
        check_all(&Text::with_key(plain, key), &cuts);
    }
}

#[derive(Clone, Copy)]
enum Script {
    Ascii,
    MostlyAscii,
    Cyrillic,
    Cjk,
    Emoji,
    Mixed,
    Bytes,
}

/// A SplitMix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `limit`, which must not be zero.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn key(&mut self) -> MaskingKey {
        MaskingKey::new(std::array::from_fn(|_| self.byte()))
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    /// Returns a length, which is usually near the size of a vector or a group of vectors.
    fn len(&mut self) -> usize {
        match self.below(8) {
            0 => self.below(80),
            1 => self.below(700),
            2 => self.below(4200),
            _ => self.pick(&SIZES) + self.below(9) - 4,
        }
    }

    /// Returns random bytes, or a valid text whose last character may be cut off.
    fn text(&mut self) -> Vec<u8> {
        use Script::{Ascii, Bytes, Cjk, Cyrillic, Emoji, Mixed, MostlyAscii};
        let scripts = [Ascii, MostlyAscii, Cyrillic, Cjk, Emoji, Mixed];
        let len = self.len();
        let script = match self.below(20) {
            0 => Bytes,
            _ => self.pick(&scripts),
        };
        let mut text = Vec::with_capacity(len + 4);
        while text.len() < len {
            self.push(script, &mut text);
        }
        text.truncate(len);
        if self.below(4) > 0 {
            complete(&mut text);
        }
        text
    }

    fn push(&mut self, script: Script, text: &mut Vec<u8>) {
        let character = match script {
            Script::Ascii => self.within(' ', 0x5f),
            Script::MostlyAscii if self.below(100) > 0 => self.within(' ', 0x5f),
            Script::MostlyAscii => self.any(),
            Script::Cyrillic if self.below(6) == 0 => ' ',
            Script::Cyrillic => self.within('\u{400}', 0x100),
            Script::Cjk => self.within('\u{4e00}', 0x5200),
            Script::Emoji => self.within('\u{1f300}', 0x400),
            Script::Mixed => self.any(),
            Script::Bytes => return text.push(self.byte()),
        };
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Returns a character of any width. Some are at the edges of the ranges.
    fn any(&mut self) -> char {
        match self.below(8) {
            0 => self.within('\u{80}', 0x780),
            1 => self.within('\u{800}', 0xd000),
            2 => self.within('\u{e000}', 0x2000),
            3 => self.within('\u{10000}', 0x10_0000),
            4 => self.pick(&['\u{7ff}', '\u{800}', '\u{d7ff}', '\u{e000}', '\u{ffff}']),
            5 => self.pick(&['\u{10000}', '\u{3ffff}', '\u{40000}', '\u{10ffff}']),
            _ => self.within('\0', 0x80),
        }
    }

    /// Returns one of the `count` characters from `first` on.
    fn within(&mut self, first: char, count: usize) -> char {
        let offset = u32::try_from(self.below(count)).expect("fewer than characters");
        char::from_u32(u32::from(first) + offset).expect("no surrogate among them")
    }

    fn corrupt(&mut self, text: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        let at = self.below(text.len());
        match self.below(4) {
            0 => text[at] ^= 1 << self.below(8),
            1 => drop(text.remove(at)),
            2 => text.insert(at, text[at]),
            _ => text[at] = self.byte(),
        }
    }

    /// Returns the cuts between chunks: none, a few, some a vector apart, or one behind each byte of a
    /// stretch.
    fn cuts(&mut self, len: usize) -> Vec<usize> {
        let mut cuts: Vec<usize> = match self.below(4) {
            0 => Vec::new(),
            1 => (0..self.below(6)).map(|_| self.below(len + 1)).collect(),
            2 => {
                let apart = self.len().max(9);
                (0..len).step_by(apart).skip(1).take(20).collect()
            }
            _ => (self.below(len + 1)..=len).take(12).collect(),
        };
        cuts.sort_unstable();
        cuts
    }
}

/// Replaces a character that is cut off at the end with ASCII.
fn complete(text: &mut [u8]) {
    if let Err(error) = str::from_utf8(text)
        && error.error_len().is_none()
    {
        text[error.valid_up_to()..].fill(b'z');
    }
}
