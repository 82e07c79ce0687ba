//! [`Handle`]: sending from elsewhere, without a lock around the connection.

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use tokio::sync::mpsc::{self, error::TrySendError};

use super::TryFeedError;
use crate::{
    config::Config,
    error::Error,
    frame::{CloseCode, CloseFrame},
    message::Message,
    protocol::{Closed, Event, check_size},
    text::Text,
};

/// Sends on a connection that is elsewhere: [`WebSocket::handle`](super::WebSocket::handle) makes it,
/// and clones share it.
///
/// What is sent waits in a bounded inbox, [`Config::inbox_size`] messages for all handles of a
/// connection, and leaves with the next `recv`, `send` or `flush` of the connection: a `recv` that waits
/// wakes up for it.
///
/// ```
/// # use wsimd::{Error, WebSocket, net::Stream};
/// # async fn example(mut ws: WebSocket<Stream>) -> Result<(), Error> {
/// let handle = ws.handle();
/// tokio::spawn(async move { handle.send("pushed by the server").await });
/// while let Some(message) = ws.recv().await? {
///     println!("{message:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Handle {
    inbox: mpsc::Sender<Event>,
    closed: Arc<OnceLock<Closed>>,
    config: Config,
}

impl Handle {
    /// Puts a message into the inbox, and waits while that is full.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent. [`Error::Closed`] once the connection is closed
    /// or has sent its Close frame; messages that were in the inbox then are lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the message not accepted.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        check_size(&message, &self.config)?;
        self.put(Event::Message(message)).await
    }

    /// Puts a message into the inbox, unless that is full.
    ///
    /// # Errors
    ///
    /// [`TryFeedError::Full`] with the message when there is no room; otherwise as
    /// [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TryFeedError> {
        let message = message.into();
        check_size(&message, &self.config).map_err(Error::from)?;
        match self.inbox.try_send(message.into()) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(Event::Message(message))) => Err(TryFeedError::Full(message)),
            Err(_) => Err(TryFeedError::Error(self.error())),
        }
    }

    /// Has the connection send its Close frame, behind the messages of the inbox. `recv` of the
    /// connection then delivers what still comes, until `None`.
    ///
    /// A peer that reads nothing holds it up, as it does the messages: until the keepalive gives the
    /// peer up. The close deadline runs from when the frame is queued.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and [`Error::Send`] for a code or a reason that may not be sent.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the Close frame not accepted.
    pub async fn close(&self, code: CloseCode, reason: impl Into<Text>) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        self.put(Event::Close(frame)).await
    }

    /// Waits until nothing can be sent any more, and returns what is known of the end by then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) -> Closed {
        self.inbox.closed().await;
        self.end()
    }

    /// A handle of a connection that is closed already.
    pub(super) fn closed_as(closed: Closed, config: &Config) -> Self {
        let (inbox, _) = mpsc::channel(1);
        Self {
            inbox,
            closed: Arc::new(closed.into()),
            config: config.clone(),
        }
    }

    async fn put(&self, event: Event) -> Result<(), Error> {
        self.inbox.send(event).await.map_err(|_| self.error())
    }

    fn error(&self) -> Error {
        self.end().into()
    }

    fn end(&self) -> Closed {
        self.closed.get().cloned().unwrap_or_default()
    }
}

/// The connection's end of its handles.
#[derive(Debug)]
pub(super) struct Inbox {
    events: mpsc::Receiver<Event>,
    handle: Handle,
}

impl Inbox {
    pub(super) fn new(config: &Config) -> Self {
        let (inbox, events) = mpsc::channel(config.values.inbox_size);
        Self {
            events,
            handle: Handle {
                inbox,
                closed: Arc::default(),
                config: config.clone(),
            },
        }
    }

    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Polls for what was sent next.
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.events.poll_recv(cx)
    }

    /// Ends it: handles are told `closed` from now on.
    pub(super) fn close(self, closed: Closed) {
        // Nobody else sets it.
        let _ = self.handle.closed.set(closed);
    }
}
