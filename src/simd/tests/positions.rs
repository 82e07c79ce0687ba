//! (b) Valid and invalid sequences at every position of a text.

use super::{Fill, Text, check, scaled};

const SEQUENCES: [&[u8]; 22] = [
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    b"\x80",
    b"\xc0",
    b"\xc1\xbf",
    b"\xc2",
    b"\xe0\x9f\xbf",
    b"\xe1\x80",
    b"\xed\xa0\x80",
    b"\xef\xbf",
    b"\xf0\x8f\xbf\xbf",
    b"\xf1\x80\x80",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
    b"\xc2\x41",
];

/// Checks a text whole, cut once before or after each byte of the sequence, and cut at all these places.
fn check_around(text: &Text, position: usize, sequence: &[u8]) {
    check(text, &[]);
    let len = text.plain.len();
    let last = (position + sequence.len()).min(len);
    let cuts: Vec<usize> = (position..=last).collect();
    check(text, &cuts);
    for cut in cuts.into_iter().step_by(scaled(1, 3)) {
        check(text, &[cut]);
    }
}

/// Checks each sequence at every `step`th position among `len` bytes. The first position varies.
fn check_positions(len: usize, step: usize) {
    for (i, sequence) in SEQUENCES.into_iter().enumerate() {
        for position in ((i + len) % step..=len).step_by(step) {
            for fill in Fill::ALL {
                let text = Text::new(fill.around(position, sequence, len - position));
                check_around(&text, position, sequence);
            }
        }
    }
}

#[test]
fn judges_sequences_at_every_position_of_every_short_length() {
    for len in 0..=140 {
        check_positions(len, scaled(1, 19));
    }
}

#[test]
fn judges_sequences_at_positions_of_long_texts() {
    for len in [192, 256, 512, 600, 1024, 1100] {
        for len in len - scaled(2, 1)..=len + scaled(2, 0) {
            check_positions(len, scaled(3, 97));
        }
    }
}

#[test]
fn finds_one_wrong_byte_at_every_position() {
    for len in [600, 1100, 2200] {
        for position in (0..len).step_by(scaled(1, 5)) {
            for fill in Fill::ALL {
                for sequence in [b"\xff".as_slice(), b"\x80", b"\xe1\x80"] {
                    let text = Text::new(fill.around(position, sequence, len - position));
                    check(&text, &[]);
                }
            }
        }
    }
}
