//! [`Timeout`]: the time limit that was reached.

use std::{fmt, time::Duration};

use crate::frame::Role;

/// The time limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// Resolving the host and connecting to it took longer than
    /// [`Config::open_timeout`](crate::Config::open_timeout).
    Connect {
        /// The limit.
        limit: Duration,
    },
    /// Connecting to a proxy, and opening the way to the server by it, took longer than
    /// [`Config::open_timeout`](crate::Config::open_timeout).
    Proxy {
        /// The limit.
        limit: Duration,
    },
    /// The TLS handshake before the opening handshake took longer than
    /// [`Config::open_timeout`](crate::Config::open_timeout).
    Tls {
        /// The limit.
        limit: Duration,
    },
    /// The opening handshake took longer than [`Config::open_timeout`](crate::Config::open_timeout).
    Open {
        /// The limit.
        limit: Duration,
        /// The role of this side.
        role: Role,
    },
    /// The closing handshake took longer than [`Config::close_timeout`](crate::Config::close_timeout).
    Close {
        /// The limit.
        limit: Duration,
    },
    /// The peer showed no sign of life for [`Config::ping_timeout`](crate::Config::ping_timeout).
    Ping {
        /// The limit.
        limit: Duration,
        /// Whether bytes waited to be written. If so, the peer took none of them. If not, no bytes arrived after a
        /// ping.
        is_blocked: bool,
    },
    /// A message waited for room in the full inbox of a [handle](crate::Handle), and the connection took no
    /// message for [`Config::ping_timeout`](crate::Config::ping_timeout).
    Inbox {
        /// The limit.
        limit: Duration,
    },
}

impl Timeout {
    /// Returns the limit.
    pub const fn limit(self) -> Duration {
        match self {
            Self::Connect { limit }
            | Self::Proxy { limit }
            | Self::Tls { limit }
            | Self::Open { limit, .. }
            | Self::Close { limit }
            | Self::Ping { limit, .. }
            | Self::Inbox { limit } => limit,
        }
    }
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = Seconds(self.limit());
        match self {
            Self::Connect { .. } => {
                write!(f, "cannot connect within {limit} (Config::open_timeout)")
            }
            Self::Proxy { .. } => write!(
                f,
                "the proxy opened no way to the server within {limit} (Config::open_timeout)"
            ),
            Self::Tls { .. } => write!(
                f,
                "no end of the TLS handshake within {limit} (Config::open_timeout)"
            ),
            Self::Open {
                role: Role::Client, ..
            } => write!(
                f,
                "no answer to the opening handshake within {limit} (Config::open_timeout)"
            ),
            Self::Open {
                role: Role::Server, ..
            } => write!(
                f,
                "no end of the opening handshake within {limit} (Config::open_timeout)"
            ),
            Self::Close { .. } => write!(
                f,
                "no end of the closing handshake within {limit} (Config::close_timeout)"
            ),
            Self::Ping {
                is_blocked: false, ..
            } => write!(
                f,
                "no data from the peer within {limit} of a ping (Config::ping_timeout)"
            ),
            Self::Ping {
                is_blocked: true, ..
            } => write!(
                f,
                "the peer took no data for {limit} (Config::ping_timeout)"
            ),
            Self::Inbox { .. } => write!(
                f,
                "the connection took no message out of its full inbox for {limit} (Config::ping_timeout)"
            ),
        }
    }
}

/// Writes a time in seconds, or in milliseconds if it is not a whole number of seconds.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(time) = self;
        match time.subsec_nanos() {
            0 => write!(f, "{} s", time.as_secs()),
            nanos if nanos % 1_000_000 == 0 => write!(f, "{} ms", time.as_millis()),
            _ => write!(f, "{time:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        let shown = |limit| Timeout::Close { limit }.to_string();
        for (limit, text) in [
            (Duration::ZERO, " 0 s "),
            (Duration::from_secs(20), " 20 s "),
            (Duration::from_millis(1500), " 1500 ms "),
            (Duration::from_millis(70), " 70 ms "),
            (Duration::from_micros(1_500), " 1.5ms "),
        ] {
            assert!(shown(limit).contains(text), "{}", shown(limit));
        }
    }
}
