//! [`Chunk`]: the bytes that the kernel processes, and all accesses to them.

use super::vector::Vector;

/// The arguments of [`kernel::run`](super::kernel::run).
///
/// All unsafe methods rely on the contract of `run`: `source` and, if `MASK`, `target` are valid for `len`
/// bytes, and the CPU has the instructions of `V`. Each method documents its further requirements.
#[derive(Clone, Copy)]
pub(super) struct Chunk<const MASK: bool, const CHECK: bool> {
    pub(super) source: *const u8,
    pub(super) target: *mut u8,
    pub(super) len: usize,
    pub(super) key: u32,
    pub(super) carry: u32,
}

impl<const MASK: bool, const CHECK: bool> Chunk<MASK, CHECK> {
    /// Returns the key, rotated so that it applies from byte `at` on.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "below four")]
    pub(super) fn key_at(self, at: usize) -> u32 {
        self.key.rotate_right(8 * (at % 4) as u32)
    }

    /// Loads a vector and unmasks it with a key that applies from byte `at` on.
    ///
    /// # Safety
    ///
    /// `at + V::LANES <= len`.
    #[inline(always)]
    pub(super) unsafe fn load<V: Vector>(self, at: usize, key: u32) -> V {
        // SAFETY: the caller of `run` guarantees that the CPU has the instructions.
        let key = unsafe { V::splat(key) };
        // SAFETY: guaranteed by the caller.
        unsafe { self.load_with(at, key) }
    }

    /// Loads a vector and unmasks it with a vector of the repeated key.
    ///
    /// # Safety
    ///
    /// `at + V::LANES <= len`.
    #[inline(always)]
    pub(super) unsafe fn load_with<V: Vector>(self, at: usize, key: V) -> V {
        debug_assert!(at + V::LANES <= self.len);
        // SAFETY: the caller guarantees that all lanes lie in `source`.
        let vector = unsafe { V::load(self.source.wrapping_add(at)) };
        if MASK { vector.xor(key) } else { vector }
    }

    /// Stores a vector.
    ///
    /// # Safety
    ///
    /// `at + V::LANES <= len`.
    #[inline(always)]
    pub(super) unsafe fn store<V: Vector>(self, vector: V, at: usize) {
        debug_assert!(at + V::LANES <= self.len);
        if MASK {
            // SAFETY: the caller guarantees that all lanes lie in `target`.
            unsafe { vector.store(self.target.wrapping_add(at)) };
        }
    }

    /// Stores four vectors.
    ///
    /// # Safety
    ///
    /// `at + V::LANES <= len` for each position.
    #[inline(always)]
    pub(super) unsafe fn store_all<V: Vector>(self, vectors: [V; 4], at: [usize; 4]) {
        for i in 0..4 {
            // SAFETY: guaranteed by the caller.
            unsafe { self.store(vectors[i], at[i]) };
        }
    }

    /// Loads `N` bytes, at most eight, and unmasks them. The first byte becomes the lowest of the integer.
    ///
    /// # Safety
    ///
    /// `at + N <= len`.
    #[inline(always)]
    pub(super) unsafe fn integer<const N: usize>(self, at: usize) -> u64 {
        debug_assert!(at + N <= self.len);
        let source = self.source.wrapping_add(at).cast::<[u8; N]>();
        // SAFETY: the caller guarantees that the bytes lie in `source`; an array of bytes needs no alignment.
        let bytes = unsafe { source.read() };
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&bytes);
        let integer = u64::from_le_bytes(wide);
        if !MASK {
            return integer;
        }
        let key = u64::from(self.key_at(at));
        (integer ^ (key << 32 | key)) & (u64::MAX >> (64 - 8 * N))
    }

    /// Stores the lowest `N` bytes of an integer, the lowest byte first.
    ///
    /// # Safety
    ///
    /// `at + N <= len`.
    #[inline(always)]
    pub(super) unsafe fn store_integer<const N: usize>(self, integer: u64, at: usize) {
        debug_assert!(at + N <= self.len);
        if MASK {
            let mut bytes = [0; N];
            bytes.copy_from_slice(&integer.to_le_bytes()[..N]);
            let target = self.target.wrapping_add(at).cast::<[u8; N]>();
            // SAFETY: the caller guarantees that the bytes lie in `target`.
            unsafe { target.write(bytes) };
        }
    }

    /// Loads four bytes and unmasks them.
    ///
    /// # Safety
    ///
    /// `at + 4 <= len`.
    #[inline(always)]
    pub(super) unsafe fn word(self, at: usize) -> u32 {
        // SAFETY: guaranteed by the caller.
        low_word(u128::from(unsafe { self.integer::<4>(at) }))
    }

    /// Returns a vector whose last lanes are the four bytes of the text before byte `at`. They come from
    /// the carry, from the chunk, or from both.
    ///
    /// # Safety
    ///
    /// `at + 4 <= len`.
    #[inline(always)]
    pub(super) unsafe fn before<V: Vector>(self, at: usize) -> V {
        let word = if at < 4 {
            // SAFETY: the caller guarantees that there are four bytes.
            let first = unsafe { self.integer::<4>(0) };
            let joined = u128::from(first << 32 | u64::from(self.carry));
            low_word(joined >> (8 * at))
        } else {
            // SAFETY: `4 <= at`, and `at <= len`.
            unsafe { self.word(at - 4) }
        };
        // SAFETY: the caller of `run` guarantees that the CPU has the instructions.
        unsafe { V::last_lanes(word) }
    }
}

/// Returns the lowest four bytes.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the rest is not wanted")]
pub(super) fn low_word(wide: u128) -> u32 {
    wide as u32
}
