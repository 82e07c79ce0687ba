//! [`Driver`]: the one function that polls a connection, for every operation that waits.
//!
//! Every wait drives the whole connection. A poll goes around this loop until its [`Want`] is met, the
//! stream cannot continue, or its [`Work`](crate::protocol::Work) is done:
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
    task::{Poll, Waker, ready},
};

use super::{
    link::Link,
    session::Session,
    transport::Transport,
    turn::{Io, Turn},
    want::{Outcome, Want},
    wire::Attempt,
};
use crate::protocol::Step;

const MET: Poll<Outcome> = Poll::Ready(Outcome::Met);

/// One poll of a connection, for a task that wants one event.
#[derive(Debug)]
pub(super) struct Driver<'a, S> {
    want: Want,
    link: &'a mut Link,
    turn: Turn<'a, S>,
    /// Whether another task waits on the other side.
    other_waits: bool,
    /// The end of a write that came before the loop.
    wrote: Option<Attempt>,
}

impl<'a, S: Io> Driver<'a, S> {
    /// Creates a poll. `waker` is the waker for the stream.
    #[inline]
    pub(super) const fn new(
        want: Want,
        link: &'a mut Link,
        transport: &'a mut Transport<S>,
        waker: &'a Waker,
    ) -> Self {
        Self {
            want,
            link,
            turn: Turn::new(transport, waker),
            other_waits: false,
            wrote: None,
        }
    }

    /// Sets whether another task waits on the other side.
    pub(super) const fn beside(mut self, other_waits: bool) -> Self {
        self.other_waits = other_waits;
        self
    }

    /// Drives the connection until the want is met.
    #[inline]
    pub(super) fn run(mut self) -> Poll<Outcome> {
        let outcome = self.drive();
        self.charge();
        outcome
    }

    fn drive(&mut self) -> Poll<Outcome> {
        let want = self.want;
        if want.receives()
            && let Some(message) = self.session_mut().take_parked()
        {
            return Poll::Ready(Outcome::Message(message));
        }
        // A task that sends looks at the input only when it has to wait or is about to return.
        let (mut looks, mut met) = (want.takes_messages(), false);
        loop {
            let has_requests = self.link.take_requests(self.turn.waker);
            if self.session().step() != Step::Continue {
                let ended = self.link.poll_end(&mut self.turn).map(|()| Outcome::Over);
                return if met { MET } else { ended };
            }
            if has_requests || self.session().is_close_requested() {
                self.link.take_messages(want, &mut self.turn);
            }
            if want == Want::Room && want.is_met(self.session()) {
                return MET;
            }
            if looks && (want.takes_messages() || !self.session().is_parked()) {
                match self.link.session_mut().receive(want, &mut self.turn) {
                    Some(outcome) if want.receives() => return Poll::Ready(outcome),
                    Some(Outcome::Message(message)) if want != Want::Ended => {
                        self.session_mut().park(message);
                    }
                    None if self.session().step() == Step::Continue => {}
                    _ => continue,
                }
            }
            let wrote = match self.wrote.take() {
                Some(wrote) => wrote,
                None => self.link.write(want.uncorks(), &mut self.turn),
            };
            met |= want.is_met(self.session());
            if met && (looks || !self.looks_before_return()) {
                return MET;
            }
            if want.is_hopeless(self.session()) {
                return Poll::Ready(Outcome::Over);
            }
            if !mem::replace(&mut looks, true) && !self.session().is_starved() {
                continue;
            }
            let read = self.link.read(&mut self.turn);
            if let Attempt::Done(_) | Attempt::Failed(_) = read {
                continue;
            }
            if met {
                return MET;
            }
            ready!(self.poll_wait([read, wrote]));
        }
    }

    /// Sends queued bytes in the common case: the stream takes everything, and nothing has arrived. Otherwise
    /// returns `false`, and [`run`](Self::run) continues.
    #[inline]
    pub(super) fn send_at_once(&mut self) -> bool {
        let is_sent = self.try_send();
        if is_sent {
            self.charge();
        }
        is_sent
    }

    #[inline]
    fn try_send(&mut self) -> bool {
        if !self.session().is_plain() {
            return false;
        }
        let wrote = self.link.write_backlog(false, &mut self.turn);
        let is_written = matches!(wrote, Attempt::Done(_)) && self.session().is_plain();
        if !is_written {
            self.wrote = Some(wrote);
            return false;
        }
        if !self.looks_before_return() {
            return true;
        }
        if !self.session().is_starved() {
            return false;
        }
        let read = self.link.session_mut().read(&mut self.turn);
        matches!(read, Attempt::Blocked | Attempt::NotNow)
    }

    /// Waits, after attempts to read and to write have stopped.
    fn poll_wait(&mut self, [read, wrote]: [Attempt; 2]) -> Poll<()> {
        let turn = &mut self.turn;
        let wrote = match wrote {
            Attempt::Done(_) if !turn.work.is_done() => self.link.write(true, turn),
            stopped => stopped,
        };
        let is_stopped = matches!(read, Attempt::NotNow) || matches!(wrote, Attempt::NotNow);
        if turn.work.is_done() || is_stopped {
            // A stream that was not tried, or uses no budget, wakes no task.
            turn.yield_now();
            // While output waits, bytes that arrive are no sign of life.
            let has_backlog = self.link.session().has_backlog();
            let waits = matches!(wrote, Attempt::Blocked) && has_backlog;
            if !waits || self.link.has_deadline() {
                return Poll::Pending;
            }
        }
        if self.link.has_more_messages(self.want) {
            turn.yield_now();
        }
        self.link.judge(turn)
    }

    /// Returns whether the task looks at the input before it returns, so that a task that only sends
    /// answers pings and Close frames. A task that also receives looks at it anyway.
    #[inline]
    fn looks_before_return(&mut self) -> bool {
        matches!(self.want, Want::Sent | Want::Flushed)
            && self.session_mut().wire_mut().only_sends(true)
            && !self.session().is_parked()
            && !self.other_waits
    }

    /// Charges the task for the work of the poll.
    #[inline]
    fn charge(&mut self) {
        let session = self.link.session_mut();
        session.count_encoded(&mut self.turn.work);
        session.wire_mut().debt().charge(&self.turn.work);
    }

    #[inline]
    const fn session(&self) -> &Session {
        self.link.session()
    }

    #[inline]
    const fn session_mut(&mut self) -> &mut Session {
        self.link.session_mut()
    }
}
