//! Resumable UTF-8 validation (RFC 6455 §8.1, RFC 3629).
//!
//! The text of a message arrives in pieces that may end inside a character. [`Validator`] keeps the bytes of
//! such a character, at most three. It fails at the first byte that no continuation can make valid. At the
//! same byte, [`error_len`](std::str::Utf8Error::error_len) becomes `Some` in the error that `str::from_utf8`
//! returns for the text so far.

use crate::simd::{Append, Carry, MaskingKey, Simd};

pub use crate::simd::InvalidUtf8;

/// A validator of a text that arrives in pieces.
///
/// ```
/// use wsimd::utf8::Validator;
///
/// let mut validator = Validator::new();
/// validator.validate("€".as_bytes().split_at(1).0)?; // a character that has only begun
/// assert!(validator.finish().is_err());
/// # Ok::<(), wsimd::utf8::InvalidUtf8>(())
/// ```
#[derive(Clone, Debug)]
pub struct Validator {
    simd: Simd,
    carry: Carry,
}

impl Validator {
    /// Creates a validator with the fastest kernels of this CPU.
    pub fn new() -> Self {
        Self::with_simd(Simd::detect())
    }

    /// Creates a validator with the kernels of `simd`.
    #[doc(hidden)]
    pub const fn with_simd(simd: Simd) -> Self {
        Self {
            simd,
            carry: Carry::NONE,
        }
    }

    /// Validates the next bytes of the text.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as no continuation can make the text valid. The next call begins a new text.
    pub fn validate(&mut self, bytes: &[u8]) -> Result<(), InvalidUtf8> {
        let verdict = self.simd.validate(bytes, self.carry);
        self.keep(verdict)
    }

    /// Unmasks and validates the next bytes of the text, and appends them to `output`. `key` applies from the
    /// first of these bytes.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). After an error, the appended bytes are unspecified.
    pub fn copy_unmask(
        &mut self,
        bytes: &[u8],
        output: &mut impl Append,
        key: MaskingKey,
    ) -> Result<(), InvalidUtf8> {
        let verdict = self
            .simd
            .copy_unmask_validate(bytes, output, key, self.carry);
        self.keep(verdict)
    }

    /// Ends the text. The next call begins a new text.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] if the text ends inside a character.
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        if std::mem::take(&mut self.carry).is_none() {
            Ok(())
        } else {
            Err(InvalidUtf8)
        }
    }

    /// Returns whether the text so far ends with a whole character.
    pub(crate) fn is_between_characters(&self) -> bool {
        self.carry.is_none()
    }

    fn keep(&mut self, verdict: Result<Carry, InvalidUtf8>) -> Result<(), InvalidUtf8> {
        self.carry = verdict.unwrap_or_default();
        verdict.map(drop)
    }
}

impl Default for Validator {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_split_inside_a_character_is_valid_once_complete() {
        let text = "κόσμε 😀";
        for split in 0..=text.len() {
            let mut validator = Validator::new();
            let (head, tail) = text.as_bytes().split_at(split);
            validator.validate(head).unwrap();
            validator.validate(&[]).unwrap();
            validator.validate(tail).unwrap();
            assert_eq!(validator.finish(), Ok(()), "split at {split}");
        }
    }

    #[test]
    fn a_dead_prefix_fails_before_the_character_is_complete() {
        // RFC 3629 §4: only 80..8F may follow F4.
        let mut validator = Validator::new();
        validator.validate(b"ok \xf4").unwrap();
        assert_eq!(validator.validate(b"\x90"), Err(InvalidUtf8));
    }

    #[test]
    fn bytes_that_never_occur_fail_as_last_byte_of_a_chunk() {
        for byte in [0xc0, 0xc1, 0xf5, 0xff] {
            assert_eq!(Validator::new().validate(&[b'a', byte]), Err(InvalidUtf8));
        }
    }

    #[test]
    fn finish_starts_a_new_text() {
        let mut validator = Validator::new();
        validator.validate(b"\xe2\x82").unwrap();
        assert_eq!(validator.finish(), Err(InvalidUtf8));
        validator.validate(b"new").unwrap();
        assert_eq!(validator.finish(), Ok(()));
    }
}
