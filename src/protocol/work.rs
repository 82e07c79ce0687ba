//! [`Work`]: the work of one call, and its limit.

/// The work of one poll of a connection, in bytes moved: about a millisecond.
#[cfg(feature = "tokio")]
const OF_A_POLL: usize = 8 << 20;

/// The cost of a piece of a frame beside its bytes.
const PIECE: usize = 512;

/// The cost of a byte that extensions decode: inflating is so much slower than moving.
const DECODED: usize = 16;

/// The work that a call has done, in bytes moved, and its limit. After the limit other tasks run.
#[derive(Debug)]
pub(crate) struct Work {
    done: usize,
    limit: usize,
    is_paused: bool,
}

impl Work {
    /// Creates the work of a call that other tasks wait for, however long it takes.
    pub(crate) const fn unlimited() -> Self {
        Self::new(usize::MAX)
    }

    /// Creates the work of one poll of a connection.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) const fn of_a_poll() -> Self {
        Self::new(OF_A_POLL)
    }

    #[inline]
    const fn new(limit: usize) -> Self {
        Self {
            done: 0,
            limit,
            is_paused: false,
        }
    }

    /// Returns whether the call has to return soon.
    #[inline]
    pub(crate) const fn is_done(&self) -> bool {
        self.done >= self.limit
    }

    /// Counts work, in bytes moved.
    #[inline]
    pub(crate) const fn spend(&mut self, bytes: usize) {
        self.done = self.done.saturating_add(bytes);
    }

    /// Counts a piece of a frame.
    pub(super) const fn piece(&mut self) {
        self.spend(PIECE);
    }

    /// Returns how many bytes may be decoded.
    pub(super) const fn decodable(&self) -> u64 {
        (self.limit.saturating_sub(self.done) / DECODED) as u64
    }

    /// Counts decoded bytes.
    pub(super) fn decode(&mut self, bytes: u64) {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        self.spend(bytes.saturating_mul(DECODED));
    }

    /// Returns whether the work is done. Notes that the call stops for this reason, if it is.
    pub(super) const fn take_pause(&mut self) -> bool {
        self.is_paused = self.is_done();
        self.is_paused
    }

    /// Returns the work so far.
    #[cfg(feature = "tokio")]
    #[inline]
    pub(crate) const fn done(&self) -> usize {
        self.done
    }

    /// Returns whether the call has stopped because the work is done.
    #[cfg(feature = "tokio")]
    pub(crate) const fn is_paused(&self) -> bool {
        self.is_paused
    }
}
