//! 128-bit vectors of wasm32: simd128.
//!
//! No detection is needed, because the module exists only if the whole program is built with simd128.

use std::arch::wasm32::*;

use super::{backend::backend, vector::Vector};

backend! {
    name: "simd128",
    vector: Simd128,
    features: "simd128",
    is_available: true,
}

/// A vector of 16 bytes. It exists only if the CPU has the instructions, because the callers of the
/// constructors guarantee them.
#[derive(Clone, Copy)]
pub(super) struct Simd128(v128);

// SAFETY: the intrinsics of `load` and `store` access 16 bytes; `Half` is the type itself.
unsafe impl Vector for Simd128 {
    const LANES: usize = 16;
    const SHORTEST: usize = Self::LANES;

    type Half = Self;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        Self(i32x4_splat(word.cast_signed()))
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        Self(i32x4(0, 0, 0, word.cast_signed()))
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { v128_load(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { v128_store(to.cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        Self(v128_xor(self.0, other.0))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        Self(v128_or(self.0, other.0))
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        Self(v128_and(self.0, other.0))
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        !v128_any_true(self.0)
    }

    #[inline(always)]
    fn is_ascii(self) -> bool {
        i8x16_bitmask(self.0) == 0
    }

    #[inline(always)]
    fn back(self, previous: Self) -> [Self; 3] {
        let (before, bytes) = (previous.0, self.0);
        [
            Self(i8x16_shuffle::<
                15,
                16,
                17,
                18,
                19,
                20,
                21,
                22,
                23,
                24,
                25,
                26,
                27,
                28,
                29,
                30,
            >(before, bytes)),
            Self(i8x16_shuffle::<
                14,
                15,
                16,
                17,
                18,
                19,
                20,
                21,
                22,
                23,
                24,
                25,
                26,
                27,
                28,
                29,
            >(before, bytes)),
            Self(i8x16_shuffle::<
                13,
                14,
                15,
                16,
                17,
                18,
                19,
                20,
                21,
                22,
                23,
                24,
                25,
                26,
                27,
                28,
            >(before, bytes)),
        ]
    }

    #[inline(always)]
    fn lookup_high(self, table: &[u8; 16]) -> Self {
        Self(u8x16_swizzle(load_table(table), u8x16_shr(self.0, 4)))
    }

    #[inline(always)]
    fn lookup_low(self, table: &[u8; 16]) -> Self {
        let nibbles = v128_and(self.0, u8x16_splat(0x0f));
        Self(u8x16_swizzle(load_table(table), nibbles))
    }

    #[inline(always)]
    fn saturating_sub(self, byte: u8) -> Self {
        Self(u8x16_sub_sat(self.0, u8x16_splat(byte)))
    }
}

#[inline(always)]
fn load_table(table: &[u8; 16]) -> v128 {
    // SAFETY: the table has 16 bytes.
    unsafe { v128_load(table.as_ptr().cast()) }
}
