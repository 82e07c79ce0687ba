//! [`Driver`]: the one function that polls a connection, for every operation that waits.
//!
//! Every wait drives the whole connection. A poll goes around this loop until its [`Want`] is met, the
//! stream cannot continue, or its [`Work`](super::turn::Work) is used up:
//!
//! ```text
//!  ┌▶ inbox ─▶ receive ─▶ write ─▶ met? ─▶ read ─┬─ bytes ────▶ around
//!  │                                             └─ nothing ──▶ judge ─▶ wait
//!  └─ the connection has come to its end ─▶ flush, half-close, drain ─▶ done
//! ```
//!
//! A task that wants no message parks the first one that arrives, and then reads no more.

use std::{
    mem,
    task::{Context, Poll, Waker, ready},
};

use super::{
    link::Link,
    session::Session,
    turn::{Io, Turn},
    waiters::{Side, Waiters},
    want::{Outcome, View, Want},
    wire::{Attempt, Transport},
};
use crate::protocol::Step;

/// Every idle connection takes this, beside its stream and its timer.
const _: () = assert!(size_of::<Driver>() <= 40 * size_of::<u64>());

const MET: Poll<Outcome> = Poll::Ready(Outcome::Met);

/// A connection without its stream: each call borrows it.
#[derive(Debug)]
pub(super) struct Driver {
    link: Link,
    waiters: Waiters,
}

impl Driver {
    pub(super) fn new(session: Session) -> Self {
        Self {
            link: Link::new(session),
            waiters: Waiters::new(),
        }
    }

    /// Forgets the tasks that have polled the connection.
    pub(super) fn forget_tasks(&mut self) {
        self.waiters = Waiters::new();
        self.link.forget_task();
    }

    #[inline]
    pub(super) const fn link(&self) -> &Link {
        &self.link
    }

    #[inline]
    pub(super) const fn link_mut(&mut self) -> &mut Link {
        &mut self.link
    }

    #[inline]
    pub(super) const fn session(&self) -> &Session {
        self.link.session()
    }

    #[inline]
    pub(super) const fn session_mut(&mut self) -> &mut Session {
        self.link.session_mut()
    }

    /// Returns the waker of the task that waits for a message, if it is another one.
    pub(super) fn take_receiver(&mut self) -> Option<Waker> {
        self.waiters.take(Side::Read)
    }

    /// Sets whether the connection is polled under a lock: a poll then leaves the task that it has to wake
    /// to [`take_due`](Self::take_due).
    pub(super) fn set_locked(&mut self, is_locked: bool) {
        self.waiters.set_defers(is_locked);
    }

    /// Returns the task to wake, once the lock is released.
    pub(super) fn take_due(&mut self) -> Option<Waker> {
        self.waiters.take_due()
    }

    /// Sends queued bytes in the common case: only this task polls the connection, the stream takes
    /// everything, and nothing has arrived. Otherwise returns `false`, and [`poll`](Self::poll) continues.
    #[inline]
    pub(super) fn send_at_once<S: Io>(
        &mut self,
        transport: &mut Transport<S>,
        cx: &mut Context<'_>,
    ) -> bool {
        self.waiters.is_alone(cx.waker()) && self.try_send(&mut Turn::new(transport, cx.waker()))
    }

    /// Drives the connection until `want` is met, for the task that polls.
    #[inline(always)]
    pub(super) fn poll<S: Io>(
        &mut self,
        want: Want,
        transport: &mut Transport<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        if !self.waiters.is_alone(cx.waker()) {
            return self.poll_shared(want, transport, cx);
        }
        let outcome = self.drive(want, &mut Turn::new(transport, cx.waker()));
        self.waiters.set_waiting(want.side(), outcome.is_pending());
        outcome
    }

    /// Polls for a task that is new, or one of two.
    #[inline(never)]
    fn poll_shared<S: Io>(
        &mut self,
        want: Want,
        transport: &mut Transport<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        let entered = self.waiters.enter(want.side(), cx.waker());
        if entered.is_new {
            self.link.forget_task();
        }
        let waker = entered.waker.as_ref().unwrap_or_else(|| cx.waker());
        let other = want.side().other();
        let before = View::of(self.session(), other);
        let outcome = self.drive(want, &mut Turn::new(transport, waker));
        if View::of(self.session(), other) != before {
            self.waiters.wake(other);
        }
        if outcome.is_ready() {
            self.waiters.leave(want.side());
        }
        outcome
    }

    fn drive<S: Io>(&mut self, want: Want, turn: &mut Turn<'_, S>) -> Poll<Outcome> {
        if want == Want::Message
            && let Some(message) = self.session_mut().take_parked()
        {
            return Poll::Ready(Outcome::Message(message));
        }
        if want == Want::Sent && self.try_send(turn) {
            return MET;
        }
        // A task that sends looks at the input only when it has to wait or is about to return.
        let (mut looks, mut met) = (want.takes_messages(), false);
        loop {
            let has_requests = self.link.take_requests(turn.waker);
            if self.session().step() != Step::Continue {
                let ended = self.link.poll_end(turn).map(|()| Outcome::Over);
                return if met { MET } else { ended };
            }
            if has_requests || self.session().is_close_requested() {
                self.link.take_messages(want, &mut turn.work);
            }
            if want == Want::Room && want.is_met(self.session()) {
                return MET;
            }
            if looks && (want.takes_messages() || !self.session().is_parked()) {
                match self.session_mut().receive(&mut turn.work) {
                    Some(message) if want == Want::Message => {
                        return Poll::Ready(Outcome::Message(message));
                    }
                    Some(_) if want == Want::Ended => continue,
                    Some(message) => self.session_mut().park(message),
                    None if self.session().step() == Step::Continue => {}
                    None => continue,
                }
            }
            let wrote = self.link.write(want.uncorks(), turn);
            met |= want.is_met(self.session());
            if met && (looks || !self.looks_before_return(want)) {
                return MET;
            }
            if want.is_hopeless(self.session()) {
                return Poll::Ready(Outcome::Over);
            }
            if !mem::replace(&mut looks, true) && !self.session().is_starved() {
                continue;
            }
            let read = self.link.read(turn);
            if let Attempt::Done(_) | Attempt::Failed(_) = read {
                continue;
            }
            if met {
                return MET;
            }
            ready!(self.poll_wait(want, [read, wrote], turn));
        }
    }

    /// Sends queued bytes, as [`send_at_once`](Self::send_at_once).
    #[inline]
    fn try_send<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> bool {
        if !self.session().is_plain() {
            return false;
        }
        let Attempt::Done(_) = self.session_mut().write(false, turn) else {
            return false;
        };
        if !self.session().is_plain() {
            return false;
        }
        if !self.looks_before_return(Want::Sent) {
            return true;
        }
        self.session().is_starved()
            && matches!(
                self.session_mut().read(turn),
                Attempt::Blocked | Attempt::NotNow
            )
    }

    /// Waits, after attempts to read and to write have stopped.
    fn poll_wait<S: Io>(
        &mut self,
        want: Want,
        [read, wrote]: [Attempt; 2],
        turn: &mut Turn<'_, S>,
    ) -> Poll<()> {
        let wrote = match wrote {
            Attempt::Done(_) if !turn.work.is_done() => self.link.write(true, turn),
            stopped => stopped,
        };
        let is_stopped = matches!(read, Attempt::NotNow) || matches!(wrote, Attempt::NotNow);
        if turn.work.is_done() || is_stopped {
            // A stream that was not tried, or uses no budget, wakes no task.
            turn.waker.wake_by_ref();
            // While output waits, bytes that arrive are no sign of life.
            let waits = matches!(wrote, Attempt::Blocked) && self.session().wire().has_backlog();
            if !waits || self.link.has_deadline() {
                return Poll::Pending;
            }
        }
        if self.link.has_more_messages(want) {
            turn.waker.wake_by_ref();
        }
        self.link.judge(turn)
    }

    /// Returns whether the task looks at the input before it returns, so that a task that only sends
    /// answers pings and Close frames. A task that also receives looks at it anyway.
    #[inline]
    fn looks_before_return(&mut self, want: Want) -> bool {
        matches!(want, Want::Sent | Want::Flushed)
            && self.session_mut().wire_mut().only_sends(true)
            && !self.session().is_parked()
            && !self.waiters.is_waiting(Side::Read)
    }
}
