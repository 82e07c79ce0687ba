//! [`Vector`]: the few operations that the kernel is made of.

/// A register full of bytes.
///
/// Making one is unsafe: the CPU must have the instructions of the type. What takes a vector is
/// safe, because its existence is the proof that they are there.
///
/// Methods are to be `#[inline(always)]`: an intrinsic becomes an instruction only in a function that
/// enables it, and is a call anywhere else.
///
/// # Safety
///
/// `load` and `store` touch `LANES` bytes and no others. The instructions of `Half` are among those
/// of the type itself.
pub(super) unsafe trait Vector: Copy {
    /// The number of bytes.
    const LANES: usize;

    /// The fewest bytes that these vectors are used for, not fewer than `LANES`.
    const SHORTEST: usize;

    /// What fewer bytes than `SHORTEST` are processed with; vectors of 16 lanes name themselves.
    type Half: Vector;

    /// Repeats four bytes, the lowest of the word first.
    ///
    /// # Safety
    ///
    /// The CPU has the instructions of this type.
    unsafe fn splat(word: u32) -> Self;

    /// Puts four bytes into the last lanes, and zero into the others.
    ///
    /// # Safety
    ///
    /// The CPU has the instructions of this type.
    unsafe fn last_lanes(word: u32) -> Self;

    /// Reads `LANES` bytes.
    ///
    /// # Safety
    ///
    /// The CPU has the instructions of this type, and `from` is valid for reading `LANES` bytes.
    unsafe fn load(from: *const u8) -> Self;

    /// Writes `LANES` bytes.
    ///
    /// # Safety
    ///
    /// `to` is valid for writing `LANES` bytes.
    unsafe fn store(self, to: *mut u8);

    /// The bits that differ.
    fn xor(self, other: Self) -> Self;

    /// The bits that either has.
    fn or(self, other: Self) -> Self;

    /// The bits that both have.
    fn and(self, other: Self) -> Self;

    /// Whether no bit is set.
    fn is_zero(self) -> bool;

    /// Whether no byte has its top bit set.
    fn is_ascii(self) -> bool;

    /// The bytes that stand one, two and three before each, of which the first are in `previous`.
    fn back(self, previous: Self) -> [Self; 3];

    /// Looks the high nibble of each byte up.
    fn lookup_high(self, table: &[u8; 16]) -> Self;

    /// Looks the low nibble of each byte up.
    fn lookup_low(self, table: &[u8; 16]) -> Self;

    /// Subtracts from each byte, down to zero.
    fn saturating_sub(self, byte: u8) -> Self;
}
