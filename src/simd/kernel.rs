//! The kernel: unmasks a chunk of bytes, validates it, or does both in one pass over memory.
//!
//! All CPUs share one body. [`Vector`] hides their differences, and `MASK` and `CHECK` select the work.
//! Overlapping vectors cover short chunks without a loop, and no byte outside the chunk is accessed.
//! Unmasking a byte twice would mask it again. The kernel therefore loads all overlapping vectors before it
//! stores the first one. The bytes that they share are then written twice, with the same value.

use super::{
    carry::{Carry, InvalidUtf8, Verdict},
    chunk::{Chunk, low_word},
    lookup::Classified,
    vector::Vector,
};

/// The length, in bytes, from which stores are aligned to the vector size. In such chunks, stores across
/// cache lines cost up to half of the time. In shorter chunks, the additional vector for the alignment
/// costs more.
const ALIGN_FROM: usize = 1024;

/// The number of vectors between two tests for ASCII. A mispredicted test costs as much as the validation
/// of two vectors.
const GROUP: usize = 4;

/// The number of lanes of the smallest vectors.
const SMALLEST: usize = 16;

/// Selects the last of four bytes. If that byte is ASCII, no sequence is unfinished.
const NEWEST: u32 = 0xff00_0000;

/// Copies `len` bytes from `source` to `target` and unmasks them with `key` (if `MASK`; otherwise writes
/// nothing). Validates the unmasked bytes as the next bytes of a text after `carry` (if `CHECK`).
///
/// # Safety
///
/// The CPU has the instructions of `V`. `source` is valid for reading `len` bytes. If `MASK`, `target` is
/// valid for writing `len` bytes, and is equal to `source` or does not overlap it.
///
/// If `MASK`, all `len` bytes of `target` are written, even if the text is invalid.
#[inline(always)]
pub(super) unsafe fn run<V: Vector, const MASK: bool, const CHECK: bool>(
    source: *const u8,
    target: *mut u8,
    len: usize,
    key: u32,
    carry: u32,
) -> Verdict {
    let chunk = Chunk::<MASK, CHECK> {
        source,
        target,
        len,
        key,
        carry,
    };
    // SAFETY: `Chunk::run` has the same contract as this function.
    unsafe { chunk.run::<V>() }
}

impl<const MASK: bool, const CHECK: bool> Chunk<MASK, CHECK> {
    /// Processes the chunk with the method for its length.
    ///
    /// # Safety
    ///
    /// As for [`run`](run()).
    #[inline(always)]
    unsafe fn run<V: Vector>(self) -> Verdict {
        const { assert!(V::SHORTEST >= V::LANES && V::LANES >= SMALLEST) };
        let (len, lanes) = (self.len, V::LANES);
        if len < V::SHORTEST {
            if lanes > SMALLEST {
                // SAFETY: as for this method; the instructions of `Half` are among those of `V`.
                return unsafe { self.run::<V::Half>() };
            }
            // SAFETY: `V` has 16 lanes, and `len` is not one vector.
            return unsafe { self.short::<V>() };
        }
        if len <= 4 * lanes {
            // SAFETY: `LANES <= SHORTEST <= len <= 4 * LANES`.
            return unsafe { self.overlapping::<V>() };
        }
        // SAFETY: `len > 4 * LANES`.
        unsafe { self.long::<V>() }
    }

    /// Processes fewer than 16 bytes.
    ///
    /// # Safety
    ///
    /// `V` has 16 lanes.
    #[inline(always)]
    unsafe fn short<V: Vector>(self) -> Verdict {
        match self.len {
            // SAFETY: there are `8..16` bytes.
            8.. => unsafe { self.integers::<V, 8>() },
            // SAFETY: there are `4..8` bytes.
            4.. => unsafe { self.integers::<V, 4>() },
            // SAFETY: there are `2..4` bytes.
            2.. => unsafe { self.integers::<V, 2>() },
            // SAFETY: there is one byte.
            1 => unsafe { self.integers::<V, 1>() },
            0 => Ok(Carry::from_word(self.carry)),
        }
    }

    /// Processes the first `N` and the last `N` bytes, which together are the whole chunk.
    ///
    /// # Safety
    ///
    /// `V` has 16 lanes, and `N <= len <= 2 * N`.
    #[inline(always)]
    unsafe fn integers<V: Vector, const N: usize>(self) -> Verdict {
        let (len, tail) = (self.len, self.len - N);
        // SAFETY: `N <= len`.
        let first = unsafe { self.integer::<N>(0) };
        // SAFETY: `tail + N == len`.
        let last = unsafe { self.integer::<N>(tail) };
        // SAFETY: `N <= len`.
        unsafe { self.store_integer::<N>(first, 0) };
        // SAFETY: `tail + N == len`.
        unsafe { self.store_integer::<N>(last, tail) };
        if !CHECK || (self.carry == 0 && (first | last) & 0x8080_8080_8080_8080 == 0) {
            return Ok(Carry::NONE);
        }
        // `previous` and `text` are two adjacent vectors, which end with the carry and the bytes of the
        // chunk.
        let carry = u128::from(self.carry);
        let previous = carry << (8 * (SMALLEST - len));
        let text = ((carry << 96) >> (8 * len))
            | (u128::from(first) << (8 * (SMALLEST - len)))
            | (u128::from(last) << (8 * (SMALLEST - N)));
        // SAFETY: `V` has as many lanes as the array has bytes.
        let vector = unsafe { V::load(text.to_le_bytes().as_ptr()) };
        // SAFETY: the caller of `run` guarantees that the CPU has the instructions.
        let previous = unsafe { V::last_lanes(low_word(previous)) };
        let errors = Classified::new(vector).errors(Classified::new(previous));
        verdict(errors, low_word(text >> 96))
    }

    /// Processes a chunk of one to four vectors as four vectors, which may overlap. The last two are as far
    /// from the end as the first two are from the start. A branch on the number of vectors would be
    /// mispredicted too often.
    ///
    /// # Safety
    ///
    /// `LANES <= len <= 4 * LANES`.
    #[inline(always)]
    unsafe fn overlapping<V: Vector>(self) -> Verdict {
        let tail = self.len - V::LANES;
        let step = tail.min(V::LANES) & !3;
        let at = [0, step, tail - step, tail];
        let keys = [self.key, self.key, self.key_at(tail), self.key_at(tail)];
        // SAFETY: the caller of `run` guarantees that the CPU has the instructions.
        let zero = unsafe { V::splat(0) };
        let mut vectors = [zero; 4];
        let mut all = zero;
        for i in 0..4 {
            // SAFETY: `at[i] <= tail`, and `tail + LANES == len`.
            vectors[i] = unsafe { self.load(at[i], keys[i]) };
            all = all.or(vectors[i]);
        }
        if !CHECK || (self.carry == 0 && all.is_ascii()) {
            // SAFETY: as for the loads.
            unsafe { self.store_all(vectors, at) };
            return Ok(Carry::NONE);
        }
        let mut errors = zero;
        for i in 0..4 {
            // SAFETY: `at[i] <= tail`, and a vector is longer than four bytes.
            let previous = unsafe { self.before(at[i]) };
            let previous = Classified::new(previous);
            errors = errors.or(Classified::new(vectors[i]).errors(previous));
        }
        // SAFETY: a vector is longer than four bytes.
        let last = unsafe { self.word(self.len - 4) };
        // SAFETY: as for the loads.
        unsafe { self.store_all(vectors, at) };
        verdict(errors, last)
    }

    /// Processes a vector at the start, groups of vectors, single vectors, and a vector at the end.
    ///
    /// # Safety
    ///
    /// `len > 4 * LANES`.
    #[inline(always)]
    unsafe fn long<V: Vector>(self) -> Verdict {
        let (lanes, tail_at) = (V::LANES, self.len - V::LANES);
        let mut at = lanes;
        if MASK && self.len >= ALIGN_FROM {
            at -= self.target.addr() % lanes;
        }
        // Load the vectors that overlap others, and the bytes before them, before the first store.
        // SAFETY: `LANES <= len`.
        let head = unsafe { self.load::<V>(0, self.key) };
        // SAFETY: `tail_at + LANES == len`.
        let tail = unsafe { self.load::<V>(tail_at, self.key_at(tail_at)) };
        // SAFETY: `4 <= len`.
        let before_head = unsafe { self.before::<V>(0) };
        // SAFETY: `at <= LANES`, and there are more than four vectors.
        let before_group = unsafe { self.before::<V>(at) };
        // SAFETY: a vector is longer than four bytes.
        let before_tail = unsafe { self.before::<V>(tail_at) };
        // SAFETY: a vector is longer than four bytes.
        let last = unsafe { self.word(self.len - 4) };
        // SAFETY: the caller of `run` guarantees that the CPU has the instructions.
        let key = unsafe { V::splat(self.key_at(at)) };

        // SAFETY: as above.
        let mut check = unsafe { Check::<V, CHECK>::new(before_head) };
        check.group([head]);
        check.previous = Classified::new(before_group);
        while at + GROUP * lanes <= self.len {
            let mut group = [key; GROUP];
            for (i, vector) in group.iter_mut().enumerate() {
                // SAFETY: `at + GROUP * LANES <= len`.
                *vector = unsafe { self.load_with(at + i * lanes, key) };
                // SAFETY: as above.
                unsafe { self.store(*vector, at + i * lanes) };
            }
            check.group(group);
            at += GROUP * lanes;
        }
        check.end_groups();
        while at < tail_at {
            // SAFETY: `at < tail_at`, and `tail_at + LANES == len`.
            let vector = unsafe { self.load_with(at, key) };
            // SAFETY: as above.
            unsafe { self.store(vector, at) };
            check.single(vector);
            at += lanes;
        }
        check.previous = Classified::new(before_tail);
        check.single(tail);
        // SAFETY: `tail_at + LANES == len`.
        unsafe { self.store(tail, tail_at) };
        // SAFETY: `LANES <= len`.
        unsafe { self.store(head, 0) };
        verdict(check.errors, last)
    }
}

/// The state of validation between vectors. Vectors of ASCII are only tested.
struct Check<V, const CHECK: bool> {
    errors: V,
    /// The vector before the next one. While the input is ASCII, it may be an older vector that ends with
    /// ASCII. Neither has an effect on the next vector.
    previous: Classified<V>,
    /// Contains a byte that is not ASCII if single vectors have to be validated.
    seen: V,
    /// Selects the last lane.
    newest: V,
}

impl<V: Vector, const CHECK: bool> Check<V, CHECK> {
    /// # Safety
    ///
    /// The CPU has the instructions of `V`.
    #[inline(always)]
    unsafe fn new(previous: V) -> Self {
        // SAFETY: guaranteed by the caller.
        let zero = unsafe { V::splat(0) };
        // SAFETY: guaranteed by the caller.
        let newest = unsafe { V::last_lanes(NEWEST) };
        Self {
            errors: zero,
            previous: Classified::new(previous),
            seen: zero,
            newest,
        }
    }

    /// Validates the next vectors, unless all are ASCII and no sequence is unfinished before them.
    #[inline(always)]
    fn group<const N: usize>(&mut self, vectors: [V; N]) {
        let mut all = self.previous.bytes.and(self.newest);
        for vector in vectors {
            all = all.or(vector);
        }
        if CHECK && !all.is_ascii() {
            for vector in vectors {
                self.validate(vector);
            }
        }
    }

    /// Ends the groups. Single vectors follow.
    #[inline(always)]
    fn end_groups(&mut self) {
        self.seen = self.previous.bytes.and(self.newest);
    }

    /// Validates the next vector, unless all vectors since the last group are ASCII. The result of this
    /// test changes at most once.
    #[inline(always)]
    fn single(&mut self, vector: V) {
        self.seen = self.seen.or(vector);
        if CHECK && !self.seen.is_ascii() {
            self.validate(vector);
        }
    }

    #[inline(always)]
    fn validate(&mut self, vector: V) {
        let next = Classified::new(vector);
        self.errors = self.errors.or(next.errors(self.previous));
        self.previous = next;
    }
}

/// Returns the verdict on a chunk, given its errors and the last four bytes of the text so far.
#[inline(always)]
fn verdict<V: Vector>(errors: V, last: u32) -> Verdict {
    if errors.is_zero() {
        Carry::after(last)
    } else {
        Err(InvalidUtf8)
    }
}
