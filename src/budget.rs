//! [`Budget`]: the memory of unfinished messages, over all connections of a server.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::frame::ProtocolError;

/// The memory that the unfinished received messages of many connections may take together.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    /// The sum of all shares, in bytes. INVARIANT: at most `limit`.
    used: AtomicUsize,
}

/// The part of a budget that one message uses. Dropping it returns the part.
#[derive(Debug)]
pub(crate) struct Share {
    /// `None` for no limit.
    budget: Option<Arc<Budget>>,
    bytes: usize,
}

impl Budget {
    /// Creates a budget of `limit` bytes.
    #[cfg_attr(
        not(any(feature = "server", test)),
        expect(dead_code, reason = "for servers")
    )]
    pub(crate) const fn new(limit: usize) -> Self {
        Self {
            limit,
            used: AtomicUsize::new(0),
        }
    }

    /// Returns the number of bytes in use.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes`, unless fewer are left. No other memory depends on the counter.
    fn take(&self, bytes: usize) -> Result<(), ProtocolError> {
        let within = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        match (self.used).fetch_update(Ordering::Relaxed, Ordering::Relaxed, within) {
            Ok(_) => Ok(()),
            Err(_) => Err(ProtocolError::TooManyUnfinishedBytes {
                limit: self.limit as u64,
            }),
        }
    }
}

impl Share {
    /// A share of no budget, which is not limited.
    pub(crate) const UNLIMITED: Self = Self {
        budget: None,
        bytes: 0,
    };

    /// Creates an empty share.
    pub(crate) const fn new(budget: Option<Arc<Budget>>) -> Self {
        Self { budget, bytes: 0 }
    }

    /// Returns all bytes of the share but these.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        if let Some(budget) = &self.budget {
            let returned = self.bytes.saturating_sub(bytes);
            budget.used.fetch_sub(returned, Ordering::Relaxed);
            self.bytes -= returned;
        }
    }

    /// Adds `bytes` to the share.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::TooManyUnfinishedBytes`] if the budget has fewer bytes left. The share is unchanged.
    #[inline]
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), ProtocolError> {
        if let Some(budget) = &self.budget {
            budget.take(bytes)?;
            self.bytes += bytes;
        }
        Ok(())
    }
}

impl Drop for Share {
    #[inline]
    fn drop(&mut self) {
        if let Some(budget) = &self.budget {
            budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_stay_within_the_limit_and_return_their_bytes() {
        let budget = Arc::new(Budget::new(100));
        let mut first = Share::new(Some(Arc::clone(&budget)));
        let mut second = Share::new(Some(Arc::clone(&budget)));
        assert_eq!(first.grow(60), Ok(()));
        let full = Err(ProtocolError::TooManyUnfinishedBytes { limit: 100 });
        assert_eq!(second.grow(41), full);
        assert_eq!(second.grow(usize::MAX), full);
        assert_eq!(budget.used(), 60, "a failed growth took bytes");
        assert_eq!(second.grow(40), Ok(()));
        drop(first);
        assert_eq!(budget.used(), 40);
        drop(second);
        assert_eq!(budget.used(), 0);
    }
}
