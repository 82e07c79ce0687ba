//! `Stream` and `Sink` for connections, halves and handles.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Handle, MessageReader, ReadHalf, TrySendError, WebSocket, WriteHalf,
    socket::{Socket, normal_close},
    turn::Io,
    want::Want,
};
use crate::{error::Error, message::Message, protocol::Event};

impl<S> Socket<S> {
    /// Queues a message, whether there is room or not: the task has waited for room.
    fn start_message(&mut self, mut message: Message) -> Result<(), Error> {
        self.session_mut().queue(&mut message)
    }

    /// Queues a message or a control frame. Also returns a waker, as [`request_close`](Self::request_close).
    fn start_event(&mut self, event: Event) -> Result<Option<Waker>, Error> {
        match event {
            Event::Message(message) => self.start_message(message)?,
            Event::Ping(payload) => self.session_mut().ping(payload, None)?,
            Event::Pong(payload) => self.session_mut().pong(payload)?,
            Event::Close(frame) => return Ok(self.request_close(frame).1),
        }
        Ok(None)
    }
}

impl<S: Io> Socket<S> {
    /// Polls for the next item of a stream, which ends after the first error.
    fn poll_item<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Self, &mut Context<'_>) -> Poll<Result<Option<T>, Error>>,
    ) -> Poll<Option<Result<T, Error>>> {
        if self.session().has_reported() {
            return Poll::Ready(None);
        }
        let item = ready!(poll(self, cx)).transpose();
        if !matches!(item, Some(Ok(_))) {
            self.session_mut().set_reported();
        }
        Poll::Ready(item)
    }
}

/// The received messages, as [`recv`](Self::recv) returns them. Ends after the first error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for WebSocket<S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.inner.poll_item(cx, Socket::poll_recv)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for WebSocket<S> {
    fn is_terminated(&self) -> bool {
        self.inner.session().has_reported()
    }
}

/// Sends messages. `feed` queues them, and `flush` writes them. Closing sends a Close frame with the code 1000, as
/// [`send_close`](Self::send_close).
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WebSocket<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Self::poll_ready(&mut self, cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.inner.start_message(message)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        wake(self.inner.request_normal_close());
        self.inner.poll_until(Want::CloseSent, cx)
    }
}

/// The received messages, as for [`WebSocket`].
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for ReadHalf<S> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_socket(|socket| socket.poll_item(cx, Socket::poll_recv))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> FusedStream for ReadHalf<S> {
    fn is_terminated(&self) -> bool {
        self.with_socket(|socket| socket.session().has_reported())
    }
}

/// Sends messages, as for [`WebSocket`]. Closing leaves the other half to receive the messages that still arrive.
impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Message> for WriteHalf<S> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Self::poll_ready(&mut self, cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        self.with_socket(|socket| socket.start_message(message))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        wake(self.with_socket(Socket::request_normal_close));
        self.poll_socket(|socket| socket.poll_until(Want::CloseSent, cx))
    }
}

/// The chunks of the message, as [`chunk`](Self::chunk) returns them. Ends after the first error.
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for MessageReader<'_, S> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.with_socket(|socket| socket.session().has_reported()) {
            return Poll::Ready(None);
        }
        let chunk = ready!(self.poll_chunk(cx));
        if chunk.is_err() {
            self.with_socket(|socket| socket.session_mut().set_reported());
        }
        Poll::Ready(chunk.transpose())
    }
}

/// A connection or a half whose items are [`Event`]s: messages, and the control frames of the peer.
///
/// [`WebSocket::into_events`] creates it. As a stream it returns the events of
/// [`recv_event`](WebSocket::recv_event), and ends after the first error. As a sink it also sends pings, unsolicited
/// pongs, and a Close frame of any code.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use wsimd::{CloseCode, CloseFrame, Error, Event, WebSocket, net::Stream};
///
/// async fn close_when_pinged(ws: WebSocket<Stream>) -> Result<(), Error> {
///     let mut events = ws.into_events();
///     while let Some(event) = events.next().await {
///         if let Event::Ping(_) = event? {
///             let frame = CloseFrame::new(CloseCode::GOING_AWAY, "no pings, please")?;
///             events.send(Event::Close(frame)).await?;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Events<T>(T);

impl<T> Events<T> {
    /// Returns the connection or half.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// Returns the connection or half.
    pub const fn get_ref(&self) -> &T {
        &self.0
    }

    /// Returns the connection or half, to use its other methods.
    pub const fn get_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<S> WebSocket<S> {
    /// Turns the connection into a `Stream` and `Sink` of [`Event`]s, which include control frames.
    pub const fn into_events(self) -> Events<Self> {
        Events(self)
    }
}

impl<S> ReadHalf<S> {
    /// Turns the half into a `Stream` of [`Event`]s, which include control frames.
    pub const fn into_events(self) -> Events<Self> {
        Events(self)
    }
}

impl<S> WriteHalf<S> {
    /// Turns the half into a `Sink` of [`Event`]s, which include control frames.
    pub const fn into_events(self) -> Events<Self> {
        Events(self)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Events<WebSocket<S>> {
    type Item = Result<Event, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.inner.poll_item(cx, Socket::poll_event)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Events<ReadHalf<S>> {
    type Item = Result<Event, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0
            .poll_socket(|socket| socket.poll_item(cx, Socket::poll_event))
    }
}

impl<T> FusedStream for Events<T>
where
    Self: Stream,
    T: FusedStream,
{
    fn is_terminated(&self) -> bool {
        self.0.is_terminated()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Event> for Events<WebSocket<S>> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, event: Event) -> Result<(), Error> {
        self.0.inner.start_event(event).map(wake)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Sink<Event> for Events<WriteHalf<S>> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, event: Event) -> Result<(), Error> {
        self.0
            .with_socket(|socket| socket.start_event(event))
            .map(wake)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.0.poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

fn wake(waker: Option<Waker>) {
    waker.into_iter().for_each(Waker::wake);
}

/// A `Sink` that sends through a [`Handle`]. [`Handle::into_sink`] creates it.
///
/// The inbox accepts a message as [`Handle::send`] does. While the inbox is full, the sink holds one message more, and
/// is not ready. Flushing waits until the inbox has accepted it. Dropping the sink drops a message that it holds.
///
/// Closing requests a Close frame for the whole connection, as [`Handle::close`]. To keep the connection open, flush
/// the sink and drop it.
pub struct HandleSink {
    handle: Handle,
    /// A message that waits for room in the inbox.
    waiting: Option<Accepting>,
}

/// A future of [`Handle::send`].
type Accepting = Pin<Box<dyn Future<Output = Result<(), Error>> + Send + Sync>>;

impl Handle {
    /// Returns a `Sink` that sends through this handle.
    pub const fn into_sink(self) -> HandleSink {
        HandleSink {
            handle: self,
            waiting: None,
        }
    }
}

impl HandleSink {
    /// Returns the handle.
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Sink<Message> for HandleSink {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(waiting) = &mut self.waiting {
            let accepted = ready!(waiting.as_mut().poll(cx));
            self.waiting = None;
            accepted?;
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        match self.handle.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(message)) => {
                let handle = self.handle.clone();
                self.waiting = Some(Box::pin(async move { handle.send(message).await }));
                Ok(())
            }
            Err(TrySendError::Error(error)) => Err(error),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_ready(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.as_mut().poll_ready(cx))?;
        self.handle.request_close(normal_close());
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for HandleSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandleSink")
            .field("handle", &self.handle)
            .field("is_ready", &self.waiting.is_none())
            .finish_non_exhaustive()
    }
}
