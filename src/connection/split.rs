//! [`ReadHalf`] and [`WriteHalf`]: a connection for two tasks.

mod facts;
mod permit;

use std::{
    fmt,
    future::poll_fn,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    PongWaiter, TrySendError, WebSocket, lend::call_once, owned::Owned, ping, socket::Socket,
    waiters::lock, want::Want,
};
use crate::{
    error::Error,
    extension::Compress,
    frame::{CloseCode, CloseFrame},
    message::{Message, MessageRef},
    sync::Mutex,
    text::Text,
};

pub use self::permit::WritePermit;

/// The half that receives. [`WebSocket::split`] creates it.
///
/// ```
/// # use wsimd::{CloseCode, Error, WebSocket, net::Stream};
/// # async fn example(ws: WebSocket<Stream>, parts: Vec<Vec<u8>>) -> Result<(), Error> {
/// let (mut reader, mut writer) = ws.split();
/// tokio::spawn(async move {
///     while let Ok(Some(message)) = reader.recv().await {
///         println!("{message:?}");
///     }
/// });
/// for part in parts {
///     writer.send(part).await?;
/// }
/// writer.send_close(CloseCode::NORMAL, "").await?;
/// # Ok(())
/// # }
/// ```
///
/// Keep a `recv` pending, even if the peer sends no message, so that pings and Close frames are answered.
/// Halves suit one task that sends a lot. For many tasks that send, or few messages, a
/// [`Handle`](super::Handle) is simpler.
///
/// While it waits, it drives the whole connection: it answers pings and Close frames, runs the keepalive,
/// and writes the bytes that the other half has queued.
pub struct ReadHalf<S>(Arc<Mutex<Owned<S>>>);

/// The half that sends. [`WebSocket::split`] creates it, and [`ReadHalf`] has an example.
///
/// While it waits, it drives the whole connection as well. A message that it reads is parked for the
/// other half. Dropping this half does not close the connection.
pub struct WriteHalf<S>(Arc<Mutex<Owned<S>>>);

/// Polls the connection under its lock, and wakes the other half after the lock is released.
fn poll<S, T>(socket: &Mutex<Owned<S>>, poll: impl FnOnce(&mut Socket<S>) -> Poll<T>) -> Poll<T> {
    let (polled, other) = {
        let mut socket = lock(socket);
        (poll(&mut socket), socket.waiters.take_due())
    };
    other.into_iter().for_each(Waker::wake);
    polled
}

pub(super) fn split<S>(mut ws: WebSocket<S>) -> (ReadHalf<S>, WriteHalf<S>) {
    ws.inner.waiters.set_defers(true);
    let shared = Arc::new(Mutex::new(ws.inner));
    (ReadHalf(Arc::clone(&shared)), WriteHalf(shared))
}

impl<S> ReadHalf<S> {
    /// Joins the halves of a connection.
    ///
    /// # Errors
    ///
    /// Both halves, if they belong to different connections.
    pub fn reunite(self, other: WriteHalf<S>) -> Result<WebSocket<S>, (Self, WriteHalf<S>)> {
        if !Arc::ptr_eq(&self.0, &other.0) {
            return Err((self, other));
        }
        drop(other);
        match Arc::try_unwrap(self.0) {
            Ok(shared) => {
                let inner = shared.into_inner();
                let mut inner = inner.unwrap_or_else(PoisonError::into_inner);
                inner.waiters.set_defers(false);
                Ok(WebSocket { inner })
            }
            Err(_) => unreachable!("a connection has two halves, and here were both"),
        }
    }

    /// Polls the connection under its lock.
    pub(super) fn poll_socket<T>(&self, f: impl FnOnce(&mut Socket<S>) -> Poll<T>) -> Poll<T> {
        poll(&self.0, f)
    }

    /// Uses the connection under its lock.
    #[cfg(feature = "stream")]
    pub(super) fn with_socket<T>(&self, f: impl FnOnce(&mut Socket<S>) -> T) -> T {
        f(&mut lock(&self.0))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// Receives the next message, as [`WebSocket::recv`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.poll_recv(cx))
    }

    /// Polls for the next message, as [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        poll(&self.0, |it| it.poll_recv(cx))
    }

    /// Receives the next message and lends it to `f`, as [`WebSocket::recv_with`].
    ///
    /// The connection is not locked while `f` runs, so that `f` may call [`WriteHalf::try_feed`]. The other half
    /// reads nothing meanwhile.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::recv_with`].
    pub fn recv_with<R>(
        &mut self,
        f: impl FnOnce(MessageRef<'_>) -> R,
    ) -> impl Future<Output = Result<Option<R>, Error>> {
        let mut f = Some(f);
        poll_fn(move |cx| self.poll_recv_with(cx, |message| call_once(&mut f, message)))
    }

    /// Polls for the next message, and lends it as [`recv_with`](Self::recv_with) does.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub fn poll_recv_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(MessageRef<'_>) -> R,
    ) -> Poll<Result<Option<R>, Error>> {
        let Some(lent) = ready!(poll(&self.0, |it| it.poll_lend(cx)))? else {
            return Poll::Ready(Ok(None));
        };
        let give_back = |input| {
            let writer = lock(&self.0).give_back(input);
            writer.into_iter().for_each(Waker::wake);
        };
        Poll::Ready(Ok(Some(lent.call(f, give_back))))
    }
}

impl<S> WriteHalf<S> {
    /// Queues a message unless too much is queued, as [`WebSocket::try_feed`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::try_feed`].
    pub fn try_feed(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        lock(&self.0).session_mut().try_feed(message)
    }

    /// Sets whether messages are compressed, as [`WebSocket::set_compress`].
    pub fn set_compress(&mut self, compress: Compress) {
        lock(&self.0).session_mut().set_compress(compress);
    }

    /// Polls the connection under its lock.
    pub(super) fn poll_socket<T>(&self, f: impl FnOnce(&mut Socket<S>) -> Poll<T>) -> Poll<T> {
        poll(&self.0, f)
    }

    /// Uses the connection under its lock.
    pub(super) fn with_socket<T>(&self, f: impl FnOnce(&mut Socket<S>) -> T) -> T {
        f(&mut lock(&self.0))
    }

    /// Returns the largest message that may be sent, in bytes.
    #[cfg(feature = "json")]
    pub(super) fn max_message_size(&self) -> usize {
        let socket = lock(&self.0);
        socket.session().config().settings.max_outgoing_message_size
    }

    /// As [`WebSocket::buffered`].
    pub fn buffered(&self) -> usize {
        lock(&self.0).session().buffered()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WriteHalf<S> {
    /// Sends a message, as [`WebSocket::send`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::send`].
    pub fn send(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| poll(&self.0, |it| it.poll_send(&mut message, cx)))
    }

    /// Queues a message, as [`WebSocket::feed`]. The next `flush` or `send` writes it, or the other half
    /// with its next poll.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::feed`].
    pub fn feed(&mut self, message: impl Into<Message>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        poll_fn(move |cx| poll(&self.0, |it| it.poll_feed(&mut message, cx)))
    }

    /// Waits until the stream has taken all queued bytes, as [`WebSocket::flush`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::flush`].
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        self.until(Want::Flushed)
    }

    /// Polls for room for a message, as [`WebSocket::poll_ready`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll(&self.0, |it| it.poll_until(Want::Room, cx))
    }

    /// Polls until all queued bytes are written, as [`WebSocket::poll_flush`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        poll(&self.0, |it| it.poll_until(Want::Flushed, cx))
    }

    /// Sends a ping with a random payload, as [`WebSocket::ping`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::ping`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::ping`].
    pub async fn ping(&mut self) -> Result<PongWaiter, Error> {
        self.ping_with(ping::random_payload()).await
    }

    /// Sends a ping with a payload of at most 125 bytes, as [`WebSocket::ping_with`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::ping_with`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::ping`].
    pub async fn ping_with(&mut self, payload: impl AsRef<[u8]>) -> Result<PongWaiter, Error> {
        let payload = Bytes::copy_from_slice(payload.as_ref());
        self.until(Want::Room).await?;
        let (waiter, pong) = PongWaiter::new();
        lock(&self.0).session_mut().ping(payload, Some(waiter))?;
        self.until(Want::Sent).await?;
        Ok(pong)
    }

    /// Sends an unsolicited pong, as [`WebSocket::pong`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::send`].
    pub async fn pong(&mut self, payload: impl AsRef<[u8]>) -> Result<(), Error> {
        let payload = Bytes::copy_from_slice(payload.as_ref());
        self.until(Want::Room).await?;
        lock(&self.0).session_mut().pong(payload)?;
        self.until(Want::Sent).await
    }

    /// Sends our Close frame, as [`WebSocket::send_close`]. The other half then receives the messages that
    /// still arrive, until `None`.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_close`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::send_close`].
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

    /// Closes the connection and waits for its end, as [`WebSocket::close`].
    ///
    /// A message that still arrives is discarded, unless the other half receives it first. A program that needs these
    /// messages calls [`send_close`](Self::send_close) instead, and receives with the other half until `None`.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::close`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::close`].
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        self.request_close(CloseFrame::new(code, reason)?);
        self.until(Want::Ended).await
    }

    /// Accepts our Close frame. Returns whether the connection was open.
    fn request_close(&self, frame: CloseFrame) -> bool {
        let (is_accepted, receiver) = lock(&self.0).request_close(frame);
        receiver.into_iter().for_each(Waker::wake);
        is_accepted
    }

    fn until(&mut self, want: Want) -> impl Future<Output = Result<(), Error>> {
        poll_fn(move |cx| poll(&self.0, |it| it.poll_until(want, cx)))
    }
}

impl<S> fmt::Debug for ReadHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf").finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for WriteHalf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf").finish_non_exhaustive()
    }
}
