//! [`WebSocket<S>`]: a connection over any [`AsyncRead`] + [`AsyncWrite`].
//!
//! `recv` and `send` are all one needs to know. No task is spawned: pings are answered, the closing
//! handshake runs and what was fed leaves while `recv`, `send` or `flush` is polled, so keep a `recv`
//! pending. All state lives in the connection and none in the futures: dropping a future loses
//! nothing that was received and sends nothing twice.
//!
//! An idle connection owns no buffer. Timers need a tokio runtime with time enabled, and are armed
//! only while a connection closes.

mod core;
mod ending;
mod ping;
mod read;
mod write;

use std::{
    fmt,
    future::poll_fn,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use self::core::Core;
use crate::{
    config::Config,
    error::Error,
    frame::{CloseCode, CloseFrame, Role},
    message::Message,
    protocol::{Closed, Output},
    text::Text,
};

pub use ping::PongWaiter;

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
        core.input = parts.read_buf;
        core.output.append(parts.write_buf);
        Self {
            io: parts.io,
            core,
            subprotocol: parts.subprotocol,
        }
    }

    /// Takes the connection apart, losing nothing: [`from_parts`](Self::from_parts) goes on with it.
    pub fn into_parts(mut self) -> Parts<S> {
        Parts {
            io: self.io,
            read_buf: std::mem::take(&mut self.core.input),
            write_buf: self.core.output.take(),
            core: self.core,
            subprotocol: self.subprotocol,
        }
    }

    /// Drops the connection and what is queued, without a closing handshake. The peer sees 1006.
    pub fn abort(self) {
        drop(self);
    }

    /// Returns the Close frames of both sides once the connection has ended, `None` before.
    pub fn closed(&self) -> Option<Closed> {
        self.core.closed()
    }

    /// Returns how many bytes wait to be written.
    pub fn buffered(&self) -> usize {
        self.core.output.len()
    }

    /// Returns the subprotocol that the opening handshake agreed on (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the stream. Reading from it or writing to it breaks the connection.
    pub const fn get_ref(&self) -> &S {
        &self.io
    }

    /// Returns the stream, to set its options. Reading from it or writing to it breaks the
    /// connection.
    pub const fn get_mut(&mut self) -> &mut S {
        &mut self.io
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
    pub async fn recv(&mut self) -> Result<Option<Message>, Error> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Polls for the next message, as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        self.core.poll_recv(&mut self.io, cx)
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
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.feed(message).await?;
        self.flush().await
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
    pub async fn feed(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        self.ready().await?;
        self.core.send(message)
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
        poll_fn(|cx| self.core.poll_flush(&mut self.io, cx)).await
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
        let waiter = self.core.ping(payload)?;
        self.flush().await?;
        Ok(waiter)
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
        self.core.pong(payload)?;
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
        if self.core.send_close(frame) {
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
        poll_fn(|cx| self.core.poll_ready(&mut self.io, cx)).await
    }
}

impl<S: fmt::Debug> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket")
            .field("io", &self.io)
            .field("closed", &self.closed())
            .field("buffered", &self.buffered())
            .finish_non_exhaustive()
    }
}

/// A connection taken apart: its stream, the bytes on either side of it, and its state.
#[non_exhaustive]
pub struct Parts<S> {
    /// The stream.
    pub io: S,
    /// Bytes that were read from the stream and not received yet.
    pub read_buf: BytesMut,
    /// Bytes that are yet to be written to the stream.
    pub write_buf: Bytes,
    core: Core,
    subprotocol: Option<Box<str>>,
}

impl<S> Parts<S> {
    /// Makes the parts of a connection that has just been opened, both buffers empty.
    pub fn new(io: S, role: Role, config: &Config) -> Self {
        Self {
            io,
            read_buf: BytesMut::new(),
            write_buf: Bytes::new(),
            core: Core::new(role, config),
            subprotocol: None,
        }
    }

    /// Sets the subprotocol that the opening handshake agreed on.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: Option<&str>) -> Self {
        self.subprotocol = subprotocol.map(Box::from);
        self
    }
}

impl<S: fmt::Debug> fmt::Debug for Parts<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("io", &self.io)
            .field("read_buf", &self.read_buf.len())
            .field("write_buf", &self.write_buf.len())
            .finish_non_exhaustive()
    }
}
