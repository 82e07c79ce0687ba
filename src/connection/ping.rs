//! [`Pings`]: our unanswered pings, and the tasks that wait for their pongs (RFC 6455 §5.5.2, §5.5.3).

use std::{
    collections::VecDeque,
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use crate::{
    error::Error,
    protocol::{Closed, random_masking_key},
};

/// A future of the round-trip time of a ping. [`WebSocket::ping`](super::WebSocket::ping) creates it.
///
/// The task that polls the connection completes it. A task that owns the connection and awaits this future alone
/// waits forever. Poll both:
///
/// ```
/// # use wsimd::{Error, Message, WebSocket, net::Stream};
/// # async fn example(mut ws: WebSocket<Stream>, on: impl Fn(Message)) -> Result<(), Error> {
/// let mut pong = ws.ping().await?;
/// let round_trip = loop {
///     tokio::select! {
///         round_trip = &mut pong => break round_trip?,
///         message = ws.recv() => match message? {
///             Some(message) => on(message),
///             None => return Ok(()),
///         },
///     }
/// };
/// println!("{round_trip:?}");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Error::Closed`] if the connection ends first.
///
/// # Cancel safety
///
/// Dropping it forgets the ping. The pong is then ignored.
#[derive(Debug)]
#[must_use = "drop it to ignore the pong"]
pub struct PongWaiter(oneshot::Receiver<Result<Duration, Closed>>);

impl Future for PongWaiter {
    type Output = Result<Duration, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = match ready!(Pin::new(&mut self.0).poll(cx)) {
            Ok(outcome) => outcome,
            Err(_) => Err(Closed::default()),
        };
        Poll::Ready(outcome.map_err(Error::from))
    }
}

impl PongWaiter {
    /// Creates the future and the sender that completes it.
    pub(super) fn new() -> (Waiter, Self) {
        let (waiter, pong) = oneshot::channel();
        (waiter, Self(pong))
    }
}

/// Returns a payload that another ping of the connection hardly has.
pub(super) fn random_payload() -> Bytes {
    Bytes::copy_from_slice(&random_masking_key().to_bytes())
}

/// Completes a [`PongWaiter`].
pub(super) type Waiter = oneshot::Sender<Result<Duration, Closed>>;

/// The unanswered pings. Owns no memory when there are none.
#[derive(Debug, Default)]
pub(super) struct Pings {
    unanswered: Option<Box<Unanswered>>,
    /// The round-trip time of the last answered ping, in nanoseconds plus one.
    latency: Option<NonZeroU64>,
}

/// Oldest first.
#[derive(Debug, Default)]
struct Unanswered(VecDeque<Ping>);

#[derive(Debug)]
struct Ping {
    payload: Bytes,
    sent: Instant,
    /// `None` for a ping of the keepalive.
    waiter: Option<Waiter>,
}

impl Pings {
    /// Remembers a queued ping. Forgets the last ping of the keepalive, and pings whose waiter was
    /// dropped.
    pub(super) fn on_sent(&mut self, payload: Bytes, waiter: Option<Waiter>) {
        let pings = &mut self.unanswered.get_or_insert_default().0;
        pings.retain(|ping| {
            ping.waiter
                .as_ref()
                .is_some_and(|waiter| !waiter.is_closed())
        });
        pings.push_back(Ping {
            payload,
            sent: Instant::now(),
            waiter,
        });
    }

    /// Completes the ping that a pong answers, and the earlier ones: a peer may answer only the
    /// latest (§5.5.3). A pong that answers no ping is unsolicited and ignored.
    pub(super) fn on_pong(&mut self, payload: &Bytes) {
        let Some(Unanswered(pings)) = self.unanswered.as_deref_mut() else {
            return;
        };
        let Some(last) = pings.iter().position(|ping| ping.payload == payload) else {
            return;
        };
        for ping in pings.drain(..=last) {
            let elapsed = ping.sent.elapsed();
            let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.latency = NonZeroU64::new(nanoseconds.saturating_add(1));
            ping.complete(Ok(elapsed));
        }
        if pings.is_empty() {
            self.unanswered = None;
        }
    }

    /// Returns the round-trip time of the last answered ping.
    pub(super) fn latency(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.latency?.get() - 1))
    }

    /// Completes all waiters with the end of the connection.
    pub(super) fn on_end(&mut self, closed: &Closed) {
        let pings = self.unanswered.take().unwrap_or_default();
        for ping in pings.0 {
            ping.complete(Err(closed.clone()));
        }
    }
}

impl Ping {
    fn complete(self, outcome: Result<Duration, Closed>) {
        if let Some(waiter) = self.waiter {
            // The waiter may have been dropped.
            let _ = waiter.send(outcome);
        }
    }
}
