//! [`WebSocket<S>`]: a connection over any [`AsyncRead`] + [`AsyncWrite`].
//!
//! `recv` and `send` are all one needs to know. No task is spawned: pings are answered, the closing
//! handshake runs and what was fed leaves while `recv`, `send` or `flush` is polled, so keep a `recv`
//! pending. All state lives in the connection and none in the futures: dropping a future loses
//! nothing that was received and sends nothing twice.
//!
//! An idle connection owns no buffer. Timers need a tokio runtime with time enabled, and run while a
//! connection closes, or is kept alive by pings.

mod driver;
mod ending;
mod handle;
mod inbox;
mod intake;
mod parts;
mod permit;
mod ping;
mod read;
mod session;
mod socket;
mod split;
mod timer;
mod turn;
mod waiters;
mod want;
mod wire;
mod write;

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use self::{session::Session, socket::Socket, want::Want};
use crate::{
    config::Config,
    error::Error,
    extension::Compress,
    frame::{CloseCode, CloseFrame, Role},
    message::Message,
    protocol::Closed,
    text::Text,
};

pub use handle::Handle;
pub use parts::Parts;
pub use permit::{Permit, TryFeedError};
pub use ping::PongWaiter;
pub use split::{ReadHalf, WriteHalf};

/// An open WebSocket connection.
///
/// ```
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use wsimd::{Error, WebSocket};
///
/// async fn echo<S>(mut ws: WebSocket<S>) -> Result<(), Error>
/// where
///     S: AsyncRead + AsyncWrite + Unpin,
/// {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
///
/// All methods report what ended the connection in the same way. A violation of the protocol, a
/// timeout and an unclean end are reported by every call from then on; an I/O error is reported
/// once, [`Error::Closed`] after it. A clean end is `Ok(None)` of [`recv`](Self::recv), as often as
/// it is called.
pub struct WebSocket<S> {
    inner: Box<Socket<S>>,
}

// Moving a `WebSocket` into a future copies one pointer; rustc may store such arguments twice.
const _: () = assert!(size_of::<WebSocket<[u8; 100]>>() == size_of::<usize>());

impl<S> WebSocket<S> {
    /// Creates a connection over `io`, whose opening handshake has completed.
    /// [`from_parts`](Self::from_parts) takes bytes that were read after it.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self::from_parts(Parts::new(io, role, config))
    }

    /// Creates a connection from its parts.
    pub fn from_parts(parts: Parts<S>) -> Self {
        Self {
            inner: Box::new(parts.into_socket()),
        }
    }

    /// Takes the connection apart and loses nothing: [`from_parts`](Self::from_parts) continues it.
    pub fn into_parts(self) -> Parts<S> {
        Parts::from_socket(*self.inner)
    }

    /// Drops the connection and its queue, without a closing handshake. The peer sees 1006.
    pub fn abort(self) {
        drop(self);
    }

    /// Splits the connection into halves that can be used from two tasks.
    pub fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        split::split(self)
    }

    /// Returns a handle that sends from elsewhere. All handles of a connection share one inbox.
    pub fn handle(&mut self) -> Handle {
        self.inner.driver.handle()
    }

    /// Queues a message unless more than [`Config::write_high_water`] is queued. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`TryFeedError::Full`] with the message when there is no room; otherwise as
    /// [`send`](Self::send).
    pub fn try_feed(&mut self, message: impl Into<Message>) -> Result<(), TryFeedError> {
        self.session().try_feed(message.into())
    }

    /// Says whether the messages accepted from now on are compressed, where an extension was agreed on
    /// that can ([`Config::extension`]). Default: [`Compress::Auto`].
    ///
    /// What is in the inbox of [handles](Self::handle) is accepted when it is taken out.
    pub fn compress(&mut self, compress: Compress) {
        self.session().compress(compress);
    }

    /// Returns the Close frames of both sides once the connection has ended, `None` before.
    pub fn closed(&self) -> Option<Closed> {
        self.inner.driver.closed()
    }

    /// Returns the round-trip time of the last ping that was answered: of the keepalive
    /// ([`Config::ping_interval`]), or of [`ping`](Self::ping). `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        self.inner.driver.session().latency()
    }

    /// Returns how many bytes wait to be written.
    pub fn buffered(&self) -> usize {
        self.inner.driver.session().wire().buffered()
    }

    /// Returns the subprotocol that the opening handshake agreed on (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.inner.subprotocol.as_deref()
    }

    /// Marks a stream that keeps written bytes until it is flushed. `progress` returns whether its
    /// socket has taken bytes since the last call.
    #[cfg(feature = "server")]
    pub(crate) fn cork(&mut self, progress: fn(&S) -> bool) {
        self.inner.transport.cork = Some(progress);
    }

    fn session(&mut self) -> &mut Session {
        self.inner.driver.session_mut()
    }

    /// Returns the stream. Reading from it or writing to it breaks the connection.
    pub fn get_ref(&self) -> &S {
        &self.inner.transport.io
    }

    /// Returns the stream, to set its options. Reading from it or writing to it breaks the
    /// connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner.transport.io
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message; `None` once both sides have closed with 1000, 1001 or no code.
    ///
    /// Answers pings and Close frames, and writes what was fed before it waits. When the peer closes
    /// or errs, the closing handshake is finished before this returns, within
    /// [`Config::close_timeout`].
    ///
    /// # Errors
    ///
    /// What ended the connection: [`Error::Protocol`] for a violation, of which the peer was told;
    /// [`Error::Closed`] for an unclean end; [`Error::Timeout`]; [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the next call goes on where this one was.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Polls for the next message, as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.inner.poll_recv(cx)
    }

    /// Sends a message and waits until the stream has taken all of it.
    ///
    /// Waits first while more than [`Config::write_high_water`] is queued. Receives nothing
    /// meanwhile: two peers that only send can block each other. Has no deadline of its own: put it
    /// into a `timeout` where the peer may stop reading.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent, which changes nothing; otherwise as
    /// [`recv`](Self::recv), and [`Error::Closed`] after our Close frame.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the message either not accepted or accepted whole. An accepted
    /// message leaves with the next `send`, `flush` or `recv`.
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.inner.poll_send(&mut message, cx))
    }

    /// Queues a message: it leaves with the next `flush` or `send`, or when `recv` is about to wait.
    ///
    /// Waits first while more than [`Config::write_high_water`] is queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the message not accepted.
    pub fn feed(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.inner.poll_feed(&mut message, cx))
    }

    /// Waits while more than [`Config::write_high_water`] is queued. A message that is sent through the
    /// permit is accepted for sure.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Closed`] after our Close frame.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn reserve(&mut self) -> Result<Permit<'_>, Error> {
        self.until(Want::Room).await?;
        Ok(Permit::new(self.session()))
    }

    /// Waits until the stream has taken all that is queued.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.until(Want::Flushed).await
    }

    /// Sends a ping with a payload of at most 125 bytes. Give each a payload of its own: a pong
    /// answers the oldest ping of the same payload, and those before it.
    ///
    /// The future that is returned completes while `recv` is polled.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn ping(&mut self, payload: impl Into<Bytes>) -> Result<PongWaiter, Error> {
        let payload = payload.into();
        self.until(Want::Room).await?;
        let (waiter, pong) = PongWaiter::new();
        self.session().ping(payload, Some(waiter))?;
        self.until(Want::Sent).await?;
        Ok(pong)
    }

    /// Sends a pong that nobody asked for, with a payload of at most 125 bytes: a sign of life
    /// (RFC 6455 §5.5.3). Pings are answered without it.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub async fn pong(&mut self, payload: impl Into<Bytes>) -> Result<(), Error> {
        let payload = payload.into();
        self.until(Want::Room).await?;
        self.session().pong(payload)?;
        self.until(Want::Sent).await
    }

    /// Sends our Close frame and starts the close deadline; `recv` then delivers what still comes,
    /// until `None`. Does nothing when our Close frame was sent before.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code or a reason that may not be sent, which changes nothing; otherwise
    /// as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// The Close frame is queued when the future is first polled, and leaves with the next `flush`
    /// or `recv`.
    pub async fn send_close(
        &mut self,
        code: CloseCode,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        if self.inner.driver.request_close(frame, Instant::now()) {
            self.until(Want::CloseSent).await?;
        }
        Ok(())
    }

    /// Closes the connection: sends our Close frame, discards the messages that still come, and waits
    /// for the peer's Close frame and the end of the stream, within [`Config::close_timeout`].
    ///
    /// Fine when the closing handshake completes, whatever the codes: [`closed`](Self::closed) has
    /// them. Calling it again says the same.
    ///
    /// # Errors
    ///
    /// As [`send_close`](Self::send_close) and [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// As [`send_close`](Self::send_close); messages that were discarded are lost.
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Text>) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        self.inner.driver.request_close(frame, Instant::now());
        self.until(Want::Ended).await
    }

    fn until(&mut self, want: Want) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| self.inner.poll_until(want, cx))
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("io", self.get_ref())
            .field("closed", &self.closed())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}
