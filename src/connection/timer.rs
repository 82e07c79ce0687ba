//! [`Timer`]: the one timer of a connection, for its keepalive while it is open and for its end.
//!
//! ```text
//!            interval passed: ping
//!  ┌──────┐ ──────────────────────▶ ┌──────┐     timeout passed, nothing arrived:
//!  │ Ping │                         │ Pong │     the peer is gone
//!  └──────┘ ◀────────────────────── └──────┘
//!            timeout passed, something arrived: the next ping
//!
//!  From anywhere: the deadline of the end, `End`.
//! ```
//!
//! It is set once or twice for each ping and looked at where a read has found nothing: messages cost no
//! timer and no clock. A connection that was not polled for long finds what has arrived meanwhile
//! first.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

use crate::config::Values;

/// Later than anybody waits, and early enough for a sum of times.
const NEVER: Duration = Duration::from_secs(1 << 30);

#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom `sleep` will wake: while it has not, it need not be polled.
    waker: Option<Waker>,
    goal: Goal,
    /// Whether the peer has given a sign of life since the last ping of the keepalive.
    heard: bool,
    /// Whether the stream took no more, so that its taking some is a sign of life.
    blocked: bool,
    /// The pings of the keepalive since the last sign of life.
    unheard: u32,
}

/// What the timer runs for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Goal {
    #[default]
    Nothing,
    Ping,
    Pong,
    End,
}

/// What the keepalive asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// To send a ping.
    Ping,
    /// To give the connection up: nothing arrived since the ping.
    GiveUp,
}

impl Timer {
    /// Notes a sign of life.
    pub(super) const fn heard(&mut self) {
        self.heard = true;
    }

    /// Notes how a write went: whether it took anything, and whether something is left. What a stream
    /// takes at once proves nothing, what it takes after it was full has made room at the peer.
    pub(super) const fn written(&mut self, some: bool, blocked: bool) {
        self.heard |= self.blocked && some;
        self.blocked = blocked;
    }

    /// Polls for the next duty of the keepalive, after a read has found nothing.
    pub(super) fn poll_keepalive(&mut self, values: &Values, cx: &mut Context<'_>) -> Poll<Duty> {
        if self.is_quiet(cx) {
            return Poll::Pending;
        }
        let interval = values.ping_interval.unwrap_or(Duration::MAX);
        if interval == Duration::MAX {
            return Poll::Pending;
        }
        let timeout = values.ping_timeout;
        loop {
            match self.goal {
                Goal::End => return Poll::Pending,
                Goal::Nothing => self.set(Goal::Ping, interval),
                Goal::Ping => {
                    ready!(self.poll(cx));
                    if std::mem::take(&mut self.heard) {
                        self.unheard = 0;
                    }
                    if self.unheard > 0 && interval.saturating_mul(self.unheard) >= timeout {
                        return Poll::Ready(Duty::GiveUp);
                    }
                    self.unheard = self.unheard.saturating_add(1);
                    if timeout < interval {
                        self.set(Goal::Pong, timeout);
                    } else {
                        self.set(Goal::Ping, interval);
                    }
                    return Poll::Ready(Duty::Ping);
                }
                Goal::Pong => {
                    ready!(self.poll(cx));
                    if !self.heard {
                        return Poll::Ready(Duty::GiveUp);
                    }
                    self.set(Goal::Ping, interval - timeout);
                }
            }
        }
    }

    /// Sets the deadline of the connection's end, whatever was set before.
    pub(super) fn set_deadline(&mut self, after: Duration) {
        self.set(Goal::End, after);
    }

    /// Sets the deadline of the connection's end, unless it is running.
    pub(super) fn start_deadline(&mut self, after: Duration) {
        if self.goal != Goal::End {
            self.set(Goal::End, after);
        }
    }

    /// Whether the deadline is running and has passed.
    pub(super) fn deadline_passed(&mut self, cx: &mut Context<'_>) -> bool {
        self.goal == Goal::End && self.poll(cx).is_ready()
    }

    fn set(&mut self, goal: Goal, after: Duration) {
        let deadline = Instant::now() + after.min(NEVER);
        self.goal = goal;
        self.waker = None;
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(deadline),
            None => self.sleep = Some(Box::pin(sleep_until(deadline))),
        }
    }

    /// Whether it runs for this task and has not fired.
    #[inline]
    fn is_quiet(&self, cx: &Context<'_>) -> bool {
        match (&self.sleep, &self.waker) {
            (Some(sleep), Some(waker)) => waker.will_wake(cx.waker()) && !sleep.is_elapsed(),
            _ => false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        // Whatever the budget of the task: a poll that it cuts short would register nobody.
        let passed = pin!(unconstrained(sleep.as_mut())).poll(cx);
        if passed.is_pending() {
            self.waker = Some(cx.waker().clone());
        }
        passed
    }
}
