//! [`Timer`]: the one timer of a connection, for its keepalive while it is open and for its end.
//!
//! Messages neither arm the timer nor read the clock. The timer is looked at only after nothing could
//! be read and nothing more could be written.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use crate::{
    config::Config,
    protocol::{Duty, Keepalive},
};

/// Later than any task waits, and early enough for a sum of times.
pub(super) const NEVER: Duration = Duration::from_secs(1 << 30);

#[derive(Debug)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    keepalive: Keepalive,
    purpose: Purpose,
    /// Whether `sleep` wakes the task that polls the connection.
    registered: bool,
}

/// The purpose of the timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Keepalive,
    /// The end of the connection.
    Deadline,
}

/// The signs of life since the last judgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signs {
    /// Whether bytes have arrived.
    pub(super) received: bool,
    /// Whether the stream has taken bytes.
    pub(super) written: bool,
}

/// The reason why the timer has fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is time for a ping.
    Ping,
    /// The peer is gone.
    Gone,
    /// The deadline has passed.
    Deadline,
}

impl Timer {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            sleep: None,
            purpose: Purpose::Keepalive,
            keepalive: Keepalive::new(config),
            registered: false,
        }
    }

    /// Registers the task again with the next poll: another task polls the connection.
    pub(super) const fn forget_task(&mut self) {
        self.registered = false;
    }

    /// Returns whether a deadline is set.
    pub(super) const fn has_deadline(&self) -> bool {
        matches!(self.purpose, Purpose::Deadline)
    }

    /// Sets the deadline of the connection's end, in place of the keepalive.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.purpose = Purpose::Deadline;
        self.set(deadline);
    }

    /// Stops the timer and frees its memory.
    pub(super) fn stop(&mut self) {
        self.sleep = None;
    }

    /// Waits for the deadline.
    pub(super) fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_deadline() {
            return self.poll(cx);
        }
        Poll::Pending
    }

    /// Waits for the deadline or the next duty of the keepalive. `signs` returns the signs of life;
    /// `blocked` tells whether bytes wait to be written.
    #[inline]
    pub(super) fn poll_verdict(
        &mut self,
        blocked: bool,
        signs: impl FnOnce() -> Signs,
        cx: &mut Context<'_>,
    ) -> Poll<Verdict> {
        if self.has_deadline() {
            return self.poll(cx).map(|()| Verdict::Deadline);
        }
        let is_known = !blocked || self.keepalive.is_blocked();
        if !self.keepalive.is_on() || (is_known && self.is_quiet()) {
            return Poll::Pending;
        }
        let signs = signs();
        if signs.received {
            self.keepalive.on_received();
        }
        if signs.written {
            self.keepalive.on_written();
        }
        self.poll_keepalive(blocked, cx)
    }

    fn poll_keepalive(&mut self, blocked: bool, cx: &mut Context<'_>) -> Poll<Verdict> {
        let start = self.keepalive_start();
        loop {
            let duty = self.keepalive.judge(start.elapsed(), blocked);
            // The timer and the keepalive agree on the next time, which tells the start.
            if let Some(next) = self.keepalive.next() {
                self.set(start + next.min(NEVER));
            }
            match duty {
                Duty::Wait => ready!(self.poll(cx)),
                Duty::Ping => return Poll::Ready(Verdict::Ping),
                Duty::GiveUp => return Poll::Ready(Verdict::Gone),
            }
        }
    }

    /// Returns the moment from which the times of the keepalive are counted.
    fn keepalive_start(&self) -> Instant {
        match (&self.sleep, self.keepalive.next()) {
            (Some(sleep), Some(next)) => sleep.deadline() - next.min(NEVER),
            _ => Instant::now(),
        }
    }

    /// Returns whether the timer runs for this task and has not fired.
    fn is_quiet(&self) -> bool {
        self.registered && self.sleep.as_ref().is_some_and(|it| !it.is_elapsed())
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        // A poll that lacks budget would not register the task.
        let fired = pin!(unconstrained(sleep.as_mut())).poll(cx);
        self.registered = fired.is_pending();
        fired
    }

    fn set(&mut self, at: Instant) {
        match &mut self.sleep {
            Some(sleep) if sleep.deadline() == at => return,
            Some(sleep) => sleep.as_mut().reset(at),
            None => self.sleep = Some(Box::pin(sleep_until(at))),
        }
        self.registered = false;
    }
}
