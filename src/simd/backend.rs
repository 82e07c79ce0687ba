//! [`Backend`]: the kernels compiled for one set of CPU instructions.

use super::carry::Verdict;

/// The kernels for CPUs with certain instructions.
///
/// A key is a word whose lowest byte is the first byte of the key. A carry is the word of a
/// [`Carry`](super::Carry).
///
/// # Safety of the functions
///
/// The CPU has the instructions: `is_available` returns `true`. `source` is valid for reading `len` bytes.
/// `target`, if the function has one, is valid for reading and writing `len` bytes, which may be
/// uninitialised. `target` is equal to `source` or does not overlap it.
///
/// In return, the functions write all `len` bytes of `target`, even if the text is invalid.
pub(super) struct Backend {
    pub(super) name: &'static str,
    /// Whether `--cfg wsimd_backend="…"` names this backend.
    pub(super) is_forced: bool,
    pub(super) is_available: fn() -> bool,
    pub(super) mask: unsafe fn(source: *const u8, target: *mut u8, len: usize, key: u32),
    pub(super) validate: unsafe fn(source: *const u8, len: usize, carry: u32) -> Verdict,
    pub(super) unmask_validate:
        unsafe fn(source: *const u8, target: *mut u8, len: usize, key: u32, carry: u32) -> Verdict,
}

/// Defines `BACKEND` for a vector type. Compiles the kernel for the CPUs that have its instructions.
macro_rules! backend {
    (
        name: $name:literal,
        vector: $vector:ty,
        features: $features:literal,
        is_available: $is_available:expr,
    ) => {
        pub(super) static BACKEND: $crate::simd::backend::Backend =
            $crate::simd::backend::Backend {
                name: $name,
                is_forced: cfg!(wsimd_backend = $name),
                is_available: || $is_available,
                mask,
                validate,
                unmask_validate,
            };

        #[target_feature(enable = $features)]
        unsafe fn mask(source: *const u8, target: *mut u8, len: usize, key: u32) {
            // SAFETY: `Backend` has the contract of the kernel.
            let _ = unsafe {
                $crate::simd::kernel::run::<$vector, true, false>(source, target, len, key, 0)
            };
        }

        #[target_feature(enable = $features)]
        unsafe fn validate(
            source: *const u8,
            len: usize,
            carry: u32,
        ) -> $crate::simd::carry::Verdict {
            // SAFETY: `Backend` has the contract of the kernel, which writes nothing without `MASK`.
            unsafe {
                $crate::simd::kernel::run::<$vector, false, true>(
                    source,
                    source.cast_mut(),
                    len,
                    0,
                    carry,
                )
            }
        }

        #[target_feature(enable = $features)]
        unsafe fn unmask_validate(
            source: *const u8,
            target: *mut u8,
            len: usize,
            key: u32,
            carry: u32,
        ) -> $crate::simd::carry::Verdict {
            // SAFETY: `Backend` has the contract of the kernel.
            unsafe {
                $crate::simd::kernel::run::<$vector, true, true>(source, target, len, key, carry)
            }
        }
    };
}

pub(super) use backend;
