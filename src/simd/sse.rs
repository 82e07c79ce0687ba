//! 128-bit vectors of x86-64: SSSE3 and SSE4.1.

use std::arch::x86_64::*;

use super::{
    backend::backend,
    tables::{FIRST_HIGH, FIRST_LOW, FOURTH, SECOND_HIGH, THIRD},
    vector::Vector,
};

backend! {
    name: "sse",
    vector: Sse,
    features: "ssse3,sse4.1",
    is_available: is_x86_feature_detected!("ssse3") && is_x86_feature_detected!("sse4.1"),
}

/// Exists only where the CPU has the instructions: the callers of the constructors say so.
#[derive(Clone, Copy)]
pub(super) struct Sse(__m128i);

// SAFETY: as the intrinsics say; `Half` is the type itself.
unsafe impl Vector for Sse {
    const LANES: usize = 16;
    const SHORTEST: usize = Self::LANES;

    type Half = Self;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { _mm_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { _mm_set_epi32(word.cast_signed(), 0, 0, 0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as the caller says.
        Self(unsafe { _mm_loadu_si128(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as the caller says.
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
    #[expect(
        clippy::multiple_unsafe_ops_per_block,
        reason = "arithmetic throughout"
    )]
    fn errors(self, previous: Self) -> Self {
        let (bytes, previous) = (self.0, previous.0);
        // SAFETY: the vectors exist, and a table has 16 bytes.
        unsafe {
            let table = |table: &[u8; 16]| _mm_loadu_si128(table.as_ptr().cast());
            let one_back = _mm_alignr_epi8(bytes, previous, 15);
            let two_back = _mm_alignr_epi8(bytes, previous, 14);
            let three_back = _mm_alignr_epi8(bytes, previous, 13);

            let nibble = _mm_set1_epi8(0x0f);
            let first_high = _mm_and_si128(_mm_srli_epi16(one_back, 4), nibble);
            let first_low = _mm_and_si128(one_back, nibble);
            let second_high = _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble);
            let pair = _mm_and_si128(
                _mm_and_si128(
                    _mm_shuffle_epi8(table(&FIRST_HIGH), first_high),
                    _mm_shuffle_epi8(table(&FIRST_LOW), first_low),
                ),
                _mm_shuffle_epi8(table(&SECOND_HIGH), second_high),
            );
            let required = _mm_or_si128(
                _mm_subs_epu8(two_back, _mm_set1_epi8(THIRD.cast_signed())),
                _mm_subs_epu8(three_back, _mm_set1_epi8(FOURTH.cast_signed())),
            );
            let required = _mm_and_si128(required, _mm_set1_epi8(i8::MIN));
            Self(_mm_xor_si128(pair, required))
        }
    }
}
