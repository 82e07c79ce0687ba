//! What a UTF-8 validator remembers between two chunks of one text.

use std::{error, fmt};

/// The bytes, at most three, of a UTF-8 sequence that has begun and not ended.
///
/// [`Carry::NONE`] between whole characters: a text may end there and nowhere else.
// The newest byte is the top one and unused bytes are zero, which no unfinished sequence contains:
// a vector kernel puts the word into the last lanes of the "previous" register as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carry(u32);

impl Carry {
    /// No sequence is unfinished.
    pub const NONE: Self = Self(0);

    /// Whether no sequence is unfinished.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Appends a byte: none is left when it ends the sequence.
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

/// A text contains bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid UTF-8")
    }
}

impl error::Error for InvalidUtf8 {}
