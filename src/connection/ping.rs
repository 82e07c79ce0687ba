//! Pings of ours and who waits for their pongs (RFC 6455 §5.5.2, §5.5.3).

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::oneshot, time::Instant};

use crate::{error::Error, protocol::Closed};

/// A future of the round-trip time of a ping: [`WebSocket::ping`](super::WebSocket::ping) makes it.
///
/// It is detached: whoever polls `recv` completes it. It resolves to [`Error::Closed`] when the
/// connection ends first.
///
/// # Cancel safety
///
/// Dropping it forgets the ping; the pong is then ignored.
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

/// The pings that no pong has come for, oldest first.
#[derive(Debug, Default)]
pub(super) struct Pings(VecDeque<Ping>);

#[derive(Debug)]
struct Ping {
    payload: Bytes,
    sent: Instant,
    waiter: oneshot::Sender<Result<Duration, Closed>>,
}

impl Pings {
    /// Remembers a ping that was queued. Pings that nobody waits for any more are forgotten.
    pub(super) fn sent(&mut self, payload: Bytes) -> PongWaiter {
        self.0.retain(|ping| !ping.waiter.is_closed());
        let (waiter, pong) = oneshot::channel();
        self.0.push_back(Ping {
            payload,
            sent: Instant::now(),
            waiter,
        });
        PongWaiter(pong)
    }

    /// Completes the ping that a pong answers, and the earlier ones: a peer may answer only the
    /// latest (§5.5.3). A pong that answers none is unsolicited and means nothing.
    pub(super) fn answered(&mut self, payload: &Bytes) {
        let Some(last) = self.0.iter().position(|ping| ping.payload == payload) else {
            return;
        };
        for ping in self.0.drain(..=last) {
            // Nobody may be waiting any more.
            let _ = ping.waiter.send(Ok(ping.sent.elapsed()));
        }
    }

    /// Tells everybody who waits that the connection has ended.
    pub(super) fn closed(&mut self, closed: &Closed) {
        for ping in std::mem::take(&mut self.0) {
            // Nobody may be waiting any more.
            let _ = ping.waiter.send(Err(closed.clone()));
        }
    }
}
