//! Byte kernels: masking (RFC 6455 §5.3) and UTF-8 validation (§8.1), apart and in one pass.
//!
//! A [`Simd`] value exists only for a backend that this CPU can run. Holding the value proves that the
//! kernels of the backend may be called. A connection detects the backend once and keeps the value.
//!
//! The caller rotates a [`MaskingKey`] to the phase of the first byte ([`MaskingKey::rotate`]).
//! [`MaskingKey::ZERO`] leaves bytes unchanged, so that unmasked payloads take the same path.
//!
//! | backend | CPU | chosen |
//! | --- | --- | --- |
//! | `avx512` | x86-64 with AVX-512 F, BW, VL, VBMI and VBMI2, and BMI2 | at run time |
//! | `avx2` | x86-64 with AVX2 | at run time |
//! | `sse` | x86-64 with SSSE3 and SSE4.1 | at run time |
//! | `neon` | aarch64, little-endian | at run time |
//! | `simd128` | wasm32 | when built with `-C target-feature=+simd128` |
//! | `scalar` | any | if no other backend is available |
//!
//! [`Simd::detect`] chooses the first available backend of the table. To choose another one, build with
//! `RUSTFLAGS='--cfg wsimd_backend="avx2"'`.

mod backend;
mod carry;
mod chunk;
mod kernel;
mod key;
mod lookup;
mod scalar;
#[cfg(test)]
mod tests;
mod vector;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
mod neon;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;
#[cfg(target_arch = "x86_64")]
mod sse;

use std::fmt;

use bytes::BytesMut;

use backend::Backend;
pub use carry::{Carry, InvalidUtf8};
pub use key::MaskingKey;

/// The backends for this architecture, from the reference to the fastest.
const BACKENDS: &[&Backend] = &[
    &scalar::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &sse::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &avx2::BACKEND,
    #[cfg(target_arch = "x86_64")]
    &avx512::BACKEND,
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    &neon::BACKEND,
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    &simd128::BACKEND,
];

/// Proof that this CPU can run a backend, and the interface to its kernels.
///
/// ```
/// use wsimd::simd::{Carry, MaskingKey, Simd};
///
/// // RFC 6455 §5.7: a masked "Hello".
/// let mut payload = *b"\x7f\x9f\x4d\x51\x58";
/// let key = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);
/// let carry = Simd::detect().unmask_validate(&mut payload, key, Carry::NONE)?;
/// assert_eq!(&payload, b"Hello");
/// assert!(carry.is_none());
/// # Ok::<(), wsimd::simd::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy)]
pub struct Simd {
    /// INVARIANT: this backend is available, so the CPU has the instructions that its functions need.
    backend: &'static Backend,
}

impl Simd {
    /// Chooses the fastest backend that this CPU can run.
    ///
    /// In a build with `--cfg wsimd_backend="…"`, chooses the backend of that name if this CPU can run it.
    pub fn detect() -> Self {
        let mut fastest = Self {
            backend: &scalar::BACKEND,
        };
        for simd in Self::available() {
            if simd.backend.is_forced {
                return simd;
            }
            fastest = simd;
        }
        fastest
    }

    /// Returns every backend that this CPU can run, from the reference to the fastest.
    pub fn available() -> impl Iterator<Item = Self> {
        let available = BACKENDS.iter().filter(|it| (it.is_available)());
        available.map(|backend| Self { backend })
    }

    /// Returns the name of the backend, for logs and benchmarks.
    pub fn name(self) -> &'static str {
        self.backend.name
    }

    /// Masks or unmasks `bytes` in place (RFC 6455 §5.3). The key applies from the first byte on.
    pub fn mask(self, bytes: &mut [u8], key: MaskingKey) {
        if key == MaskingKey::ZERO {
            return;
        }
        let start = bytes.as_mut_ptr();
        // SAFETY: the CPU has the instructions by the invariant of `backend`, and the slice is valid.
        unsafe { (self.backend.mask)(start, start, bytes.len(), key.to_word()) }
    }

    /// Appends `bytes` to `output`, masked or unmasked. The key applies from the first byte on.
    #[inline]
    pub fn copy_mask(self, bytes: &[u8], output: &mut impl Append, key: MaskingKey) {
        let (source, len) = (bytes.as_ptr(), bytes.len());
        let target = output.room(len);
        if key == MaskingKey::ZERO {
            // SAFETY: `bytes` and the room of `len` bytes are valid. They do not overlap, because `output`
            // is borrowed exclusively.
            unsafe { source.copy_to_nonoverlapping(target, len) };
        } else {
            // SAFETY: as above, and the CPU has the instructions by the invariant of `backend`.
            unsafe { (self.backend.mask)(source, target, len, key.to_word()) };
        }
        // SAFETY: `len` bytes were written above. `Backend` guarantees this for its functions.
        unsafe { output.grow(len) };
    }

    /// Validates `bytes` as the next bytes of a text. `carry` is the result of the previous call.
    ///
    /// The first call of a text takes [`Carry::NONE`]. The text is valid if the last call returns
    /// [`Carry::NONE`].
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as no further bytes can make the text valid.
    pub fn validate(self, bytes: &[u8], carry: Carry) -> Result<Carry, InvalidUtf8> {
        // SAFETY: the CPU has the instructions by the invariant of `backend`, and the slice is valid.
        unsafe { (self.backend.validate)(bytes.as_ptr(), bytes.len(), carry.to_word()) }
    }

    /// Unmasks `bytes` in place and validates them as the next bytes of a text.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). After an error, the content of `bytes` is unspecified.
    pub fn unmask_validate(
        self,
        bytes: &mut [u8],
        key: MaskingKey,
        carry: Carry,
    ) -> Result<Carry, InvalidUtf8> {
        if key == MaskingKey::ZERO {
            return self.validate(bytes, carry);
        }
        let (start, key) = (bytes.as_mut_ptr(), key.to_word());
        // SAFETY: the CPU has the instructions by the invariant of `backend`, and the slice is valid.
        unsafe { (self.backend.unmask_validate)(start, start, bytes.len(), key, carry.to_word()) }
    }

    /// Appends `bytes` to `output`, unmasked with `key`, and validates them as the next bytes of a text.
    ///
    /// # Errors
    ///
    /// As [`validate`](Self::validate). After an error, `output` has grown by `bytes.len()` bytes as well,
    /// but their content is unspecified.
    #[inline]
    pub fn copy_unmask_validate(
        self,
        bytes: &[u8],
        output: &mut impl Append,
        key: MaskingKey,
        carry: Carry,
    ) -> Result<Carry, InvalidUtf8> {
        let (source, len) = (bytes.as_ptr(), bytes.len());
        let (key, carry) = (key.to_word(), carry.to_word());
        let target = output.room(len);
        // SAFETY: the CPU has the instructions by the invariant of `backend`. `bytes` and the room are
        // valid and do not overlap, as in `copy_mask`.
        let verdict = unsafe { (self.backend.unmask_validate)(source, target, len, key, carry) };
        // SAFETY: `Backend` guarantees that `len` bytes were written, even if the text is invalid.
        unsafe { output.grow(len) };
        verdict
    }
}

impl PartialEq for Simd {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Simd {}

impl fmt::Debug for Simd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Simd").field(&self.name()).finish()
    }
}

/// A growable buffer to which the copying kernels append: `Vec<u8>` or `BytesMut`. The trait is sealed.
#[doc(hidden)]
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
        /// Reserves room for `len` more bytes, and returns the address of the room.
        fn room(&mut self, len: usize) -> *mut u8;

        /// Adds the first `len` bytes of the room to the buffer.
        ///
        /// # Safety
        ///
        /// `len` bytes were written to the address that the last call of [`room`](Self::room) returned.
        unsafe fn grow(&mut self, len: usize);
    }

    impl Append for Vec<u8> {
        #[inline]
        fn room(&mut self, len: usize) -> *mut u8 {
            self.reserve(len);
            self.spare_capacity_mut().as_mut_ptr().cast()
        }

        unsafe fn grow(&mut self, len: usize) {
            // SAFETY: guaranteed by the caller.
            unsafe { self.set_len(self.len() + len) };
        }
    }

    impl Append for BytesMut {
        fn room(&mut self, len: usize) -> *mut u8 {
            self.reserve(len);
            self.spare_capacity_mut().as_mut_ptr().cast()
        }

        unsafe fn grow(&mut self, len: usize) {
            // SAFETY: guaranteed by the caller.
            unsafe { self.set_len(self.len() + len) };
        }
    }
}
