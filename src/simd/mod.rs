//! Byte kernels: masking (RFC 6455 §5.3) and UTF-8 validation (§8.1), apart and in one pass.
//!
//! [`Simd`] is a witness: a value of it exists only for a backend that this CPU can run, so holding
//! one is the proof that its kernels may be called. A connection detects once and keeps the value.
//!
//! A masking key is given as four bytes already rotated to the phase of the first byte
//! ([`MaskingKey::rotate`](crate::frame::MaskingKey::rotate)); the key `[0; 4]` leaves bytes as they
//! are, which is how payloads that carry no mask take the same path.
//!
//! `scalar` is the reference: what every other backend must agree with, byte for byte.

mod carry;
mod scalar;
#[cfg(test)]
mod tests;

use bytes::BytesMut;

pub use carry::{Carry, InvalidUtf8};

/// Proof that this CPU can run a set of kernels, and the way to call them.
///
/// ```
/// use wsimd::simd::{Carry, Simd};
///
/// let mut payload = *b"\x49\x46\x46";
/// let carry = Simd::detect().unmask_validate(&mut payload, [0x21, 0x23, 0x25, 0x27], Carry::NONE)?;
/// assert_eq!(&payload, b"hec");
/// assert!(carry.is_none());
/// # Ok::<(), wsimd::simd::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Simd(Backend);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Backend {
    Scalar,
}

impl Simd {
    /// Chooses the fastest backend that this CPU can run.
    pub fn detect() -> Self {
        Self(Backend::Scalar)
    }

    /// Lists every backend that this CPU can run, the reference first.
    pub fn available() -> impl Iterator<Item = Self> {
        [Self(Backend::Scalar)].into_iter()
    }

    /// Names the backend, for logs and benchmarks.
    pub fn name(self) -> &'static str {
        match self.0 {
            Backend::Scalar => "scalar",
        }
    }

    /// Masks or unmasks `bytes` in place (RFC 6455 §5.3).
    pub fn mask(self, bytes: &mut [u8], key: [u8; 4]) {
        match self.0 {
            Backend::Scalar => scalar::mask(bytes, key),
        }
    }

    /// Appends `bytes` to `output`, masked or unmasked with `key`.
    pub fn copy_mask(self, bytes: &[u8], output: &mut impl Append, key: [u8; 4]) {
        match self.0 {
            Backend::Scalar => scalar::copy_mask(bytes, output, key),
        }
    }

    /// Validates the next `bytes` of a text that began with `carry`.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as no continuation could make the text valid.
    pub fn validate(self, bytes: &[u8], carry: Carry) -> Result<Carry, InvalidUtf8> {
        match self.0 {
            Backend::Scalar => scalar::validate(bytes, carry),
        }
    }

    /// Unmasks `bytes` in place and validates them as the next bytes of a text.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). What `bytes` holds after an error is unspecified.
    pub fn unmask_validate(
        self,
        bytes: &mut [u8],
        key: [u8; 4],
        carry: Carry,
    ) -> Result<Carry, InvalidUtf8> {
        match self.0 {
            Backend::Scalar => scalar::unmask_validate(bytes, key, carry),
        }
    }

    /// Appends `bytes` to `output`, unmasked with `key`, and validates them as the next of a text.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). What was appended after an error is unspecified.
    pub fn copy_unmask_validate(
        self,
        bytes: &[u8],
        output: &mut impl Append,
        key: [u8; 4],
        carry: Carry,
    ) -> Result<Carry, InvalidUtf8> {
        match self.0 {
            Backend::Scalar => scalar::copy_unmask_validate(bytes, output, key, carry),
        }
    }
}

/// A growable buffer that the copying kernels append to: `Vec<u8>` or `BytesMut`.
pub trait Append: private::Append {}

impl Append for Vec<u8> {}
impl Append for BytesMut {}

mod private {
    use bytes::BytesMut;

    #[expect(
        unnameable_types,
        reason = "sealed: kernels rely on what these methods do"
    )]
    pub trait Append {
        /// Appends `bytes` and returns the appended part.
        fn append(&mut self, bytes: &[u8]) -> &mut [u8];
    }

    impl Append for Vec<u8> {
        fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
            let start = self.len();
            self.extend_from_slice(bytes);
            &mut self[start..]
        }
    }

    impl Append for BytesMut {
        fn append(&mut self, bytes: &[u8]) -> &mut [u8] {
            let start = self.len();
            self.extend_from_slice(bytes);
            &mut self[start..]
        }
    }
}
