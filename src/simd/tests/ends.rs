//! The first bytes of a chunk after a carry, and the last bytes of a chunk, for every length class.

use super::{
    Carry, Fill, InvalidUtf8, KEY, Simd, Text, carry_of, check, every_length_class, verdict,
};

/// Complete sequences of every width, at the edges of their ranges.
const CHARACTERS: [&[u8]; 10] = [
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xe2\x82\xac",
    b"\xed\x9f\xbf",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf0\x9f\x98\x80",
    b"\xf3\xbf\xbf\xbf",
    b"\xf4\x8f\xbf\xbf",
];

/// Beginnings of sequences that no further byte can make valid.
const DEAD: [&[u8]; 8] = [
    b"\xe0\x80",
    b"\xe0\x9f",
    b"\xed\xa0",
    b"\xed\xbf",
    b"\xf0\x80",
    b"\xf0\x8f",
    b"\xf4\x90",
    b"\xf4\xbf",
];

/// Returns the bytes before and after every cut within every character.
fn cut_characters() -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
    CHARACTERS
        .into_iter()
        .flat_map(|character| (1..character.len()).map(|at| character.split_at(at)))
}

/// Checks `pending` and then `chunk`, against the expected verdict on both.
fn check_after(pending: &[u8], chunk: &[u8], wanted: Result<Carry, InvalidUtf8>) {
    let text = Text::new([pending, chunk].concat());
    assert_eq!(verdict(&text.plain), wanted, "the test is wrong");
    match pending {
        [] => check(&text, &[]),
        _ => check(&text, &[pending.len()]),
    }
}

/// Checks chunks of every length class that end with `end`.
fn check_end(end: &[u8], wanted: Result<Carry, InvalidUtf8>) {
    for fill in Fill::ALL {
        for len in every_length_class().filter(|&len| len >= end.len()) {
            check_after(b"", &fill.around(len - end.len(), end, 0), wanted);
        }
    }
}

/// Checks chunks of every length class that begin with `start` and continue with ASCII.
fn check_start(pending: &[u8], start: &[u8], wanted: Result<Carry, InvalidUtf8>) {
    for len in every_length_class().filter(|&len| len > start.len()) {
        let chunk = [start, &Fill::Ascii.after(len - start.len())].concat();
        check_after(pending, &chunk, wanted);
    }
}

#[test]
fn a_byte_that_never_occurs_fails_as_the_last_of_a_chunk() {
    for byte in [0xc0, 0xc1].into_iter().chain(0xf5..=0xff) {
        check_end(&[byte], Err(InvalidUtf8));
    }
}

#[test]
fn a_dead_beginning_fails_as_the_last_of_a_chunk() {
    for dead in DEAD {
        check_end(dead, Err(InvalidUtf8));
        let (lead, second) = dead.split_at(1);
        check_after(lead, second, Err(InvalidUtf8));
    }
}

#[test]
fn an_unfinished_sequence_at_the_end_is_carried() {
    for (unfinished, _) in cut_characters() {
        check_end(unfinished, Ok(carry_of(unfinished)));
    }
}

#[test]
fn a_complete_sequence_at_the_end_leaves_nothing() {
    for character in CHARACTERS {
        check_end(character, Ok(Carry::NONE));
    }
}

#[test]
fn a_carry_is_completed_by_the_start_of_an_ascii_chunk() {
    for (pending, rest) in cut_characters() {
        check_start(pending, rest, Ok(Carry::NONE));
        check_after(pending, rest, Ok(Carry::NONE));
    }
}

#[test]
fn a_carry_before_an_ascii_chunk_is_an_error() {
    for (pending, rest) in cut_characters() {
        for missing in 1..=rest.len() {
            check_start(pending, &rest[missing..], Err(InvalidUtf8));
            check_start(pending, &rest[..rest.len() - missing], Err(InvalidUtf8));
        }
    }
}

#[test]
fn one_continuation_too_many_is_an_error() {
    for (pending, rest) in cut_characters() {
        let start = [rest, b"\x80"].concat();
        check_start(pending, &start, Err(InvalidUtf8));
    }
}

#[test]
fn an_empty_chunk_keeps_the_carry() {
    for simd in Simd::available() {
        for (unfinished, _) in cut_characters() {
            let carry = carry_of(unfinished);
            let mut output = b"kept".to_vec();
            let copied = simd.copy_unmask_validate(b"", &mut output, KEY, carry);
            assert_eq!(simd.validate(b"", carry), Ok(carry));
            assert_eq!(simd.unmask_validate(&mut [], KEY, carry), Ok(carry));
            assert_eq!(copied, Ok(carry));
            assert_eq!(output, b"kept");
        }
        assert_eq!(simd.validate(b"", Carry::NONE), Ok(Carry::NONE));
    }
}

#[test]
fn carries_of_different_sequences_differ() {
    for (one, _) in cut_characters() {
        for (other, _) in cut_characters() {
            assert_eq!(carry_of(one) == carry_of(other), one == other);
        }
    }
}
