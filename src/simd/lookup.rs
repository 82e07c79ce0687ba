//! [`Classified`]: UTF-8 validation by table lookup.
//!
//! After J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per Byte" (Software:
//! Practice and Experience 51(5), 2021). Each bit of a table is a way in which two neighbouring bytes
//! can be wrong. A table says for one nibble which of them it does not rule out; a pair is wrong in
//! the ways that all three nibbles leave: both of the first byte, and the high one of the second.

use super::vector::Vector;

/// A vector of text, and the ways in which each of its bytes can be wrong as the first of a pair.
#[derive(Clone, Copy)]
pub(super) struct Classified<V> {
    pub(super) bytes: V,
    class: V,
}

impl<V: Vector> Classified<V> {
    /// Looks the bytes up.
    #[inline(always)]
    pub(super) fn new(bytes: V) -> Self {
        let class = bytes
            .lookup_high(&FIRST_HIGH)
            .and(bytes.lookup_low(&FIRST_LOW));
        Self { bytes, class }
    }

    /// Marks the bytes that prove the text invalid, given the vector `previous` to them.
    ///
    /// A byte is judged with the three before it. What a sequence that is unfinished at the end
    /// lacks is the next vector's concern.
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

/// A first byte of a sequence, not followed by a continuation.
const TOO_SHORT: u8 = 1 << 0;
/// A continuation that follows ASCII.
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
/// F5..FF and 80..8F: the bit of the above, told apart by the low nibble of the first byte.
const TOO_LARGE_1000: u8 = OVERLONG_4;
/// Two continuations: wrong unless the byte before them, or the one before that, asks for so many.
///
/// The top bit, so that the test for those bytes can be compared with it.
const TWO_CONTINUATIONS: u8 = 1 << 7;

/// The ways that do not depend on the low nibble of the first byte.
const ANY_LOW: u8 = TOO_SHORT | TOO_LONG | TWO_CONTINUATIONS;

/// By the high nibble of the first byte.
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

/// By the low nibble of the first byte.
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

/// By the high nibble of the second byte.
const SECOND_HIGH: [u8; 16] = {
    const CONTINUATION: u8 = TOO_LONG | OVERLONG_2 | TWO_CONTINUATIONS;
    let mut table = [TOO_SHORT; 16];
    table[0x8] = CONTINUATION | OVERLONG_3 | OVERLONG_4 | TOO_LARGE_1000;
    table[0x9] = CONTINUATION | OVERLONG_3 | TOO_LARGE;
    table[0xa] = CONTINUATION | SURROGATE | TOO_LARGE;
    table[0xb] = CONTINUATION | SURROGATE | TOO_LARGE;
    table
};

/// Subtracted, saturating, from the byte two back: the top bit is then set for E0 and above only.
const THIRD: u8 = 0xe0 - 0x80;

/// Subtracted, saturating, from the byte three back: the top bit is then set for F0 and above only.
const FOURTH: u8 = 0xf0 - 0x80;
