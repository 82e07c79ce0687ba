//! 256-bit vectors of x86-64: AVX2.

use std::arch::x86_64::*;

use super::{backend::backend, sse::Sse, vector::Vector};

backend! {
    name: "avx2",
    vector: Avx2,
    features: "avx2",
    is_available: is_x86_feature_detected!("avx2"),
}

/// A vector of 32 bytes. It exists only if the CPU has the instructions, because the callers of the
/// constructors guarantee them.
#[derive(Clone, Copy)]
pub(super) struct Avx2(__m256i);

// SAFETY: the intrinsics of `load` and `store` access 32 bytes; AVX2 includes SSSE3 and SSE4.1.
unsafe impl Vector for Avx2 {
    const LANES: usize = 32;
    const SHORTEST: usize = Self::LANES;

    type Half = Sse;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm256_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm256_set_epi32(word.cast_signed(), 0, 0, 0, 0, 0, 0, 0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm256_and_si256(self.0, other.0) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm256_testz_si256(self.0, self.0) == 1 }
    }

    #[inline(always)]
    fn is_ascii(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm256_movemask_epi8(self.0) == 0 }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn back(self, previous: Self) -> [Self; 3] {
        // SAFETY: the vectors exist.
        unsafe {
            // `alignr` shifts within 128-bit halves, so each half of `before` holds the bytes before that
            // half.
            let before = _mm256_permute2x128_si256(previous.0, self.0, 0x21);
            [
                Self(_mm256_alignr_epi8(self.0, before, 15)),
                Self(_mm256_alignr_epi8(self.0, before, 14)),
                Self(_mm256_alignr_epi8(self.0, before, 13)),
            ]
        }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_high(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        let nibbles =
            unsafe { _mm256_and_si256(_mm256_srli_epi16(self.0, 4), _mm256_set1_epi8(0x0f)) };
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { _mm256_shuffle_epi8(load_table(table), nibbles) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_low(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        let nibbles = unsafe { _mm256_and_si256(self.0, _mm256_set1_epi8(0x0f)) };
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { _mm256_shuffle_epi8(load_table(table), nibbles) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn saturating_sub(self, byte: u8) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm256_subs_epu8(self.0, _mm256_set1_epi8(byte.cast_signed())) })
    }
}

/// Loads a table into both halves.
///
/// # Safety
///
/// The CPU has AVX2.
#[inline(always)]
unsafe fn load_table(table: &[u8; 16]) -> __m256i {
    // SAFETY: SSE2 is part of x86-64, and the table has 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    // SAFETY: guaranteed by the caller.
    unsafe { _mm256_broadcastsi128_si256(table) }
}
