//! 128-bit vectors of wasm32: simd128.
//!
//! There is nothing to detect: the module exists where the whole program is built with them.

use std::arch::wasm32::*;

use super::{
    backend::backend,
    tables::{FIRST_HIGH, FIRST_LOW, FOURTH, SECOND_HIGH, THIRD},
    vector::Vector,
};

backend! {
    name: "simd128",
    vector: Simd128,
    features: "simd128",
    is_available: true,
}

/// Exists only where the CPU has the instructions: the callers of the constructors say so.
#[derive(Clone, Copy)]
pub(super) struct Simd128(v128);

// SAFETY: as the intrinsics say; `Half` is the type itself.
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
        // SAFETY: as the caller says.
        Self(unsafe { v128_load(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as the caller says.
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
    fn errors(self, previous: Self) -> Self {
        let (bytes, previous) = (self.0, previous.0);
        let one_back =
            i8x16_shuffle::<15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30>(
                previous, bytes,
            );
        let two_back =
            i8x16_shuffle::<14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29>(
                previous, bytes,
            );
        let three_back =
            i8x16_shuffle::<13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28>(
                previous, bytes,
            );

        let lookup = |table: &[u8; 16], nibbles| {
            // SAFETY: a table has 16 bytes.
            let table = unsafe { v128_load(table.as_ptr().cast()) };
            u8x16_swizzle(table, nibbles)
        };
        let pair = v128_and(
            v128_and(
                lookup(&FIRST_HIGH, u8x16_shr(one_back, 4)),
                lookup(&FIRST_LOW, v128_and(one_back, u8x16_splat(0x0f))),
            ),
            lookup(&SECOND_HIGH, u8x16_shr(bytes, 4)),
        );
        let required = v128_or(
            u8x16_sub_sat(two_back, u8x16_splat(THIRD)),
            u8x16_sub_sat(three_back, u8x16_splat(FOURTH)),
        );
        let required = v128_and(required, u8x16_splat(0x80));
        Self(v128_xor(pair, required))
    }
}
