//! [`Seen`]: the control frames of the peer, for a task that wants to see them.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{ReadHalf, WebSocket};
use crate::{error::Error, protocol::Event};

/// The number of control frames that wait for a task that does not take them. The oldest is dropped for the next.
const MAX_SEEN: usize = 32;

/// The control frames that have arrived and were answered, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seen(VecDeque<Event>);

impl Seen {
    /// Keeps a control frame.
    pub(super) fn push(&mut self, event: Event) {
        if self.0.len() >= MAX_SEEN {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// Takes the oldest control frame: a Close frame only if the connection has ended.
    pub(super) fn pop(&mut self, has_ended: bool) -> Option<Event> {
        match self.0.front() {
            Some(Event::Close(_)) if !has_ended => None,
            _ => self.0.pop_front(),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message or control frame; `None` as [`recv`](Self::recv).
    ///
    /// Pings, pongs and the Close frame of the peer are returned in the order of their arrival. A ping has been
    /// answered by then. The Close frame is returned when the closing handshake is complete, and the next call reports
    /// the end as `recv` does.
    ///
    /// ```
    /// # use wsimd::{Error, Event, WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    /// while let Some(event) = ws.recv_event().await? {
    ///     match event {
    ///         Event::Message(message) => println!("{} bytes", message.len()),
    ///         Event::Close(frame) => println!("the peer closes with {:?}", frame.code()),
    ///         Event::Ping(_) | Event::Pong(_) => println!("a sign of life"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// From the first call on, the connection keeps the last 32 control frames that arrive during other calls, such as
    /// [`send`](Self::send).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_event(&mut self) -> impl Future<Output = Result<Option<Event>, Error>> {
        poll_fn(|cx| self.poll_recv_event(cx))
    }

    /// Polls for the next message or control frame, as [`recv_event`](Self::recv_event).
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    pub fn poll_recv_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        self.inner.poll_event(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// Receives the next message or control frame, as [`WebSocket::recv_event`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn recv_event(&mut self) -> impl Future<Output = Result<Option<Event>, Error>> {
        poll_fn(|cx| self.poll_recv_event(cx))
    }

    /// Polls for the next message or control frame, as [`recv_event`](Self::recv_event).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    pub fn poll_recv_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Event>, Error>> {
        self.poll_socket(|socket| socket.poll_event(cx))
    }
}
