//! [`Waiters`]: the tasks that wait for a connection.
//!
//! A stream keeps one waker for reading and one for writing. Every wait of a connection reads and
//! writes, so two tasks that poll one connection would replace each other's wakers. The connection
//! therefore owns the wakers of both tasks, and polls its stream with one that wakes both. A connection
//! that one task polls needs none of this and allocates nothing.

use std::{
    mem,
    sync::Arc,
    task::{Wake, Waker},
};

use crate::sync::{Mutex, MutexGuard};

/// The side of a connection that a task polls: at most one task polls each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read = 0,
    Write = 1,
}

impl Side {
    /// Returns the side of the other task.
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Read => Self::Write,
            Self::Write => Self::Read,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Waiters(State);

#[derive(Debug)]
enum State {
    /// One task polls the connection, or none has polled it yet.
    One {
        waker: Option<Waker>,
        /// Whether the task waits on each side.
        sides: [bool; 2],
        /// As [`Shared::defers`].
        defers: bool,
    },
    /// Two tasks poll the connection.
    Two(Box<Shared>),
}

#[derive(Debug)]
struct Shared {
    slots: Arc<Slots>,
    /// Wakes the tasks in `slots`.
    waker: Waker,
    /// Whether tasks are woken by [`Waiters::take_due`], because a lock is held until then.
    defers: bool,
    due: Option<Waker>,
}

/// The waker of the waiting task on each side.
#[derive(Debug, Default)]
struct Slots(Mutex<[Option<Waker>; 2]>);

/// How a task polls the stream.
#[derive(Debug)]
pub(crate) struct Entered {
    /// The waker for the stream; `None` for the task's own.
    pub(crate) waker: Option<Waker>,
    /// Whether the waker differs from the one of the last poll.
    pub(crate) is_new: bool,
}

impl Waiters {
    /// Creates the state of a connection that no task has polled.
    pub(crate) const fn new() -> Self {
        Self(State::One {
            waker: None,
            sides: [false; 2],
            defers: false,
        })
    }

    /// Sets whether a poll leaves the task that it has to wake to [`take_due`](Self::take_due), because
    /// the connection is polled under a lock.
    pub(crate) fn set_defers(&mut self, value: bool) {
        match &mut self.0 {
            State::One { defers, .. } => *defers = value,
            State::Two(shared) => shared.defers = value,
        }
    }

    /// Returns whether no other task than this one polls the connection, and it has polled before.
    #[inline]
    pub(crate) fn is_alone(&self, task: &Waker) -> bool {
        match &self.0 {
            State::One { waker, .. } => waker.as_ref().is_some_and(|waker| waker.will_wake(task)),
            State::Two(_) => false,
        }
    }

    /// Records whether the only task waits on `side`.
    #[inline]
    pub(crate) fn set_waiting(&mut self, side: Side, waits: bool) {
        if let State::One { sides, .. } = &mut self.0 {
            sides[side as usize] = waits;
        }
    }

    /// Registers the task that polls `side` from now on.
    pub(crate) fn enter(&mut self, side: Side, task: &Waker) -> Entered {
        if self.is_alone(task) {
            self.set_waiting(side, true);
            return Entered {
                waker: None,
                is_new: false,
            };
        }
        self.enter_other(side, task)
    }

    /// Records that the task on `side` waits no more.
    pub(crate) fn leave(&mut self, side: Side) {
        match &mut self.0 {
            State::One { sides, .. } => sides[side as usize] = false,
            State::Two(shared) => {
                let waker = shared.slots.lock()[side as usize].take();
                drop(waker);
            }
        }
    }

    /// Returns whether another task waits on `side`.
    pub(crate) fn is_waiting(&self, side: Side) -> bool {
        match &self.0 {
            State::One { .. } => false,
            State::Two(shared) => shared.slots.lock()[side as usize].is_some(),
        }
    }

    /// Returns the waker of the task that waits on `side`, to be woken once the lock of the connection is
    /// released.
    pub(crate) fn take(&mut self, side: Side) -> Option<Waker> {
        match &mut self.0 {
            State::One { waker, sides, .. } if sides[side as usize] => waker.clone(),
            State::One { .. } => None,
            State::Two(shared) => shared.slots.lock()[side as usize].take(),
        }
    }

    /// Wakes the second task, if it waits on `side`.
    pub(crate) fn wake(&mut self, side: Side) {
        let State::Two(shared) = &mut self.0 else {
            return;
        };
        let waker = shared.slots.lock()[side as usize].take();
        if let Some(waker) = waker {
            shared.wake(waker);
        }
    }

    /// Returns the task to wake, once the lock of the connection is released.
    #[inline]
    pub(crate) fn take_due(&mut self) -> Option<Waker> {
        match &mut self.0 {
            State::One { .. } => None,
            State::Two(shared) => shared.due.take(),
        }
    }

    #[cold]
    fn enter_other(&mut self, side: Side, task: &Waker) -> Entered {
        match &mut self.0 {
            State::One { waker, sides, .. } => {
                let other_waits = sides[side.other() as usize];
                if waker.is_some() && other_waits {
                    return self.enter_second(side, task);
                }
                // The first task, or the task of this side has changed.
                *waker = Some(task.clone());
                *sides = [false; 2];
                sides[side as usize] = true;
                Entered {
                    waker: None,
                    is_new: true,
                }
            }
            State::Two(shared) => {
                shared.slots.register(side, task);
                Entered {
                    waker: Some(shared.waker.clone()),
                    is_new: false,
                }
            }
        }
    }

    /// Registers a second task. The first one is woken: it registers again if it still waits, so that both
    /// directions of the stream wake both tasks.
    fn enter_second(&mut self, side: Side, task: &Waker) -> Entered {
        let slots = Arc::<Slots>::default();
        slots.register(side, task);
        let waker = Waker::from(Arc::clone(&slots));
        let mut shared = Box::new(Shared {
            slots,
            waker: waker.clone(),
            defers: false,
            due: None,
        });
        if let State::One {
            waker: Some(first),
            defers,
            ..
        } = &self.0
        {
            shared.defers = *defers;
            shared.wake(first.clone());
        }
        self.0 = State::Two(shared);
        Entered {
            waker: Some(waker),
            is_new: true,
        }
    }
}

impl Shared {
    fn wake(&mut self, waker: Waker) {
        if self.defers {
            self.due = Some(waker);
        } else {
            waker.wake();
        }
    }
}

impl Slots {
    fn register(&self, side: Side, task: &Waker) {
        match &mut self.lock()[side as usize] {
            Some(waker) => waker.clone_from(task),
            slot => *slot = Some(task.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        lock(&self.0)
    }
}

impl Wake for Slots {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = mem::take(&mut *self.lock());
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}

/// Locks, even if a task has panicked while it held the lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    match mutex.lock() {
        Ok(guard) => guard,
        Err(poisoned) => poisoned.into_inner(),
    }
}
