//! [`Reconnect`]: opens a connection again after each end and each failure.

mod backoff;
mod retry_after;
#[cfg(feature = "stream")]
mod stream;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::Response;
use tokio::time::{Instant, Sleep, sleep};

use self::{backoff::Backoff, retry_after::retry_after};
use super::opening::{Opened, Opener};
use crate::{
    connection::WebSocket,
    error::Error,
    handshake::{
        Target,
        client::{IntoTarget, Offer},
    },
    net::Stream,
};

/// The default of [`Reconnect::max_retry_after`].
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);
/// The default of [`Reconnect::stable_after`].
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Opens a connection to a server again and again. [`ClientBuilder::reconnect`](crate::ClientBuilder::reconnect)
/// creates it.
///
/// ```no_run
/// use wsimd::{ClientBuilder, Error, WebSocket, net::Stream};
///
/// async fn session(ws: &mut WebSocket<Stream>) -> Result<(), Error> {
///     ws.send(r#"{"subscribe": "trades"}"#).await?;
///     while let Some(message) = ws.recv().await? {
///         println!("{message:?}");
///     }
///     Ok(())
/// }
///
/// async fn subscribe() -> Result<(), Error> {
///     let mut connections = ClientBuilder::new().reconnect("ws://localhost:8765")?;
///     loop {
///         let mut ws = connections.next().await?;
///         if let Err(error) = session(&mut ws).await {
///             connections.recover(error)?;
///         }
///     }
/// }
/// ```
///
/// The first attempt starts at once. Each later attempt starts after a pause (RFC 6455 §7.2.3): a random time below a
/// limit, so that the clients of a server that restarts do not return at the same moment. The limit is 1 s at first and
/// doubles with each pause, up to 60 s. It is 1 s again after a connection that lasted for 10 s. A server that refuses
/// with `Retry-After` adds that time, up to 5 minutes.
///
/// Nothing runs unless [`next`](Self::next) is polled. No task is spawned. The
/// [guide](crate::guides::reconnecting) has more.
pub struct Reconnect {
    opener: Arc<Opener>,
    /// The offer of the builder.
    offer: Offer,
    target: Target,
    /// The headers of the target.
    target_offer: Offer,
    state: State,
    backoff: Backoff,
    retry_if: Box<dyn Fn(&Error) -> bool + Send + Sync>,
    max_attempts: Option<u32>,
    max_retry_after: Duration,
    stable_after: Duration,
    connections: u64,
    failures: u32,
    last_error: Option<Error>,
    response: Option<Response<()>>,
}

type Attempt = Pin<Box<dyn Future<Output = Result<Opened<Stream>, Error>> + Send>>;

enum State {
    /// The first attempt has not started.
    New,
    /// An attempt runs.
    Attempt(Attempt),
    /// A connection was returned.
    Open { since: Instant },
    /// The last connection has ended, or the last attempt has failed.
    Ended(Pause),
    /// As `Ended`, and the error was returned.
    Failed(Pause),
    /// The pause before the next attempt runs.
    Pausing(Pin<Box<Sleep>>),
}

/// The pause before the next attempt.
#[derive(Clone, Copy)]
struct Pause {
    start: Instant,
    len: Duration,
}

impl Reconnect {
    pub(super) fn new(
        opener: Opener,
        offer: Offer,
        (target, target_offer): (Target, Offer),
    ) -> Self {
        Self {
            opener: Arc::new(opener),
            offer,
            target,
            target_offer,
            state: State::New,
            backoff: Backoff::default(),
            retry_if: Box::new(Error::is_retryable),
            max_attempts: None,
            max_retry_after: MAX_RETRY_AFTER,
            stable_after: STABLE_AFTER,
            connections: 0,
            failures: 0,
            last_error: None,
            response: None,
        }
    }

    /// Sets the limit of the first pause. Default: 1 s. At least 1 ms, at most [`max_delay`](Self::max_delay).
    ///
    /// A pause is a random time from zero to below its limit. The limit doubles with each pause.
    #[must_use]
    pub fn min_delay(mut self, delay: Duration) -> Self {
        self.backoff.set_min(delay);
        self
    }

    /// Sets the maximum of the limit of a pause. Default: 60 s. At least 1 ms.
    #[must_use]
    pub fn max_delay(mut self, delay: Duration) -> Self {
        self.backoff.set_max(delay);
        self
    }

    /// Sets the time after which a connection is stable. Default: 10 s.
    ///
    /// The end of a stable connection resets the pauses and [`failures`](Self::failures). A connection that ends
    /// earlier is a failure, so that the pauses also grow if a server accepts connections and closes them at once.
    ///
    /// The time is measured from the return of [`next`](Self::next) to the call of [`recover`](Self::recover), or
    /// else to the following call of `next`.
    #[must_use]
    pub fn stable_after(mut self, time: Duration) -> Self {
        self.stable_after = time;
        self
    }

    /// Sets the maximum of the time that a server adds to a pause by `Retry-After`. Default: 5 minutes. Zero ignores
    /// the header.
    ///
    /// The header is read from the response of a server or a proxy that refused, as seconds or as a date (RFC 9110
    /// §10.2.3). An invalid value is ignored.
    #[must_use]
    pub fn max_retry_after(mut self, limit: Duration) -> Self {
        self.max_retry_after = limit;
        self
    }

    /// Sets the number of [`failures`](Self::failures) in a row after which the error is returned. Default: `None`, no
    /// limit. Zero is one.
    ///
    /// Each attempt is bounded by [`Config::open_timeout`](crate::Config::open_timeout). The number of attempts, and
    /// the time of all attempts together, have no bound by default.
    #[must_use]
    pub fn max_attempts(mut self, limit: impl Into<Option<u32>>) -> Self {
        self.max_attempts = limit.into();
        self
    }

    /// Sets the function that returns whether another attempt follows an error. Default: [`Error::is_retryable`].
    ///
    /// The function sees each error of an attempt and of [`recover`](Self::recover), so that it can log them:
    ///
    /// ```no_run
    /// # fn example() -> Result<(), wsimd::Error> {
    /// use wsimd::{ClientBuilder, Error, http::StatusCode};
    ///
    /// let connections = ClientBuilder::new()
    ///     .reconnect("ws://localhost:8765")?
    ///     .retry_if(|error: &Error| {
    ///         eprintln!("{error}");
    ///         error.is_retryable() || error.status() == Some(StatusCode::NOT_FOUND)
    ///     });
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn retry_if(mut self, retry: impl Fn(&Error) -> bool + Send + Sync + 'static) -> Self {
        self.retry_if = Box::new(retry);
        self
    }

    /// Returns the next connection. Call it when the connection before has ended: a call ends no connection.
    ///
    /// After an error was returned, another call tries again after a pause.
    ///
    /// # Errors
    ///
    /// The error of an attempt, as of [`ClientBuilder::connect`](crate::ClientBuilder::connect), if
    /// [`retry_if`](Self::retry_if) refuses it, or if [`max_attempts`](Self::max_attempts) is reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. The next call continues the same pause or attempt, so that `next` may stand
    /// in `tokio::select!` beside a timer. An attempt advances only while `next` is polled, and its
    /// [`open_timeout`](crate::Config::open_timeout) runs meanwhile.
    pub async fn next(&mut self) -> Result<WebSocket<Stream>, Error> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Polls for the next connection, as [`next`](Self::next). Wakes the task of the last call.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next).
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<WebSocket<Stream>, Error>> {
        loop {
            match &mut self.state {
                State::New => self.start_attempt(),
                State::Open { since } => {
                    let since = *since;
                    self.end_connection(since);
                }
                State::Ended(pause) | State::Failed(pause) => {
                    let rest = pause.len.saturating_sub(pause.start.elapsed());
                    self.state = State::Pausing(Box::pin(sleep(rest)));
                }
                State::Pausing(sleep) => {
                    ready!(sleep.as_mut().poll(cx));
                    self.start_attempt();
                }
                State::Attempt(attempt) => match ready!(attempt.as_mut().poll(cx)) {
                    Ok(opened) => return Poll::Ready(Ok(self.finish_attempt(opened))),
                    Err(error) => self.fail_attempt(error)?,
                },
            }
        }
    }

    /// Records the error with which a connection has ended, so that [`next`](Self::next) connects again. A clean end
    /// needs no call.
    ///
    /// The pause starts with this call.
    ///
    /// # Errors
    ///
    /// The same error if [`retry_if`](Self::retry_if) refuses it, or if [`max_attempts`](Self::max_attempts) is
    /// reached.
    pub fn recover(&mut self, error: Error) -> Result<(), Error> {
        if let State::Open { since } = self.state {
            self.end_connection(since);
        }
        if self.gives_up(&error) {
            return Err(error);
        }
        self.last_error = Some(error);
        Ok(())
    }

    /// Sets the server of the next attempt, and the headers that a [request](crate::http::Request) has. Headers of an
    /// earlier target are dropped. An attempt that runs is not changed.
    ///
    /// For example, a server may name a URI at which a session continues, and a token may expire.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the target is invalid.
    pub fn set_target(&mut self, target: impl IntoTarget) -> Result<(), Error> {
        (self.target, self.target_offer) = target.into_target()?;
        Ok(())
    }

    /// Returns the number of connections that were opened. It is 1 with the first connection, and larger if a program
    /// has to subscribe again.
    pub const fn connections(&self) -> u64 {
        self.connections
    }

    /// Returns the number of failures since the last stable connection: of attempts that failed, and of connections
    /// that ended before [`stable_after`](Self::stable_after).
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// Returns the last error after which the client connects again. It is `None` if no error followed the clean end of
    /// a stable connection.
    pub const fn last_error(&self) -> Option<&Error> {
        self.last_error.as_ref()
    }

    /// Returns the 101 response of the last connection, with its headers.
    pub const fn response(&self) -> Option<&Response<()>> {
        self.response.as_ref()
    }

    fn start_attempt(&mut self) {
        let opener = Arc::clone(&self.opener);
        let target = self.target.clone();
        let offer = self.offer.clone().with(self.target_offer.clone());
        self.state = State::Attempt(Box::pin(async move { opener.open(target, offer).await }));
    }

    fn finish_attempt(&mut self, (ws, response): Opened<Stream>) -> WebSocket<Stream> {
        let since = Instant::now();
        self.state = State::Open { since };
        self.connections = self.connections.saturating_add(1);
        self.response = Some(response);
        ws
    }

    /// Records the failure of an attempt, and starts the pause. Returns the error if `next` does.
    fn fail_attempt(&mut self, error: Error) -> Result<(), Error> {
        self.failures = self.failures.saturating_add(1);
        let minimum = retry_after(&error).unwrap_or_default();
        let pause = self.pause(minimum);
        if self.gives_up(&error) {
            self.state = State::Failed(pause);
            return Err(error);
        }
        self.state = State::Ended(pause);
        self.last_error = Some(error);
        Ok(())
    }

    /// Records the end of a connection, and starts the pause.
    fn end_connection(&mut self, since: Instant) {
        if since.elapsed() < self.stable_after {
            self.failures = self.failures.saturating_add(1);
        } else {
            self.backoff.reset();
            self.failures = 0;
            self.last_error = None;
        }
        self.state = State::Ended(self.pause(Duration::ZERO));
    }

    /// Returns a pause that starts now. `minimum` is the time that the server demands.
    fn pause(&mut self, minimum: Duration) -> Pause {
        let minimum = minimum.min(self.max_retry_after);
        Pause {
            start: Instant::now(),
            len: minimum.saturating_add(self.backoff.next_pause()),
        }
    }

    fn gives_up(&self, error: &Error) -> bool {
        let is_exhausted = |limit: u32| self.failures >= limit.max(1);
        !(self.retry_if)(error) || self.max_attempts.is_some_and(is_exhausted)
    }
}

impl fmt::Debug for Reconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconnect")
            .field("target", &self.target)
            .field("connections", &self.connections)
            .field("failures", &self.failures)
            .field("last_error", &self.last_error)
            .finish_non_exhaustive()
    }
}
