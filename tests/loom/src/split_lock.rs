//! [`SplitLock`]: the lock of `StreamExt::split` of futures. A task that finds it locked leaves its waker, and the
//! task that holds it wakes that waker when it unlocks.

use std::{
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
};

use loom::sync::{Mutex, MutexGuard};

/// A value between at most two tasks.
pub(crate) struct SplitLock<T> {
    state: Mutex<State>,
    /// Never contended: only the task that has locked takes it.
    value: Mutex<T>,
}

#[derive(Default)]
struct State {
    is_locked: bool,
    waiter: Option<Waker>,
}

pub(crate) struct Guard<'a, T> {
    lock: &'a SplitLock<T>,
    value: Option<MutexGuard<'a, T>>,
}

impl<T> SplitLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            state: Mutex::default(),
            value: Mutex::new(value),
        }
    }

    pub(crate) fn poll_lock(&self, cx: &mut Context<'_>) -> Poll<Guard<'_, T>> {
        let mut state = self.state.lock().unwrap();
        if state.is_locked {
            state.waiter = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.is_locked = true;
        drop(state);
        Poll::Ready(Guard {
            lock: self,
            value: Some(self.value.lock().unwrap()),
        })
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().unwrap()
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().unwrap()
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        let waiter = {
            let mut state = self.lock.state.lock().unwrap();
            state.is_locked = false;
            state.waiter.take()
        };
        waiter.into_iter().for_each(Waker::wake);
    }
}
