//! [`Inbox`]: the queue between the handles of a connection and the task that polls the connection.
//!
//! ```text
//!   handles                   Inbox                        connection
//!   try_send ────────────────▶┌─────────┐ drain
//!   send ──▶ wait for room ──▶│ queue   ├────────────────▶ its write queue
//!                             ├─────────┤ take_command
//!   close, try_close, abort ─▶│ command ├────────────────▶ its end
//!                             └─────────┘
//! ```
//!
//! One lock guards all of it. The lock is released before a task is woken and before a message is
//! dropped, because both can run code that comes back to the same inbox.
//!
//! A `send` that finds no room joins a queue of its own. Room that becomes free is granted to the first
//! of these sends: the room counts as used from then on, and the task is woken. A send that is dropped
//! gives its grant to the next one. So a wake-up is never lost, and a later send never takes the room.
//!
//! An idle connection takes no lock. `work` is false while there is nothing to take out, and the waker
//! of the connection stays registered until `work` is set. An inbox that no handle has used is small,
//! because every connection under `serve` has one.

mod owner;
mod state;

use std::{
    collections::VecDeque,
    fmt,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
};

use tokio::time::Instant;

use self::state::{Lazy, Locked, Phase, State};
use crate::{
    config::Config,
    frame::CloseFrame,
    message::Message,
    protocol::Closed,
    sync::{AtomicBool, Mutex, MutexGuard},
};

pub(super) use self::owner::InboxOwner;

/// The queue that handles put messages into.
pub(crate) struct Inbox {
    /// Whether `state` holds a message or a command. Changes under the lock only.
    work: AtomicBool,
    /// Whether the task that polls the connection is registered. Only the connection uses it.
    is_registered: AtomicBool,
    state: Mutex<Lazy>,
    config: Config,
}

/// A request of a handle to the connection.
#[derive(Debug)]
pub(crate) enum Command {
    /// Sends a Close frame after all messages of the inbox. The close deadline runs from `at`.
    Close { frame: CloseFrame, at: Instant },
    /// Sends a Close frame next. The inbox is empty by now. The close deadline runs from `at`.
    CloseNow { frame: CloseFrame, at: Instant },
    /// Ends the connection without a Close frame. The inbox is empty by now.
    Abort,
}

/// The Close frames of a connection that takes no request. `None` while this side closes the connection.
pub(super) type Refusal = Option<Box<Closed>>;

/// The reason why a message was not put into the inbox.
pub(super) enum Refused {
    Full(Message),
    Closed(Refusal),
}

impl Inbox {
    fn new(config: &Config) -> Self {
        Self {
            work: AtomicBool::new(false),
            is_registered: AtomicBool::new(false),
            state: Mutex::new(Lazy::default()),
            config: config.clone(),
        }
    }

    /// Returns the configuration of the connection.
    pub(super) const fn config(&self) -> &Config {
        &self.config
    }

    /// Puts a message into the queue if there is room and no send waits.
    pub(super) fn try_put(&self, message: Message) -> Result<(), Refused> {
        let mut locked = self.lock();
        let state = &mut *locked;
        if state.is_closed() {
            return Err(Refused::Closed(state.refusal()));
        }
        if !state.senders.is_empty() || !state.fits(message.len()) {
            return Err(Refused::Full(message));
        }
        state.used.add(message.len());
        self.accept(locked, message);
        Ok(())
    }

    /// Puts a message into the queue, and drops the oldest messages until it fits. Returns the number of
    /// dropped messages.
    ///
    /// Granted room cannot be taken back, so that the inbox can exceed its limits by this one message.
    pub(super) fn force_put(&self, message: Message) -> Result<usize, Refusal> {
        let mut state = self.lock();
        if state.is_closed() {
            return Err(state.refusal());
        }
        let mut dropped = Vec::new();
        while !state.fits(message.len())
            && let Some(oldest) = state.pop()
        {
            dropped.push(oldest);
        }
        state.used.add(message.len());
        let granted = state.grant();
        self.accept(state, message);
        granted.into_iter().for_each(Waker::wake);
        Ok(dropped.len())
    }

    /// Puts a message into the queue once there is room.
    pub(super) const fn put(&self, message: Message) -> Put<'_> {
        Put {
            inbox: self,
            message: Some(message),
            ticket: None,
        }
    }

    /// Requests a Close frame after all messages of the queue. Accepts no message from now on.
    pub(super) fn close(&self, frame: CloseFrame) -> Result<(), Refusal> {
        self.request(Phase::Closing, Some(frame))
    }

    /// Requests a Close frame in place of the messages of the queue.
    pub(super) fn close_now(&self, frame: CloseFrame) -> Result<(), Refusal> {
        self.request(Phase::ClosingNow, Some(frame))
    }

    /// Requests the end of the connection without a Close frame.
    pub(super) fn abort(&self) {
        // A connection that has ended needs no request.
        let _ = self.request(Phase::Aborted, None);
    }

    /// Returns whether no message is accepted any more.
    pub(super) fn is_closed(&self) -> bool {
        self.lock_lazy().is_closed()
    }

    /// Waits for the end of the connection.
    pub(super) const fn end(&self) -> End<'_> {
        End {
            inbox: self,
            ticket: None,
        }
    }

    /// Returns when a message was last taken out while sends waited.
    pub(super) fn last_taken(&self) -> Option<Instant> {
        self.lock().last_taken
    }

    fn request(&self, phase: Phase, frame: Option<CloseFrame>) -> Result<(), Refusal> {
        let mut state = self.lock();
        if state.phase >= phase {
            return Err(state.refusal());
        }
        state.phase = phase;
        let requested = Closed {
            sent: frame.clone(),
            ..Closed::default()
        };
        let replaced = state.requested.replace(Box::new(requested));
        let at = match state.command.as_deref() {
            Some(Command::Close { at, .. }) => *at,
            _ => Instant::now(),
        };
        let command = match frame {
            Some(frame) if phase == Phase::Closing => Command::Close { frame, at },
            Some(frame) => Command::CloseNow { frame, at },
            None => Command::Abort,
        };
        let replaced = (replaced, state.command.replace(Box::new(command)));
        let senders = std::mem::take(&mut state.senders);
        let dropped = match phase {
            Phase::Closing => VecDeque::new(),
            _ => std::mem::take(&mut state.queue),
        };
        self.wake_connection(state);
        senders.wake();
        drop((replaced, dropped));
        Ok(())
    }

    /// Puts a message into the queue whose room is counted already, and wakes the connection.
    fn accept(&self, mut state: Locked<'_>, message: Message) {
        state.queue.push_back(message);
        self.wake_connection(state);
    }

    fn wake_connection(&self, mut state: Locked<'_>) {
        self.work.store(true, Ordering::Release);
        let waker = state.take_waker();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Sets `work` after something was taken out, while the lock is held.
    fn update_work(&self, state: &State) {
        let work = !state.queue.is_empty() || state.command.is_some();
        self.work.store(work, Ordering::Release);
    }

    /// Locks the state.
    #[inline]
    fn lock(&self) -> Locked<'_> {
        Locked::new(self.lock_lazy(), &self.config)
    }

    /// Locks the state, which may not exist. A panic of another task has left it whole.
    #[inline]
    fn lock_lazy(&self) -> MutexGuard<'_, Lazy> {
        match self.state.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// A message that waits for room. Dropping it leaves the message not accepted.
pub(super) struct Put<'a> {
    inbox: &'a Inbox,
    /// `None` once the message was accepted or refused.
    message: Option<Message>,
    /// The place among the senders. Granted when the ticket is there no more.
    ticket: Option<u64>,
}

impl Put<'_> {
    /// Polls until the message is in the queue.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<(), Refusal>> {
        let Some(len) = self.message.as_ref().map(Message::len) else {
            return Poll::Ready(Ok(()));
        };
        let mut state = self.inbox.lock();
        if state.is_closed() {
            let refusal = state.refusal();
            drop(state);
            self.ticket = None;
            self.message = None;
            return Poll::Ready(Err(refusal));
        }
        match self.ticket {
            None if state.senders.is_empty() && state.fits(len) => state.used.add(len),
            None => {
                self.ticket = Some(state.senders.add(len, cx.waker()));
                return Poll::Pending;
            }
            Some(ticket) => {
                if let Some(waiter) = state.senders.get(ticket) {
                    let replaced = waiter.set_waker(cx.waker());
                    drop(state);
                    drop(replaced);
                    return Poll::Pending;
                }
            }
        }
        self.ticket = None;
        if let Some(message) = self.message.take() {
            self.inbox.accept(state, message);
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Put<'_> {
    fn drop(&mut self) {
        let (Some(ticket), Some(message)) = (self.ticket, &self.message) else {
            return;
        };
        let mut state = self.inbox.lock();
        if state.is_closed() {
            return;
        }
        let waiter = state.senders.remove(ticket);
        if waiter.is_none() {
            state.used.subtract(message.len());
        }
        let granted = state.grant();
        drop(state);
        drop(waiter);
        granted.into_iter().for_each(Waker::wake);
    }
}

/// The end of a connection, for a task that waits for it.
pub(super) struct End<'a> {
    inbox: &'a Inbox,
    ticket: Option<u64>,
}

impl End<'_> {
    /// Polls for the facts of the end.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Box<Closed>> {
        let mut state = self.inbox.lock();
        if state.phase == Phase::Ended {
            return Poll::Ready(state.close_frames());
        }
        let waiter = self.ticket.and_then(|ticket| state.watchers.get(ticket));
        if let Some(waiter) = waiter {
            let replaced = waiter.set_waker(cx.waker());
            drop(state);
            drop(replaced);
        } else {
            self.ticket = Some(state.watchers.add(0, cx.waker()));
        }
        Poll::Pending
    }
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let waiter = self.inbox.lock().watchers.remove(ticket);
            drop(waiter);
        }
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Inbox")
            .field("messages", &state.queue.len())
            .field("closed", &state.is_closed())
            .finish_non_exhaustive()
    }
}
