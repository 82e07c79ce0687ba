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

/// The tasks on both sides.
#[derive(Debug, Default)]
struct Slots(Mutex<[Slot; 2]>);

/// The task on one side. Its waker stays for the next wait.
#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    waits: bool,
}

/// How a task polls the stream.
#[derive(Debug)]
pub(crate) struct Entered<'a> {
    /// The waker for the stream. It wakes all tasks that wait.
    pub(crate) waker: &'a Waker,
    /// Whether the waker differs from the one of the last poll.
    pub(crate) is_new: bool,
    /// Whether another task waits on the other side.
    pub(crate) other_waits: bool,
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
    pub(crate) fn enter(&mut self, side: Side, task: &Waker) -> Entered<'_> {
        let is_new = self.admit(side, task);
        match &mut self.0 {
            State::One { waker, sides, .. } => {
                sides[side as usize] = true;
                Entered {
                    waker: waker.get_or_insert_with(|| task.clone()),
                    is_new,
                    other_waits: false,
                }
            }
            State::Two(shared) => Entered {
                other_waits: shared.slots.register(side, task),
                waker: &shared.waker,
                is_new,
            },
        }
    }

    /// Records that the task on `side` waits no more.
    pub(crate) fn leave(&mut self, side: Side) {
        match &mut self.0 {
            State::One { sides, .. } => sides[side as usize] = false,
            State::Two(shared) => shared.slots.lock()[side as usize].waits = false,
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

    /// Lets the task poll the stream. Returns whether the waker of the stream changes.
    fn admit(&mut self, side: Side, task: &Waker) -> bool {
        let State::One {
            waker,
            sides,
            defers,
        } = &mut self.0
        else {
            return false;
        };
        let Some(first) = waker.take_if(|waker| !waker.will_wake(task)) else {
            return waker.is_none();
        };
        if !sides[side.other() as usize] {
            // The task of this side has changed.
            *sides = [false; 2];
            return true;
        }
        let mut shared = Box::new(Shared::new(*defers));
        // The first task registers again if it still waits, so that both directions of the stream wake both
        // tasks.
        shared.wake(first);
        self.0 = State::Two(shared);
        true
    }
}

impl Shared {
    fn new(defers: bool) -> Self {
        let slots = Arc::<Slots>::default();
        Self {
            waker: Waker::from(Arc::clone(&slots)),
            slots,
            defers,
            due: None,
        }
    }

    fn wake(&mut self, waker: Waker) {
        if self.defers {
            self.due = Some(waker);
        } else {
            waker.wake();
        }
    }
}

impl Slots {
    /// Registers a task that waits on `side`. Returns whether the other side has a task that waits.
    fn register(&self, side: Side, task: &Waker) -> bool {
        let mut slots = self.lock();
        let other_waits = slots[side.other() as usize].waits;
        let slot = &mut slots[side as usize];
        slot.waits = true;
        let known = slot.waker.as_ref().is_some_and(|it| it.will_wake(task));
        let replaced = if known {
            None
        } else {
            slot.waker.replace(task.clone())
        };
        drop(slots);
        // The last waker of a task drops the task, which may wake others.
        drop(replaced);
        other_waits
    }

    fn lock(&self) -> MutexGuard<'_, [Slot; 2]> {
        lock(&self.0)
    }
}

impl Slot {
    /// Returns the waker of the task, if it waits.
    fn take(&mut self) -> Option<Waker> {
        if !mem::replace(&mut self.waits, false) {
            return None;
        }
        self.waker.clone()
    }
}

impl Wake for Slots {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let wakers = self.lock().each_mut().map(Slot::take);
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
