//! [`Shared`]: a connection between two tasks.
//!
//! Either task polls the connection under a lock, which is held for the time of a poll and never while
//! waiting. A stream keeps one waker for reading and one for writing, and both tasks do both: the one
//! that only receives has to write pongs. So the stream is always polled with the same waker, which
//! wakes both tasks.

use std::{
    sync::Arc,
    task::{Context, Wake, Waker},
};

use crate::sync::{Mutex, MutexGuard};

/// One of the two who share a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Read = 0,
    Write = 1,
}

#[derive(Debug)]
pub(crate) struct Shared<T> {
    inner: Mutex<T>,
    wakers: Arc<Wakers>,
    /// Made of `wakers`.
    waker: Waker,
}

/// Who waits: at most one task on each side.
#[derive(Debug, Default)]
struct Wakers(Mutex<[Option<Waker>; 2]>);

impl<T> Shared<T> {
    pub(crate) fn new(inner: T) -> Self {
        let wakers = Arc::<Wakers>::default();
        Self {
            inner: Mutex::new(inner),
            waker: Waker::from(Arc::clone(&wakers)),
            wakers,
        }
    }

    /// Polls the connection for the task on this side, which is woken whenever the stream may go on.
    pub(crate) fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut T, &mut Context<'_>) -> R,
    ) -> R {
        // First: what happens from now on wakes this task.
        self.wakers.register(side, cx.waker());
        poll(&mut self.lock(), &mut Context::from_waker(&self.waker))
    }

    /// Wakes both tasks: for what one of them did that changes what the other waits for, when nothing
    /// need happen on the stream for that.
    pub(crate) fn wake(&self) {
        self.wakers.wake_by_ref();
    }

    /// Locks the connection, for what does not poll its stream.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        lock(&self.inner)
    }

    /// Returns the connection, when nobody shares it any more.
    pub(crate) fn into_inner(self) -> T {
        match self.inner.into_inner() {
            Ok(inner) => inner,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

impl Wakers {
    fn register(&self, side: Side, waker: &Waker) {
        let slot = &mut lock(&self.0)[side as usize];
        match slot {
            Some(registered) => registered.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = std::mem::take(&mut *lock(&self.0));
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}

/// Locks, whatever happened to a task that had locked before.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
