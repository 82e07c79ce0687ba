//! [`Pings`]: our unanswered pings, the tasks that wait for their pongs (RFC 6455 §5.5.2, §5.5.3), and the control
//! frames that the application wants to see.

use std::{
    collections::VecDeque,
    mem,
    num::NonZeroU64,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::oneshot,
    time::Instant,
};

use super::{WebSocket, events::Seen, want::Want};
use crate::{
    error::Error,
    protocol::{Closed, Event, random_masking_key},
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

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Sends a ping with a random payload. [`PongWaiter`] is a future of the round-trip time. It completes while
    /// the connection is polled: keep a `recv` pending beside it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send). The pong of an accepted ping is ignored then.
    pub async fn ping(&mut self) -> Result<PongWaiter, Error> {
        self.ping_with(random_payload()).await
    }

    /// Sends a ping with a copy of a payload of at most 125 bytes, as [`ping`](Self::ping). Give each ping a payload
    /// of its own: a pong answers the oldest ping of the same payload, and the pings before it.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a longer payload; otherwise as [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`ping`](Self::ping).
    pub async fn ping_with(&mut self, payload: impl AsRef<[u8]>) -> Result<PongWaiter, Error> {
        let payload = Bytes::copy_from_slice(payload.as_ref());
        self.until(Want::Room).await?;
        let (waiter, pong) = PongWaiter::new();
        self.session().ping(payload, Some(waiter))?;
        self.until(Want::Sent).await?;
        Ok(pong)
    }

    /// Sends an unsolicited pong with a copy of a payload of at most 125 bytes, a one-way heartbeat (RFC 6455 §5.5.3).
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn pong(&mut self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let payload = Bytes::copy_from_slice(payload.as_ref());
        self.until(Want::Room).await?;
        self.session().pong(payload)?;
        self.until(Want::Sent).await
    }
}

/// Returns a payload that another ping of the connection hardly has.
pub(super) fn random_payload() -> Bytes {
    Bytes::copy_from_slice(&random_masking_key().to_bytes())
}

/// Completes a [`PongWaiter`].
pub(super) type Waiter = oneshot::Sender<Result<Duration, Closed>>;

/// The unanswered pings and the control frames to be seen. Owns no memory when there are none.
#[derive(Debug, Default)]
pub(super) struct Pings {
    waiting: Option<Box<Waiting>>,
    /// The round-trip time of the last answered ping, in nanoseconds plus one.
    latency: Option<NonZeroU64>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// Oldest first.
    unanswered: VecDeque<Ping>,
    /// `None` until a task wants to see control frames.
    seen: Option<Seen>,
}

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
        let pings = &mut self.waiting.get_or_insert_default().unanswered;
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

    /// Takes the oldest control frame that was not seen, and keeps those that arrive from now on. A Close frame is
    /// taken only if the connection has ended.
    pub(super) fn take_seen(&mut self, has_ended: bool) -> Option<Event> {
        let waiting = self.waiting.get_or_insert_default();
        waiting.seen.get_or_insert_default().pop(has_ended)
    }

    /// Records a control frame of the peer.
    #[inline]
    pub(super) fn on_control(&mut self, event: Event) {
        if self.waiting.is_some() {
            self.record(event);
        }
    }

    fn record(&mut self, event: Event) {
        if let Event::Pong(payload) = &event {
            self.on_pong(payload);
        }
        if let Some(seen) = self.waiting.as_mut().and_then(|it| it.seen.as_mut()) {
            seen.push(event);
        }
    }

    /// Completes the ping that a pong answers, and the earlier ones: a peer may answer only the
    /// latest (§5.5.3). A pong that answers no ping is unsolicited and ignored.
    fn on_pong(&mut self, payload: &Bytes) {
        let Some(waiting) = self.waiting.as_deref_mut() else {
            return;
        };
        let pings = &mut waiting.unanswered;
        let Some(last) = pings.iter().position(|ping| ping.payload == payload) else {
            return;
        };
        for ping in pings.drain(..=last) {
            let elapsed = ping.sent.elapsed();
            let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            self.latency = NonZeroU64::new(nanoseconds.saturating_add(1));
            ping.complete(Ok(elapsed));
        }
        if pings.is_empty() && waiting.seen.is_none() {
            self.waiting = None;
        }
    }

    /// Returns the round-trip time of the last answered ping.
    pub(super) fn latency(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.latency?.get() - 1))
    }

    /// Completes all waiters with the end of the connection.
    pub(super) fn on_end(&mut self, closed: &Closed) {
        let Some(waiting) = &mut self.waiting else {
            return;
        };
        for ping in mem::take(&mut waiting.unanswered) {
            ping.complete(Err(closed.clone()));
        }
        if waiting.seen.is_none() {
            self.waiting = None;
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
