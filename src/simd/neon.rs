//! 128-bit vectors of aarch64: NEON.

use std::arch::aarch64::*;

use super::{backend::backend, vector::Vector};

backend! {
    name: "neon",
    vector: Neon,
    features: "neon",
    is_available: std::arch::is_aarch64_feature_detected!("neon"),
}

/// A vector of 16 bytes. It exists only if the CPU has the instructions, because the callers of the
/// constructors guarantee them.
#[derive(Clone, Copy)]
pub(super) struct Neon(uint8x16_t);

// SAFETY: the intrinsics of `load` and `store` access 16 bytes; `Half` is the type itself.
unsafe impl Vector for Neon {
    const LANES: usize = 16;
    const SHORTEST: usize = Self::LANES;

    type Half = Self;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        let words = unsafe { vdupq_n_u32(word) };
        // SAFETY: guaranteed by the caller.
        Self(unsafe { vreinterpretq_u8_u32(words) })
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        let words = [0, 0, 0, word];
        // SAFETY: guaranteed by the caller, and there are four words.
        let words = unsafe { vld1q_u32(words.as_ptr()) };
        // SAFETY: guaranteed by the caller.
        Self(unsafe { vreinterpretq_u8_u32(words) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { vld1q_u8(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { vst1q_u8(to, self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { veorq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { vorrq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { vandq_u8(self.0, other.0) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { vmaxvq_u8(self.0) == 0 }
    }

    #[inline(always)]
    fn is_ascii(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { vmaxvq_u8(self.0) < 0x80 }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn back(self, previous: Self) -> [Self; 3] {
        // SAFETY: the vectors exist.
        unsafe {
            [
                Self(vextq_u8(previous.0, self.0, 15)),
                Self(vextq_u8(previous.0, self.0, 14)),
                Self(vextq_u8(previous.0, self.0, 13)),
            ]
        }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_high(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { vqtbl1q_u8(vld1q_u8(table.as_ptr()), vshrq_n_u8(self.0, 4)) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_low(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        let nibbles = unsafe { vandq_u8(self.0, vdupq_n_u8(0x0f)) };
        // SAFETY: the vector exists, and a table has 16 bytes.
        Self(unsafe { vqtbl1q_u8(vld1q_u8(table.as_ptr()), nibbles) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn saturating_sub(self, byte: u8) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { vqsubq_u8(self.0, vdupq_n_u8(byte)) })
    }
}
