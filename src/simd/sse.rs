//! 128-bit vectors of x86-64: SSSE3 and SSE4.1.

use std::arch::x86_64::*;

use super::{backend::backend, vector::Vector};

backend! {
    name: "sse",
    vector: Sse,
    features: "ssse3,sse4.1",
    is_available: is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1"),
}

/// A vector of 16 bytes. It exists only if the CPU has the instructions, because the callers of the
/// constructors guarantee them.
#[derive(Clone, Copy)]
pub(super) struct Sse(__m128i);

// SAFETY: the intrinsics of `load` and `store` access 16 bytes; `Half` is the type itself.
unsafe impl Vector for Sse {
    const LANES: usize = 16;
    const SHORTEST: usize = Self::LANES;

    type Half = Self;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm_set_epi32(word.cast_signed(), 0, 0, 0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm_loadu_si128(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm_storeu_si128(to.cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm_xor_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm_or_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm_and_si128(self.0, other.0) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm_testz_si128(self.0, self.0) == 1 }
    }

    #[inline(always)]
    fn is_ascii(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm_movemask_epi8(self.0) == 0 }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn back(self, previous: Self) -> [Self; 3] {
        // SAFETY: the vectors exist.
        unsafe {
            [
                Self(_mm_alignr_epi8(self.0, previous.0, 15)),
                Self(_mm_alignr_epi8(self.0, previous.0, 14)),
                Self(_mm_alignr_epi8(self.0, previous.0, 13)),
            ]
        }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_high(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        let nibbles = unsafe { _mm_and_si128(_mm_srli_epi16(self.0, 4), _mm_set1_epi8(0x0f)) };
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { _mm_shuffle_epi8(_mm_loadu_si128(table.as_ptr().cast()), nibbles) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_low(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        let nibbles = unsafe { _mm_and_si128(self.0, _mm_set1_epi8(0x0f)) };
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { _mm_shuffle_epi8(_mm_loadu_si128(table.as_ptr().cast()), nibbles) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn saturating_sub(self, byte: u8) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm_subs_epu8(self.0, _mm_set1_epi8(byte.cast_signed())) })
    }
}
