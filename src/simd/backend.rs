//! [`Backend`]: the kernels compiled for one set of CPU instructions.

use super::carry::Verdict;

/// The kernels that CPUs with certain instructions can run.
///
/// A key is four bytes, the first the lowest, and a carry is the word of a [`Carry`](super::Carry).
///
/// # Safety of the functions
///
/// The CPU has the instructions: `is_available` answers true. `source` is valid for reading `len`
/// bytes. `target`, where there is one, is valid for reading and writing as many, though they need
/// not be initialised, and is `source` itself or does not overlap it.
///
/// In return, all of `target` has been written in the end, whatever the verdict.
pub(super) struct Backend {
    pub(super) name: &'static str,
    /// Whether `--cfg wsimd_backend="…"` names it.
    pub(super) is_forced: bool,
    pub(super) is_available: fn() -> bool,
    pub(super) mask: unsafe fn(source: *const u8, target: *mut u8, len: usize, key: u32),
    pub(super) validate: unsafe fn(source: *const u8, len: usize, carry: u32) -> Verdict,
    pub(super) unmask_validate:
        unsafe fn(source: *const u8, target: *mut u8, len: usize, key: u32, carry: u32) -> Verdict,
}

/// Makes `BACKEND` of a vector: compiles the kernel for the CPUs that have its instructions.
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
            // SAFETY: `Backend` asks for what the kernel does.
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
            // SAFETY: `Backend` asks for what the kernel does, which writes nothing here.
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
            // SAFETY: `Backend` asks for what the kernel does.
            unsafe {
                $crate::simd::kernel::run::<$vector, true, true>(source, target, len, key, carry)
            }
        }
    };
}

pub(super) use backend;
