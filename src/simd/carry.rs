//! [`Carry`]: the state of a UTF-8 validator between two chunks of one text.

use std::{error, fmt};

/// The bytes of an unfinished UTF-8 sequence, at most three.
///
/// Between whole characters it is [`Carry::NONE`]. A text may end only there.
///
/// ```
/// use wsimd::simd::{Carry, Simd};
///
/// let simd = Simd::detect();
/// let carry = simd.validate(b"caf\xc3", Carry::NONE)?; // the first half of "é"
/// assert!(!carry.is_none());
/// assert!(simd.validate(b"\xa9", carry)?.is_none());
/// # Ok::<(), wsimd::simd::InvalidUtf8>(())
/// ```
// The newest byte is the top byte of the word. Unused bytes are zero, which no unfinished sequence
// contains. A vector kernel copies the word unchanged into the last lanes of the "previous" register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "a text that ends with a carry is not valid"]
pub struct Carry(u32);

impl Carry {
    /// The carry without an unfinished sequence.
    pub const NONE: Self = Self(0);

    /// Returns whether no sequence is unfinished.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns the number of bytes of the unfinished sequence.
    pub(crate) const fn len(self) -> usize {
        4 - self.0.trailing_zeros() as usize / 8
    }

    /// Returns the number of bytes that the unfinished sequence lacks.
    pub(crate) fn missing(self) -> u32 {
        let unused = self.0.trailing_zeros() / 8;
        match self.0.to_le_bytes().get(unused as usize) {
            Some(first) => (first.leading_ones() + unused).saturating_sub(4),
            None => 0,
        }
    }

    /// Returns the word with which vector kernels compute.
    pub(super) const fn to_word(self) -> u32 {
        self.0
    }

    pub(super) const fn from_word(word: u32) -> Self {
        Self(word)
    }

    /// Returns the sequence that the last four bytes of a text leave unfinished.
    ///
    /// The text was already validated, except for its newest byte. Fails if the newest byte cannot occur in
    /// UTF-8: C0, C1 and F5..FF.
    #[inline(always)]
    pub(super) const fn after(last: u32) -> Verdict {
        let [_, two_back, one_back, newest] = last.to_le_bytes();
        // A single test, which has the same result for every text that ends with a whole character.
        if !((newest >= 0xc0) | (one_back >= 0xe0) | (two_back >= 0xf0)) {
            return Ok(Self::NONE);
        }
        let unfinished = match newest {
            0xc2..=0xf4 => 0xff00_0000,
            0xc0.. => return Err(InvalidUtf8),
            _ if one_back >= 0xe0 => 0xffff_0000,
            _ => 0xffff_ff00,
        };
        Ok(Self(last & unfinished))
    }

    /// Appends a byte. Returns [`Carry::NONE`] when the byte ends the sequence.
    pub(super) fn push(self, byte: u8) -> Result<Self, InvalidUtf8> {
        let next = Self((self.0 >> 8) | (u32::from(byte) << 24));
        match str::from_utf8(&next.0.to_le_bytes()[next.unused()..]) {
            Ok(_) => Ok(Self::NONE),
            Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
            Err(_) => Ok(next),
        }
    }

    fn unused(self) -> usize {
        self.0.trailing_zeros() as usize / 8
    }
}

/// The result of a validating kernel.
pub(super) type Verdict = Result<Carry, InvalidUtf8>;

/// A text contains bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl error::Error for InvalidUtf8 {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Simd;

    #[test]
    fn the_missing_bytes_of_a_character_are_counted() {
        for simd in Simd::available() {
            for text in ["a", "é", "€", "😀", "long enough for a vector: 😀"] {
                let last = text.char_indices().last().unwrap().0;
                for len in last..=text.len() {
                    let carry = simd.validate(&text.as_bytes()[..len], Carry::NONE).unwrap();
                    let missing = if len == last { 0 } else { text.len() - len };
                    assert_eq!(carry.missing() as usize, missing, "{text:?} {len}");
                    let arrived = if missing == 0 { 0 } else { len - last };
                    assert_eq!(carry.len(), arrived, "{text:?} {len}");
                }
            }
        }
    }
}
