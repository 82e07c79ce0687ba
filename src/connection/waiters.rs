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
    },
    /// Two tasks poll the connection.
    Two(Box<Shared>),
}

#[derive(Debug)]
struct Shared {
    slots: Arc<Slots>,
    /// Wakes the tasks in `slots`.
    waker: Waker,
    /// A task to wake, once the lock of the connection is released.
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
        })
    }

    /// Registers the task that polls `side` from now on.
    #[inline]
    pub(crate) fn enter(&mut self, side: Side, task: &Waker) -> Entered {
        if let State::One { waker, sides } = &mut self.0
            && waker.as_ref().is_some_and(|waker| waker.will_wake(task))
        {
            sides[side as usize] = true;
            return Entered {
                waker: None,
                is_new: false,
            };
        }
        self.enter_other(side, task)
    }

    /// Records that the task on `side` waits no more.
    #[inline]
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
            State::One { waker, sides } if sides[side as usize] => waker.clone(),
            State::One { .. } => None,
            State::Two(shared) => shared.slots.lock()[side as usize].take(),
        }
    }

    /// Wakes the task that waits on `side` once [`take_due`](Self::take_due) is called.
    pub(crate) fn wake(&mut self, side: Side) {
        let waker = self.take(side);
        if let (State::Two(shared), Some(waker)) = (&mut self.0, waker) {
            shared.due = Some(waker);
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
            State::One { waker, sides } => {
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
        let due = match &mut self.0 {
            State::One { waker, .. } => waker.take(),
            State::Two(_) => None,
        };
        self.0 = State::Two(Box::new(Shared {
            slots,
            waker: waker.clone(),
            due,
        }));
        Entered {
            waker: Some(waker),
            is_new: true,
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
