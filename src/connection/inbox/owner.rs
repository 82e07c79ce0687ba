//! [`InboxOwner`]: the connection's end of an inbox.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
    task::Waker,
};

use tokio::time::Instant;

use super::{
    Command, Inbox,
    state::{Phase, Room, State},
};
use crate::{config::Config, message::Message, protocol::Closed};

/// The number of messages that are taken out under one lock.
const BATCH: usize = 8;

/// The connection's end of its inbox. Dropping it ends the connection for all handles.
pub(crate) struct InboxOwner {
    inbox: Arc<Inbox>,
}

impl InboxOwner {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            inbox: Arc::new(Inbox::new(config)),
        }
    }

    /// Returns the inbox, for a handle.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Registers the task to wake when something is put in. The task has to look for
    /// [work](Self::has_work) afterwards, before it waits.
    #[inline]
    pub(crate) fn register(&mut self, waker: &Waker) {
        // The waker is still registered while there is no work. Only a handle takes the waker, and it
        // sets `work`. Each method that clears `work` calls `forget_task` as well. A handle that takes
        // the waker during this call wakes this task, so that the task polls again.
        if !self.inbox.is_registered.load(Ordering::Relaxed) || self.has_work() {
            self.register_anew(waker);
        }
    }

    #[cold]
    fn register_anew(&mut self, waker: &Waker) {
        let replaced = self.inbox.lock_lazy().waker.replace(waker.clone());
        drop(replaced);
        self.inbox.is_registered.store(true, Ordering::Relaxed);
    }

    /// Registers the task again with the next call: another task polls the connection.
    pub(crate) fn forget_task(&mut self) {
        self.inbox.is_registered.store(false, Ordering::Relaxed);
    }

    /// Returns whether there is a message or a command. Takes no lock.
    #[inline]
    pub(crate) fn has_work(&self) -> bool {
        self.inbox.work.load(Ordering::Acquire)
    }

    /// Takes the latest request of a handle, which replaces the earlier ones.
    pub(crate) fn take_command(&mut self) -> Option<Command> {
        self.forget_task();
        let mut state = self.inbox.lock();
        let command = state.command.take();
        self.inbox.update_work(&state);
        drop(state);
        command.map(|command| *command)
    }

    /// Takes at most `max_messages` messages out, until their bytes reach `max_bytes`, and hands each to
    /// `accept`. Returns whether messages are left.
    ///
    /// The lock is not held while `accept` runs.
    pub(crate) fn drain(
        &mut self,
        max_messages: usize,
        max_bytes: usize,
        mut accept: impl FnMut(Message),
    ) -> bool {
        self.forget_task();
        let mut allowance = Room {
            messages: max_messages,
            bytes: max_bytes,
        };
        loop {
            let mut locked = self.inbox.lock();
            let state = &mut *locked;
            let mut batch = [const { None }; BATCH];
            for slot in &mut batch {
                *slot = state.pop_within(&mut allowance);
                if slot.is_none() {
                    break;
                }
            }
            if batch[0].is_some() && !state.senders.is_empty() {
                state.last_taken = Some(Instant::now());
            }
            let is_left = !state.queue.is_empty();
            let granted = state.grant();
            self.inbox.update_work(state);
            drop(locked);
            granted.into_iter().for_each(Waker::wake);
            let is_full = batch[BATCH - 1].is_some();
            batch.into_iter().map_while(|it| it).for_each(&mut accept);
            if !is_full || !is_left {
                return is_left;
            }
        }
    }

    /// Refuses later messages of handles. Their errors show the Close frames so far. The messages of the
    /// inbox stay. Every later call updates the Close frames.
    pub(crate) fn seal(&self, closed: Closed) {
        let sent = closed.sent.is_some();
        let phase = if sent {
            Phase::ClosingNow
        } else {
            Phase::Closing
        };
        let mut state = self.inbox.lock();
        if state.phase == Phase::Ended {
            return;
        }
        state.phase = state.phase.max(phase);
        let replaced = state.closed.replace(Box::new(closed));
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        drop(replaced);
        senders.wake();
    }

    /// Ends the inbox with the facts of the connection's end. Drops the messages of the inbox.
    pub(crate) fn end(&self, closed: Closed) {
        self.end_with(|state| state.closed = Some(Box::new(closed)));
    }

    fn end_with(&self, tell: impl FnOnce(&mut State)) {
        let mut state = self.inbox.lock();
        if state.phase == Phase::Ended {
            return;
        }
        let mut ended = State::new(state.limits);
        ended.phase = Phase::Ended;
        ended.closed = state.closed.clone();
        tell(&mut ended);
        let ended = std::mem::replace(&mut *state, ended);
        self.inbox.update_work(&state);
        drop(state);
        ended.senders.wake();
        ended.watchers.wake();
    }
}

impl Drop for InboxOwner {
    /// Ends the inbox of a connection that was dropped, with the Close frames so far.
    fn drop(&mut self) {
        self.end_with(|_| {});
    }
}

impl fmt::Debug for InboxOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inbox.fmt(f)
    }
}
