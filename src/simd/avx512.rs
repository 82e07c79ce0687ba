//! 512-bit vectors of x86-64: AVX-512 F, BW, VL, VBMI and VBMI2, with BMI2.
//!
//! The kernels use no instruction of VBMI2. Its presence identifies CPUs that do not slow down for 512-bit
//! vectors.

use std::arch::x86_64::*;

use super::{
    avx2::Avx2,
    backend::Backend,
    carry::{Carry, InvalidUtf8, Verdict},
    kernel,
    lookup::Classified,
    vector::Vector,
};

/// The length, in bytes, of the longest chunk that is validated without a test for ASCII. The result of the
/// test would vary between short messages, and a misprediction costs more than the validation of two
/// vectors.
const SHORT: usize = 128;

pub(super) static BACKEND: Backend = Backend {
    name: "avx512",
    is_forced: cfg!(wsimd_backend = "avx512"),
    is_available: || {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512vbmi")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("bmi2")
    },
    mask,
    validate,
    unmask_validate,
};

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
unsafe fn mask(source: *const u8, target: *mut u8, len: usize, key: u32) {
    // SAFETY: `Backend` has the contract of the kernel.
    let _ = unsafe { kernel::run::<Avx512, true, false>(source, target, len, key, 0) };
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
unsafe fn validate(source: *const u8, len: usize, carry: u32) -> Verdict {
    if len <= SHORT {
        // SAFETY: `Backend` guarantees that the bytes are valid.
        return unsafe { validate_short(source, len, 0, carry) };
    }
    let target = source.cast_mut();
    // SAFETY: `Backend` has the contract of the kernel, which writes nothing without `MASK`.
    unsafe { kernel::run::<Avx512, false, true>(source, target, len, 0, carry) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
unsafe fn unmask_validate(
    source: *const u8,
    target: *mut u8,
    len: usize,
    key: u32,
    carry: u32,
) -> Verdict {
    if len <= SHORT {
        // SAFETY: `Backend` guarantees that the bytes are valid.
        let verdict = unsafe { validate_short(source, len, key, carry) };
        // SAFETY: `Backend` has the contract of the kernel.
        let _ = unsafe { kernel::run::<Avx512, true, false>(source, target, len, key, 0) };
        return verdict;
    }
    // SAFETY: `Backend` has the contract of the kernel.
    unsafe { kernel::run::<Avx512, true, true>(source, target, len, key, carry) }
}

/// Validates a short chunk as two partially filled vectors.
///
/// The function does not store the vectors, because the next read of the bytes would have to wait for a
/// masked store.
///
/// # Safety
///
/// `source` is valid for reading `len` bytes, at most 128.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the lowest bits are wanted"
)]
unsafe fn validate_short(source: *const u8, len: usize, key: u32, carry: u32) -> Verdict {
    let first_lanes = lanes(len);
    let second_lanes = lanes(len.saturating_sub(64));
    let wide_key = _mm512_set1_epi32(key.cast_signed());
    // SAFETY: only the lanes below `len` are read.
    let first = unsafe { _mm512_maskz_loadu_epi8(first_lanes, source.cast()) };
    let first = _mm512_xor_si512(first, wide_key);
    // SAFETY: only the lanes below `len` are read.
    let second = unsafe { _mm512_maskz_loadu_epi8(second_lanes, source.wrapping_add(64).cast()) };
    let second = _mm512_xor_si512(second, wide_key);

    let before = _mm512_maskz_set1_epi32(0x8000, carry.cast_signed());
    let [before, first_text, second_text] =
        [before, first, second].map(|it| Classified::new(Avx512(it)));
    let first_errors = first_text.errors(before).0;
    let second_errors = second_text.errors(first_text).0;
    let wrong = _mm512_mask_test_epi8_mask(first_lanes, first_errors, first_errors)
        | _mm512_mask_test_epi8_mask(second_lanes, second_errors, second_errors);
    if wrong != 0 {
        return Err(InvalidUtf8);
    }
    let last = if let Some(at) = len.checked_sub(4) {
        // SAFETY: the four bytes are the last of the chunk.
        let word = unsafe { source.wrapping_add(at).cast::<[u8; 4]>().read() };
        u32::from_le_bytes(word) ^ key.rotate_right(8 * (at as u32 % 4))
    } else {
        let word = _mm512_cvtsi512_si32(first).cast_unsigned();
        let text = u64::from(word) << 32 | u64::from(carry);
        (text >> (8 * len)) as u32
    };
    Carry::after(last)
}

/// Returns the mask of the first `len` lanes of 64, and of all lanes from 64 to 128.
#[inline]
#[target_feature(enable = "bmi2")]
#[expect(clippy::cast_possible_truncation, reason = "at most 128")]
fn lanes(len: usize) -> __mmask64 {
    _bzhi_u64(u64::MAX, len as u32)
}

/// A vector of 64 bytes. It exists only if the CPU has the instructions, because the callers of the
/// constructors guarantee them.
#[derive(Clone, Copy)]
pub(super) struct Avx512(__m512i);

// SAFETY: the intrinsics of `load` and `store` access 64 bytes; AVX-512 F includes AVX2.
unsafe impl Vector for Avx512 {
    const LANES: usize = 64;
    /// Up to [`SHORT`] bytes, four vectors of half the size are as fast.
    const SHORTEST: usize = SHORT + 1;

    type Half = Avx2;

    #[inline(always)]
    unsafe fn splat(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm512_set1_epi32(word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn last_lanes(word: u32) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm512_maskz_set1_epi32(0x8000, word.cast_signed()) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: guaranteed by the caller.
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: guaranteed by the caller.
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }

    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_xor_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_or_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_and_si512(self.0, other.0) })
    }

    #[inline(always)]
    fn is_zero(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm512_test_epi8_mask(self.0, self.0) == 0 }
    }

    #[inline(always)]
    fn is_ascii(self) -> bool {
        // SAFETY: the vector exists.
        unsafe { _mm512_movepi8_mask(self.0) == 0 }
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn back(self, previous: Self) -> [Self; 3] {
        [&ONE_BACK, &TWO_BACK, &THREE_BACK].map(|lanes| {
            // SAFETY: the vectors exist, and there are 64 lanes.
            Self(unsafe {
                _mm512_permutex2var_epi8(
                    previous.0,
                    _mm512_loadu_si512(lanes.as_ptr().cast()),
                    self.0,
                )
            })
        })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_high(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_permutexvar_epi8(_mm512_srli_epi16(self.0, 4), load_table(table)) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn lookup_low(self, table: &[u8; 16]) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_permutexvar_epi8(self.0, load_table(table)) })
    }

    #[inline(always)]
    #[expect(clippy::multiple_unsafe_ops_per_block, reason = "arithmetic")]
    fn saturating_sub(self, byte: u8) -> Self {
        // SAFETY: the vector exists.
        Self(unsafe { _mm512_subs_epu8(self.0, _mm512_set1_epi8(byte.cast_signed())) })
    }
}

/// Loads a table four times. A lookup uses six bits of an index, and four copies make the upper two
/// irrelevant.
///
/// # Safety
///
/// The CPU has AVX-512 F.
#[inline(always)]
unsafe fn load_table(table: &[u8; 16]) -> __m512i {
    // SAFETY: SSE2 is part of x86-64, and the table has 16 bytes.
    let table = unsafe { _mm_loadu_si128(table.as_ptr().cast()) };
    // SAFETY: guaranteed by the caller.
    unsafe { _mm512_broadcast_i32x4(table) }
}

const ONE_BACK: [u8; 64] = back(1);
const TWO_BACK: [u8; 64] = back(2);
const THREE_BACK: [u8; 64] = back(3);

/// Returns, for each byte of a vector, the index of the byte `distance` positions before it. Indices count
/// from the first byte of the previous vector, and continue in this one.
const fn back(distance: u8) -> [u8; 64] {
    let mut lanes = [64 - distance; 64];
    let mut i = 1;
    while i < 64 {
        lanes[i] = lanes[i - 1] + 1;
        i += 1;
    }
    lanes
}
