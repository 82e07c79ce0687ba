//! [`State`]: the state of an inbox, as its lock guards it.

use std::{
    collections::VecDeque,
    ops::{Deref, DerefMut},
    task::Waker,
};

use tokio::time::Instant;

use super::{Command, Refusal};
use crate::{config::Config, message::Message, protocol::Closed, sync::MutexGuard};

/// The number of entries whose memory an empty queue keeps.
const KEPT: usize = 4;

pub(super) struct State {
    pub(super) limits: Room,
    /// The room that the messages of `queue` and the granted sends take.
    pub(super) used: Room,
    pub(super) queue: VecDeque<Message>,
    /// The sends that wait for room, oldest first.
    ///
    /// INVARIANT: there is no room for the first one when the lock is released.
    pub(super) senders: Waiters,
    /// When a message was last taken out while sends waited.
    pub(super) last_taken: Option<Instant>,
    pub(super) phase: Phase,
    pub(super) command: Option<Box<Command>>,
    /// The Close frames so far, as the connection has reported them.
    pub(super) closed: Option<Box<Closed>>,
    /// The Close frames as they will be once `command` has been carried out.
    pub(super) requested: Option<Box<Closed>>,
    /// The tasks that wait for the end of the connection.
    pub(super) watchers: Waiters,
}

/// The part of an inbox under its lock. An inbox that no handle has used owns no `State`.
#[derive(Default)]
pub(super) struct Lazy {
    /// The task that polls the connection. A handle that sets `work` takes it.
    pub(super) waker: Option<Waker>,
    state: Option<Box<State>>,
}

impl Lazy {
    /// Returns whether no message is accepted any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state.as_ref().is_some_and(|state| state.is_closed())
    }

    #[cold]
    fn create(&mut self, config: &Config) {
        let limits = Room {
            messages: config.settings.inbox_size,
            bytes: config.settings.inbox_bytes,
        };
        self.state = Some(Box::new(State::new(limits)));
    }
}

/// The state of an inbox, while its lock is held.
pub(super) struct Locked<'a>(MutexGuard<'a, Lazy>);

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(mut lazy: MutexGuard<'a, Lazy>, config: &Config) -> Self {
        if lazy.state.is_none() {
            lazy.create(config);
        }
        Self(lazy)
    }

    /// Takes the task that polls the connection.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.0.waker.take()
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        match &self.0.state {
            Some(state) => state,
            None => unreachable!("`new` has created the state"),
        }
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        match &mut self.0.state {
            Some(state) => state,
            None => unreachable!("`new` has created the state"),
        }
    }
}

/// A number of messages and of bytes.
#[derive(Clone, Copy, Default)]
pub(super) struct Room {
    pub(super) messages: usize,
    pub(super) bytes: usize,
}

/// The progress of the connection towards its end. A phase refuses the requests that lead to it or to an
/// earlier phase.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Messages are accepted.
    Open,
    /// A Close frame follows the messages of the queue.
    Closing,
    /// A Close frame is next, or was sent.
    ClosingNow,
    /// The connection ends without a Close frame.
    Aborted,
    /// The connection has ended.
    Ended,
}

impl State {
    pub(super) fn new(limits: Room) -> Self {
        Self {
            limits,
            used: Room::default(),
            queue: VecDeque::new(),
            senders: Waiters::default(),
            last_taken: None,
            phase: Phase::Open,
            command: None,
            closed: None,
            requested: None,
            watchers: Waiters::default(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase != Phase::Open
    }

    /// Returns the Close frames of a connection that has ended, is closed by the peer or is aborted. `None` while this
    /// side closes it.
    pub(super) fn refusal(&self) -> Refusal {
        let closed = self.close_frames();
        let is_closing = closed.sent.is_some() && closed.received.is_none();
        (self.phase == Phase::Ended || !is_closing).then_some(closed)
    }

    /// Returns the Close frames so far.
    pub(super) fn close_frames(&self) -> Box<Closed> {
        let closed = self.closed.as_ref().or(self.requested.as_ref());
        closed.cloned().unwrap_or_default()
    }

    /// Returns whether there is room for a message of `len` bytes. Every message fits into an empty inbox.
    pub(super) const fn fits(&self, len: usize) -> bool {
        let bytes = self.limits.bytes.saturating_sub(self.used.bytes);
        self.used.messages < self.limits.messages && (len <= bytes || self.used.messages == 0)
    }

    /// Takes the oldest message out.
    pub(super) fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        release_empty(&mut self.queue);
        self.used.subtract(message.len());
        Some(message)
    }

    /// Takes the oldest message out, and its size off `allowance`. A message may exceed the bytes that
    /// are left.
    pub(super) fn pop_within(&mut self, allowance: &mut Room) -> Option<Message> {
        if allowance.messages == 0 || allowance.bytes == 0 {
            return None;
        }
        let message = self.pop()?;
        allowance.messages -= 1;
        allowance.bytes = allowance.bytes.saturating_sub(message.len());
        Some(message)
    }

    /// Grants free room to the sends that wait. Returns the wakers of their tasks.
    #[must_use]
    pub(super) fn grant(&mut self) -> Vec<Waker> {
        let mut granted = Vec::new();
        while let Some(len) = self.senders.first()
            && self.fits(len)
        {
            self.used.add(len);
            granted.extend(self.senders.pop());
        }
        granted
    }
}

impl Room {
    pub(super) const fn add(&mut self, len: usize) {
        self.messages += 1;
        self.bytes += len;
    }

    pub(super) const fn subtract(&mut self, len: usize) {
        self.messages -= 1;
        self.bytes -= len;
    }
}

/// Tasks that wait, oldest first.
#[derive(Default)]
pub(super) struct Waiters {
    /// INVARIANT: the tickets ascend.
    waiters: VecDeque<Waiter>,
    next_ticket: u64,
}

pub(super) struct Waiter {
    ticket: u64,
    /// The length of the message that waits.
    len: usize,
    waker: Waker,
}

impl Waiters {
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    /// Returns the length of the oldest message that waits.
    pub(super) fn first(&self) -> Option<usize> {
        Some(self.waiters.front()?.len)
    }

    pub(super) fn add(&mut self, len: usize, waker: &Waker) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiters.push_back(Waiter {
            ticket,
            len,
            waker: waker.clone(),
        });
        ticket
    }

    pub(super) fn get(&mut self, ticket: u64) -> Option<&mut Waiter> {
        let index = self.position(ticket)?;
        self.waiters.get_mut(index)
    }

    pub(super) fn pop(&mut self) -> Option<Waker> {
        let waiter = self.waiters.pop_front()?;
        release_empty(&mut self.waiters);
        Some(waiter.waker)
    }

    pub(super) fn remove(&mut self, ticket: u64) -> Option<Waiter> {
        let waiter = self.waiters.remove(self.position(ticket)?);
        release_empty(&mut self.waiters);
        waiter
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        self.waiters
            .binary_search_by_key(&ticket, |waiter| waiter.ticket)
            .ok()
    }

    pub(super) fn wake(self) {
        for waiter in self.waiters {
            waiter.waker.wake();
        }
    }
}

impl Waiter {
    /// Sets the task to wake. Returns the replaced waker, which has to be dropped outside the lock.
    pub(super) fn set_waker(&mut self, waker: &Waker) -> Option<Waker> {
        if self.waker.will_wake(waker) {
            return None;
        }
        Some(std::mem::replace(&mut self.waker, waker.clone()))
    }
}

/// Releases the memory of an empty queue that was long.
fn release_empty<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() && queue.capacity() > KEPT {
        *queue = VecDeque::new();
    }
}
