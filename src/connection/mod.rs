//! [`WebSocket<S>`]: a connection over any [`AsyncRead`] + [`AsyncWrite`].
//!
//! `recv` and `send` are all one needs to know. No task is spawned: pings are answered, the closing
//! handshake runs and what was fed leaves while `recv`, `send` or `flush` is polled, so keep a `recv`
//! pending. All state lives in the connection and none in the futures: dropping a future loses
//! nothing that was received and sends nothing twice.
//!
//! An idle connection owns no buffer. Timers need a tokio runtime with time enabled, and run while a
//! connection closes, or is kept alive by pings.

mod core;
mod ending;
mod handle;
mod inbox;
mod incoming;
mod outgoing;
mod parts;
mod permit;
mod ping;
mod read;
mod shared;
mod split;
mod timer;
mod write;

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use self::core::Core;
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
    // Boxed: futures hold what they are given more than once.
    inner: Box<Inner<S>>,
}

// What a future that is given a connection holds of it.
const _: () = assert!(size_of::<WebSocket<[u8; 100]>>() == size_of::<usize>());

/// A connection: its stream and all else.
struct Inner<S> {
    io: S,
    core: Core,
    subprotocol: Option<Box<str>>,
}

impl<S> WebSocket<S> {
    /// Makes a connection of a stream whose opening handshake is done and of which nothing has been
    /// read since. [`from_parts`](Self::from_parts) takes bytes that have.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self::from_parts(Parts::new(io, role, config))
    }

    /// Makes a connection of its parts.
    pub fn from_parts(parts: Parts<S>) -> Self {
        let mut core = parts.core;
        core.input = parts.read_buf.into();
        core.output.restore(parts.write_buf);
        Self {
            inner: Box::new(Inner {
                io: parts.io,
                core,
                subprotocol: parts.subprotocol,
            }),
        }
    }

    /// Takes the connection apart, losing nothing: [`from_parts`](Self::from_parts) goes on with it.
    pub fn into_parts(self) -> Parts<S> {
        let Inner {
            io,
            mut core,
            subprotocol,
        } = *self.inner;
        Parts {
            io,
            read_buf: core.input.take(),
            write_buf: core.output.take(),
            core,
            subprotocol,
        }
    }

    /// Drops the connection and what is queued, without a closing handshake. The peer sees 1006.
    pub fn abort(self) {
        drop(self);
    }

    /// Splits the connection for two tasks. Both halves together are as the whole.
    pub fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        split::split(self)
    }

    /// Returns a handle that sends from elsewhere. All handles of a connection share one inbox.
    pub fn handle(&mut self) -> Handle {
        self.inner.core.handle()
    }

    /// Queues a message unless more than [`Config::write_high_water`] is queued. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`TryFeedError::Full`] with the message when there is no room; otherwise as
    /// [`send`](Self::send).
    pub fn try_feed(&mut self, message: impl Into<Message>) -> Result<(), TryFeedError> {
        self.inner.core.try_feed(message.into())
    }

    /// Says whether the messages accepted from now on are compressed, where an extension was agreed on
    /// that can ([`Config::extension`]). Default: [`Compress::Auto`].
    ///
    /// What is in the inbox of [handles](Self::handle) is accepted when it is taken out.
    pub fn compress(&mut self, compress: Compress) {
        self.inner.core.sender.compress(compress);
    }

    /// Returns the Close frames of both sides once the connection has ended, `None` before.
    pub fn closed(&self) -> Option<Closed> {
        self.inner.core.closed()
    }

    /// Returns the round-trip time of the last ping that was answered: of the keepalive
    /// ([`Config::ping_interval`]), or of [`ping`](Self::ping). `None` before the first.
    pub fn latency(&self) -> Option<Duration> {
        self.inner.core.latency()
    }

    /// Returns how many bytes wait to be written.
    pub fn buffered(&self) -> usize {
        self.inner.core.output.len()
    }

    /// Returns the subprotocol that the opening handshake agreed on (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.inner.subprotocol.as_deref()
    }

    /// Returns the stream. Reading from it or writing to it breaks the connection.
    pub fn get_ref(&self) -> &S {
        &self.inner.io
    }

    /// Returns the stream, to set its options. Reading from it or writing to it breaks the
    /// connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner.io
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
        self.inner.core.poll_recv(&mut self.inner.io, cx)
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
        let Inner { io, core, .. } = &mut *self.inner;
        let mut message = Some(message.into());
        poll_fn(move |cx| core.poll_send(io, &mut message, cx))
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
        let Inner { io, core, .. } = &mut *self.inner;
        let mut message = Some(message.into());
        poll_fn(move |cx| core.poll_feed(io, &mut message, cx))
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
        self.ready().await?;
        Ok(Permit::new(&mut self.inner.core))
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
        poll_fn(|cx| self.inner.core.poll_flush(&mut self.inner.io, cx)).await
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
        self.ready().await?;
        let (waiter, pong) = PongWaiter::new();
        self.inner.core.ping(payload, Some(waiter))?;
        self.flush().await?;
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
        self.ready().await?;
        self.inner.core.pong(payload)?;
        self.flush().await
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
        if self.inner.core.send_close(frame) {
            self.flush().await?;
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
        self.send_close(code, reason).await?;
        loop {
            match self.recv().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(Error::Closed(closed)) if closed.is_complete() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn ready(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.inner.core.poll_ready(&mut self.inner.io, cx)).await
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
