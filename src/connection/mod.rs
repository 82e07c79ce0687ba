//! [`WebSocket<S>`]: a connection over any [`AsyncRead`] + [`AsyncWrite`].
//!
//! `recv` and `send` are enough for most programs. A connection spawns no task and works only while it
//! is polled. Every wait drives the whole connection: it reads, writes, answers pings and Close frames,
//! and runs the keepalive. A program that has nothing to send keeps a `recv` pending.
//!
//! All state lives in the connection and none in the futures. Dropping a future loses no received
//! message and sends no message twice.
//!
//! An idle connection owns no buffer. Its timer, for pings and for the close deadline, needs tokio's time driver.

mod byte_stream;
mod driver;
mod ending;
mod events;
#[cfg(feature = "codec")]
mod framed;
mod handle;
mod inbox;
mod intake;
#[cfg(feature = "json")]
mod json;
mod lend;
mod link;
mod owned;
mod parts;
mod permit;
mod ping;
mod read;
mod reader;
#[cfg(feature = "server")]
pub(crate) mod served;
mod session;
mod socket;
mod split;
#[cfg(feature = "stream")]
mod stream;
mod timer;
mod transport;
mod turn;
mod waiters;
mod want;
mod wire;
mod write;
mod writer;

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::io::{AsyncRead, AsyncWrite};

use self::{owned::Owned, session::Session, want::Want};
use crate::{
    config::Config,
    error::Error,
    extension::Compress,
    frame::{CloseCode, CloseFrame, Role},
    message::Message,
    protocol::Closed,
    text::Text,
};

pub use byte_stream::ByteStream;
pub use handle::Handle;
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) use owned::{Left, Mail};
pub use parts::Parts;
pub use permit::{Permit, TrySendError};
pub use ping::PongWaiter;
pub use reader::MessageReader;
pub use split::{ReadHalf, WriteHalf, WritePermit};
#[cfg(feature = "stream")]
pub use stream::{Events, HandleSink};
pub use writer::MessageWriter;

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
/// All methods report the reason of the connection's end in the same way. Every call from then on
/// reports a violation of the protocol, a timeout and an unclean end. An I/O error is reported once,
/// and [`Error::Closed`] after it. [`recv`](Self::recv) reports a clean end as `Ok(None)` each time.
pub struct WebSocket<S> {
    inner: Owned<S>,
}

// Moving a `WebSocket` into a future copies one pointer; rustc may store such arguments twice.
const _: () = assert!(size_of::<WebSocket<[u8; 100]>>() == size_of::<usize>());

impl<S> WebSocket<S> {
    /// Creates a connection over `io`, whose opening handshake has completed. [`from_parts`](Self::from_parts)
    /// also takes bytes that were read after the handshake.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self::from_parts(Parts::new(io, role, config))
    }

    /// Creates a connection from its parts.
    pub fn from_parts(parts: Parts<S>) -> Self {
        Self {
            inner: Owned::new(Box::new(parts.into_socket())),
        }
    }

    /// Takes the connection apart. [`from_parts`](Self::from_parts) continues it without a loss.
    pub fn into_parts(self) -> Parts<S> {
        Parts::from_socket(self.inner.into_socket())
    }

    /// Splits the connection into halves that can be used from two tasks.
    pub fn split(self) -> (ReadHalf<S>, WriteHalf<S>) {
        split::split(self)
    }

    /// Returns a handle that sends from elsewhere. All handles of a connection share one inbox.
    pub fn handle(&mut self) -> Handle {
        self.inner.handle()
    }

    /// Queues a message unless more than [`Config::write_high_water`] is queued. Writes nothing.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] with the message when there is no room; otherwise as [`send`](Self::send).
    pub fn try_feed(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        self.session().try_feed(message.into())
    }

    /// Sets whether later messages are compressed, if the opening handshake negotiated an extension that
    /// compresses ([`Config::extension`]). Default: [`Compress::Auto`].
    ///
    /// Messages in the inbox of [handles](Self::handle) use the setting at the time they are taken out.
    pub fn set_compress(&mut self, compress: Compress) {
        self.session().set_compress(compress);
    }

    /// Returns the Close frames of both sides once the connection has ended, `None` before.
    pub fn closed(&self) -> Option<Closed> {
        self.inner.link.closed()
    }

    /// Returns the round-trip time of the last answered ping, which the keepalive
    /// ([`Config::ping_interval`]) or [`ping`](Self::ping) sent. `None` before the first answer.
    pub fn latency(&self) -> Option<Duration> {
        self.inner.session().latency()
    }

    /// Returns the number of bytes that wait to be written.
    pub fn buffered(&self) -> usize {
        self.inner.session().buffered()
    }

    /// Returns the subprotocol that the opening handshake negotiated (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.inner.subprotocol.as_deref().map(AsRef::as_ref)
    }

    fn session(&mut self) -> &mut Session {
        self.inner.session_mut()
    }

    /// Returns the stream, to read its options. Reading bytes from it breaks the connection.
    pub fn get_ref(&self) -> &S {
        &self.inner.transport.io
    }

    /// Returns the stream, to set its options. Reading from it or writing to it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner.transport.io
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message; `None` once both sides have closed with 1000, 1001 or no code.
    ///
    /// Answers pings and Close frames. Writes all queued bytes before it waits.
    ///
    /// After the peer's Close frame or violation, `recv` first writes our Close frame and shuts the stream
    /// down, within [`Config::close_timeout`]. A client also waits for the server to close the stream, for one
    /// second at most. A server does not wait for the client to close it.
    ///
    /// # Errors
    ///
    /// The reason of the connection's end:
    ///
    /// - [`Error::Protocol`] for a violation of the peer. Our Close frame has reported it to the peer.
    /// - [`Error::Closed`] for an unclean end.
    /// - [`Error::Timeout`] for a peer that did not close in time, or that showed no sign of life
    ///   ([`Config::ping_timeout`]).
    /// - [`Error::Io`] for a stream that has failed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing. The next call continues.
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
    /// Waits first while more than [`Config::write_high_water`] bytes are queued. Under
    /// [`serve`](crate::serve) the stream takes bytes at once and writes them when the handler next waits.
    ///
    /// Every wait reads and answers control frames. It parks one message, which the next
    /// [`recv`](Self::recv) returns, and then reads no more: two peers that only send can block each other.
    /// The second `send` in a row without a `recv` reads once too, so that a task that only sends answers
    /// pings.
    ///
    /// With the keepalive on ([`Config::ping_interval`]), a peer that takes no byte for
    /// [`Config::ping_timeout`] ends the connection. With the keepalive off, the wait has no bound.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent, or this side is closing, which changes nothing;
    /// [`Error::Closed`] after the peer's Close frame; otherwise as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// A dropped future has accepted the whole message or none of it. The next call that waits writes the rest.
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| self.inner.poll_send(&mut message, cx))
    }

    /// Queues a message. The next `flush` or `send` writes it, or a `recv` that is about to wait.
    /// Waits first while more than [`Config::write_high_water`] bytes are queued, as [`send`](Self::send)
    /// does. Otherwise it neither writes nor reads.
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

    /// Waits while more than [`Config::write_high_water`] bytes are queued, as [`send`](Self::send) does.
    /// The permit then accepts a message without a wait.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn reserve(&mut self) -> Result<Permit<'_>, Error> {
        self.until(Want::Room).await?;
        Ok(Permit::new(self.session()))
    }

    /// Waits until the stream has taken all queued bytes and is flushed, with the bound of [`send`](Self::send).
    /// Under [`serve`](crate::serve), the bytes are written to the socket at once.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv), and [`Error::Closed`] once the connection has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest queued.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.until(Want::Flushed).await
    }

    /// Polls for room for a message, as [`reserve`](Self::reserve). [`try_feed`](Self::try_feed) then queues one.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_until(Want::Room, cx)
    }

    /// Polls until all queued bytes are written, as [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_until(Want::Flushed, cx)
    }

    /// Sends our Close frame after all accepted messages, and waits until the stream has taken it.
    ///
    /// The accepted messages include those in the inbox of [handles](Self::handle). From now on no message
    /// is accepted. `recv` then returns the messages that still arrive, until `None`.
    ///
    /// [`Config::close_timeout`] starts with this call and bounds the closing handshake. Does nothing if
    /// the connection is closing or has ended.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code or a reason that may not be sent, which changes nothing; otherwise
    /// as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// The request is accepted when the future is first polled. The next call that waits sends the Close
    /// frame.
    pub async fn send_close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        if self.request_close(CloseFrame::new(code, reason)?) {
            self.until(Want::CloseSent).await?;
        }
        Ok(())
    }

    /// Closes the connection: sends our Close frame as [`send_close`](Self::send_close) does, discards the
    /// messages that still arrive, and waits for the end of the connection as [`recv`](Self::recv) does.
    ///
    /// Succeeds if the closing handshake completes, with any codes. A second call has the same result.
    ///
    /// # Errors
    ///
    /// As [`send_close`](Self::send_close) and [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// As [`send_close`](Self::send_close). Discarded messages are lost.
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        self.request_close(CloseFrame::new(code, reason)?);
        self.until(Want::Ended).await
    }

    /// Accepts our Close frame. Returns whether the connection was open.
    fn request_close(&mut self, frame: CloseFrame) -> bool {
        let (is_accepted, receiver) = self.inner.request_close(frame);
        receiver.into_iter().for_each(Waker::wake);
        is_accepted
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
