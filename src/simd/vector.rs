//! [`Vector`]: the operations from which the kernel is built.

/// A register full of bytes.
///
/// The constructors are unsafe, because the CPU must have the instructions of the type. Arithmetic is safe,
/// because an existing vector proves that the CPU has the instructions.
///
/// Methods must be `#[inline(always)]`. An intrinsic becomes an instruction only in a function that enables
/// the CPU feature, and is a call in all others.
///
/// # Safety
///
/// `load` and `store` access `LANES` bytes and no others. The instructions of `Half` are among those of the
/// type itself.
pub(super) unsafe trait Vector: Copy {
    /// The number of bytes in a vector.
    const LANES: usize;

    /// The length of the shortest chunk for which these vectors are used, at least `LANES`.
    const SHORTEST: usize;

    /// The vectors for chunks below `SHORTEST`. Vectors of 16 lanes name themselves.
    type Half: Vector;

    /// Repeats the four bytes of `word`, the lowest byte first.
    ///
    /// # Safety
    ///
    /// The CPU has the instructions of this type.
    unsafe fn splat(word: u32) -> Self;

    /// Puts the four bytes of `word` into the last lanes, and zero into the others.
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

    /// Returns the bits that differ.
    fn xor(self, other: Self) -> Self;

    /// Returns the bits that are set in either vector.
    fn or(self, other: Self) -> Self;

    /// Returns the bits that are set in both vectors.
    fn and(self, other: Self) -> Self;

    /// Returns whether no bit is set.
    fn is_zero(self) -> bool;

    /// Returns whether no byte has its top bit set.
    fn is_ascii(self) -> bool;

    /// Returns the bytes one, two and three positions before each byte. `previous` is the vector before
    /// this one.
    fn back(self, previous: Self) -> [Self; 3];

    /// Looks up the high nibble of each byte.
    fn lookup_high(self, table: &[u8; 16]) -> Self;

    /// Looks up the low nibble of each byte.
    fn lookup_low(self, table: &[u8; 16]) -> Self;

    /// Subtracts `byte` from each byte, saturating at zero.
    fn saturating_sub(self, byte: u8) -> Self;
}
