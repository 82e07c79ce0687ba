//! [`Keepalive`]: when to ping, and when to give a peer up.

use std::{mem, time::Duration};

use crate::config::Config;

/// Detects dead peers by two rules ([`Config::ping_interval`], [`Config::ping_timeout`]).
///
/// - **While output waits to be written**, only bytes that the stream takes are a sign of life. A stream
///   that takes none for the timeout is given up, even if bytes arrive.
/// - **While no output waits**, only bytes that arrive are a sign of life. A peer is pinged at every
///   interval, and is given up when nothing arrives for the timeout after a ping.
///
/// The keepalive has no clock: its owner passes the time since a moment of its choice, which never
/// runs backwards. Call [`judge`](Self::judge) at the time that [`next`](Self::next) returns, after a
/// read and a write were tried and could not continue.
///
/// ```
/// use std::time::Duration;
/// use wsimd::{Config, protocol::{Duty, Keepalive}};
///
/// let secs = Duration::from_secs;
/// let config = Config::new().ping_interval(secs(20)).ping_timeout(secs(5));
/// let mut keepalive = Keepalive::new(&config);
/// assert_eq!(keepalive.judge(secs(0), false), Duty::Wait);
/// assert_eq!(keepalive.next(), Some(secs(20)));
/// assert_eq!(keepalive.wait(secs(15)), Some(secs(5)));
/// assert_eq!(keepalive.judge(secs(20), false), Duty::Ping);
/// assert_eq!(keepalive.next(), Some(secs(25)));
/// assert_eq!(keepalive.judge(secs(25), false), Duty::GiveUp);
/// ```
#[derive(Debug)]
pub struct Keepalive {
    config: Config,
    state: State,
    /// Whether bytes have arrived since the last judgement.
    received: bool,
    /// Whether the stream has taken bytes since the last judgement.
    written: bool,
    /// The time of the next ping.
    next_ping: Nanos,
    /// The time of the first unanswered ping, or since when the stream has taken no byte.
    since: Nanos,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The keepalive is off, or was not judged yet.
    Idle,
    /// The peer is alive.
    Alive,
    /// A ping was sent, and nothing has arrived since.
    Pinged,
    /// Output waits to be written.
    Blocked,
}

/// The duty of the owner after a judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Wait until the time of [`Keepalive::next`].
    Wait,
    /// Send a ping.
    Ping,
    /// End the connection: the peer is gone.
    GiveUp,
}

/// A time in nanoseconds: half as large as a [`Duration`], and enough for five centuries.
type Nanos = u64;

impl Keepalive {
    /// Creates a keepalive. It starts with the first judgement.
    pub fn new(config: &Config) -> Self {
        Self {
            config: config.clone(),
            state: State::Idle,
            received: false,
            written: false,
            next_ping: 0,
            since: 0,
        }
    }

    /// Records that bytes have arrived.
    #[inline]
    pub const fn on_received(&mut self) {
        self.received = true;
    }

    /// Records that the stream has taken bytes.
    #[inline]
    pub const fn on_written(&mut self) {
        self.written = true;
    }

    /// Returns whether the configuration has an interval.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.interval().is_some()
    }

    /// Returns whether output that waits is known to the keepalive. Judge it otherwise, so that the
    /// timeout starts when the output begins to wait.
    #[inline]
    pub fn is_blocked(&self) -> bool {
        self.state == State::Blocked
    }

    /// Judges the peer at the time `now`. `blocked` tells whether output waits to be written.
    pub fn judge(&mut self, now: Duration, blocked: bool) -> Duty {
        let Some(interval) = self.interval() else {
            return Duty::Wait;
        };
        let now = nanos(now);
        let received = mem::take(&mut self.received);
        let written = mem::take(&mut self.written);
        if self.state == State::Idle {
            self.next_ping = now.saturating_add(interval);
            self.state = State::Alive;
        }
        if blocked {
            return self.judge_blocked(now, written);
        }
        if received || self.state == State::Blocked {
            self.state = State::Alive;
        }
        if self.state == State::Pinged && self.is_overdue(now) {
            return Duty::GiveUp;
        }
        if now < self.next_ping {
            return Duty::Wait;
        }
        self.next_ping = now.saturating_add(interval);
        if self.state == State::Alive {
            self.state = State::Pinged;
            self.since = now;
        }
        Duty::Ping
    }

    /// Returns the time of the next judgement; `None` while the keepalive is off or not started.
    pub fn next(&self) -> Option<Duration> {
        let next = match self.state {
            State::Idle => return None,
            State::Alive => self.next_ping,
            State::Pinged => self.next_ping.min(self.due()),
            State::Blocked => self.due(),
        };
        Some(Duration::from_nanos(next))
    }

    /// Returns the time from `now` until the next judgement, as the timeout of a read: never zero. `None`
    /// as [`next`](Self::next).
    pub fn wait(&self, now: Duration) -> Option<Duration> {
        let wait = self.next()?.saturating_sub(now);
        Some(wait.max(Duration::from_nanos(SHORTEST)))
    }

    fn judge_blocked(&mut self, now: Nanos, written: bool) -> Duty {
        if written || self.state != State::Blocked {
            self.state = State::Blocked;
            self.since = now;
        }
        if self.is_overdue(now) {
            return Duty::GiveUp;
        }
        Duty::Wait
    }

    fn is_overdue(&self, now: Nanos) -> bool {
        now >= self.due() && self.due() != Nanos::MAX
    }

    /// The time at which the peer is given up.
    fn due(&self) -> Nanos {
        self.since
            .saturating_add(nanos(self.config.settings.ping_timeout))
    }

    fn interval(&self) -> Option<Nanos> {
        let interval = nanos(self.config.settings.ping_interval?);
        (interval < NEVER).then_some(interval.max(SHORTEST))
    }
}

/// The shortest interval: one millisecond, as exact as timers are.
const SHORTEST: Nanos = 1_000_000;

/// Longer than any connection lasts: an interval of this length is none.
const NEVER: Nanos = Nanos::MAX >> 1;

fn nanos(time: Duration) -> Nanos {
    Nanos::try_from(time.as_nanos()).unwrap_or(Nanos::MAX)
}
