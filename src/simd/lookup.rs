//! [`Classified`]: UTF-8 validation by table lookup.
//!
//! After J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (Software:
//! Practice and Experience 51(5), 2021).
//!
//! Each bit of a table stands for one kind of error in a pair of neighbouring bytes. A table maps a nibble
//! to the errors that the nibble does not rule out. Three nibbles are looked up: both nibbles of the first
//! byte, and the high nibble of the second. The pair has the errors that all three lookups return.

use super::vector::Vector;

/// A vector of text, with the possible errors of each byte as the first byte of a pair.
#[derive(Clone, Copy)]
pub(super) struct Classified<V> {
    pub(super) bytes: V,
    class: V,
}

impl<V: Vector> Classified<V> {
    /// Looks up the possible errors of each byte.
    #[inline(always)]
    pub(super) fn new(bytes: V) -> Self {
        let class = bytes
            .lookup_high(&FIRST_HIGH)
            .and(bytes.lookup_low(&FIRST_LOW));
        Self { bytes, class }
    }

    /// Returns a vector whose nonzero bytes prove the text invalid. `previous` is the vector before this
    /// one.
    ///
    /// A byte is judged with the three bytes before it. A sequence that is unfinished at the end of this
    /// vector is judged with the next vector.
    #[inline(always)]
    pub(super) fn errors(self, previous: Self) -> V {
        let [first, _, _] = self.class.back(previous.class);
        let pair = first.and(self.bytes.lookup_high(&SECOND_HIGH));
        let [_, two_back, three_back] = self.bytes.back(previous.bytes);
        let required = two_back
            .saturating_sub(THIRD)
            .or(three_back.saturating_sub(FOURTH));
        // SAFETY: vectors exist, so the CPU has their instructions.
        let top_bits = unsafe { V::splat(0x8080_8080) };
        pair.xor(required.and(top_bits))
    }
}

/// The first byte of a sequence without a continuation byte after it.
const TOO_SHORT: u8 = 1 << 0;
/// A continuation byte after ASCII.
const TOO_LONG: u8 = 1 << 1;
/// E0 and 80..9F.
const OVERLONG_3: u8 = 1 << 2;
/// F4 and 90..BF, or F5..FF and 90..BF.
const TOO_LARGE: u8 = 1 << 3;
/// ED and A0..BF.
const SURROGATE: u8 = 1 << 4;
/// C0 or C1.
const OVERLONG_2: u8 = 1 << 5;
/// F0 and 80..8F.
const OVERLONG_4: u8 = 1 << 6;
/// F5..FF and 80..8F. Shares the bit of `OVERLONG_4`: the low nibble of the first byte distinguishes them.
const TOO_LARGE_1000: u8 = OVERLONG_4;
/// Two continuation bytes. They are wrong unless the byte before them is E0 or above, or the byte before
/// that is F0 or above.
///
/// This is the top bit, so that it can be compared with the test for those two bytes.
const TWO_CONTINUATIONS: u8 = 1 << 7;

/// The errors that do not depend on the low nibble of the first byte.
const ANY_LOW: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;

/// The possible errors by the high nibble of the first byte.
const FIRST_HIGH: [u8; 16] = {
    let mut table = [TOO_LONG; 16];
    table[0x8] = TWO_CONTINUATIONS;
    table[0x9] = TWO_CONTINUATIONS;
    table[0xa] = TWO_CONTINUATIONS;
    table[0xb] = TWO_CONTINUATIONS;
    table[0xc] = TOO_SHORT | OVERLONG_2;
    table[0xd] = TOO_SHORT;
    table[0xe] = TOO_SHORT | OVERLONG_3 | SURROGATE;
    table[0xf] = TOO_SHORT | OVERLONG_4 | TOO_LARGE | TOO_LARGE_1000;
    table
};

/// The possible errors by the low nibble of the first byte.
const FIRST_LOW: [u8; 16] = {
    let mut table = [ANY_LOW | TOO_LARGE | TOO_LARGE_1000; 16];
    table[0x0] = ANY_LOW | OVERLONG_2 | OVERLONG_3 | OVERLONG_4;
    table[0x1] = ANY_LOW | OVERLONG_2;
    table[0x2] = ANY_LOW;
    table[0x3] = ANY_LOW;
    table[0x4] = ANY_LOW | TOO_LARGE;
    table[0xd] |= SURROGATE;
    table
};

/// The possible errors by the high nibble of the second byte.
const SECOND_HIGH: [u8; 16] = {
    const CONTINUATION: u8 = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS;
    let mut table = [TOO_SHORT; 16];
    table[0x8] = CONTINUATION | OVERLONG_3 | OVERLONG_4 | TOO_LARGE_1000;
    table[0x9] = CONTINUATION | OVERLONG_3 | TOO_LARGE;
    table[0xa] = CONTINUATION | SURROGATE | TOO_LARGE;
    table[0xb] = CONTINUATION | SURROGATE | TOO_LARGE;
    table
};

/// Subtracted, saturating, from the byte two back. The top bit of the result is set only for E0 and above.
const THIRD: u8 = 0xe0 - 0x80;

/// Subtracted, saturating, from the byte three back. The top bit of the result is set only for F0 and
/// above.
const FOURTH: u8 = 0xf0 - 0x80;
