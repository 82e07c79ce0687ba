//! (a) All short strings of the bytes at which the rules of UTF-8 change.

use super::{Fill, Text, check, scaled};

/// Bytes at and around the ends of the ranges in the grammar of RFC 3629 §4.
const BOUNDARY: [u8; 26] = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
    0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff,
];

fn longest() -> usize {
    scaled(4, 3)
}

/// Returns every string of `len` boundary bytes.
fn strings(len: usize) -> impl Iterator<Item = Vec<u8>> {
    let digits = move |number: usize| {
        let digit = |place| number / 26_usize.pow(place) % 26;
        (0..)
            .take(len)
            .map(|place| BOUNDARY[digit(place)])
            .collect()
    };
    let mut count = 1;
    for _ in 0..len {
        count *= BOUNDARY.len();
    }
    (0..count).map(digits)
}

/// Returns every way to cut `len` bytes into chunks that are not empty.
fn splits(len: usize) -> Vec<Vec<usize>> {
    let is_cut = |split: usize, at: usize| split >> (at - 1) & 1 == 1;
    (0..1 << len.saturating_sub(1))
        .map(|split| (1..len).filter(|&at| is_cut(split, at)).collect())
        .collect()
}

#[test]
fn judges_all_strings_at_all_splits() {
    for len in 0..=longest() {
        let splits = splits(len);
        for string in strings(len) {
            let text = Text::new(string);
            for cuts in &splits {
                check(&text, cuts);
            }
        }
    }
}

#[test]
fn judges_all_strings_across_two_vectors_of_a_long_text() {
    let len = longest();
    for (i, string) in strings(len).enumerate() {
        let fill = Fill::ALL[i / 7 % 2];
        check(&Text::new(fill.around(62, &string, 70)), &[]);
        check(&Text::new(fill.around(14, &string, 20)), &[15]);
    }
}
