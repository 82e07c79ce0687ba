//! [`Handle`]: sending from elsewhere, without a lock around the connection.

use std::{
    fmt,
    future::poll_fn,
    hash::{Hash, Hasher},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    task::{coop, unconstrained},
    time::{Instant, Sleep, sleep_until},
};

use super::{
    TrySendError,
    inbox::{Inbox, InboxOwner, Refusal, Refused},
};
use crate::{
    config::Config,
    error::{Error, Timeout},
    frame::{CloseCode, CloseFrame, SendError},
    message::Message,
    protocol::{Closed, check_size},
    text::Text,
};

/// The longest time that a send waits for a connection that takes no message.
const MAX_PATIENCE: Duration = Duration::from_secs(1 << 30);

/// Sends messages on a connection that another task polls.
///
/// [`WebSocket::handle`](super::WebSocket::handle) creates a handle. Clones send on the same connection.
/// Handles are equal when their connection is the same, so that a set of handles can be a room. Equality
/// and hash of a handle never change: the warning `clippy::mutable_key_type` does not apply.
///
/// Messages wait in a bounded inbox. All handles of a connection share the inbox, which holds
/// [`Config::inbox_size`] messages and [`Config::inbox_bytes`] bytes. The next `recv`, `send` or `flush` of
/// the connection takes them, as far as there is room in its queue. A `recv` that waits wakes up for a message. A
/// connection that is not polled writes nothing.
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
///
/// The messages that are left in the inbox when the connection ends are dropped.
/// [`which_api`](crate::guides::which_api) has a room of handles, and choices for slow clients.
///
/// A broadcast uses [`try_send`](Self::try_send), so that a slow client delays no other client:
///
/// ```
/// # use std::collections::HashSet;
/// # use wsimd::{CloseCode, Handle, Message};
/// fn broadcast(room: &mut HashSet<Handle>, message: &Message) {
///     room.retain(|member| match member.try_send(message.clone()) {
///         Ok(()) => true,
///         Err(_) => {
///             let _ = member.try_close(CloseCode::POLICY_VIOLATION, "too slow");
///             false
///         }
///     });
/// }
/// ```
#[derive(Clone)]
pub struct Handle {
    inbox: Arc<Inbox>,
}

// Every idle connection under `serve` takes an inbox and a handle.
const _: () = assert!(size_of::<Inbox>() <= 6 * size_of::<u64>());
const _: () = assert!(size_of::<Handle>() == size_of::<usize>());

impl Handle {
    pub(super) fn new(owner: &InboxOwner) -> Self {
        Self {
            inbox: owner.inbox(),
        }
    }

    /// Accepts a message into the inbox. Waits while the inbox is full.
    ///
    /// Sends that wait are served in order. The connection writes accepted messages in order.
    ///
    /// Do not call it in a task that polls a connection itself. The inbox may wait for that task: two
    /// handlers that wait for room in the inbox of each other receive nothing and send nothing until
    /// [`Config::ping_timeout`] has passed. Such a task uses [`try_send`](Self::try_send).
    ///
    /// # Errors
    ///
    /// - [`Error::Send`] if the message may not be sent, with [`SendError::Closed`] while this side closes the
    ///   connection.
    /// - [`Error::Closed`] once the peer has closed the connection, or it has ended or was dropped. Accepted messages
    ///   that were not written by then can be lost.
    /// - [`Error::Timeout`] with [`Timeout::Inbox`] if the connection takes no message out of its full inbox
    ///   for [`Config::ping_timeout`]. Without [`Config::ping_interval`] there is no such limit.
    ///
    /// The message was not accepted after any of these errors.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the message not accepted.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        let message = message.into();
        // A task that never waits for room lets other tasks run.
        poll_fn(coop::poll_proceed).await.made_progress();
        check_size(&message, self.config())?;
        let mut put = self.inbox.put(message);
        let mut patience = None;
        let limit = self.config().settings.ping_timeout;
        poll_fn(|cx| {
            if let Poll::Ready(accepted) = put.poll(cx) {
                return Poll::Ready(accepted.map_err(refuse));
            }
            self.poll_patience(&mut patience, cx)
                .map(|()| Err(Error::Timeout(Timeout::Inbox { limit })))
        })
        .await
    }

    /// Accepts a message into the inbox unless the inbox is full or other sends wait for room.
    ///
    /// # Errors
    ///
    /// [`TrySendError::Full`] with the message if there is no room; otherwise as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        check_size(&message, self.config()).map_err(Error::from)?;
        self.inbox
            .try_put(message)
            .map_err(|refused| match refused {
                Refused::Full(message) => TrySendError::Full(message),
                Refused::Closed(closed) => TrySendError::Error(refuse(closed)),
            })
    }

    /// Accepts a message into the inbox, and drops the oldest messages of a full inbox to make room.
    /// Returns the number of dropped messages.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), and never [`Error::Timeout`].
    pub fn force_send(&self, message: impl Into<Message>) -> Result<usize, Error> {
        let message = message.into();
        check_size(&message, self.config())?;
        self.inbox.force_put(message).map_err(refuse)
    }

    /// Requests a Close frame after all messages that were accepted before. Never waits.
    ///
    /// From now on the handles of the connection accept no message. [`Config::close_timeout`] starts now,
    /// and bounds the wait for a peer that does not read. `recv` of the connection delivers the messages
    /// that still arrive, until `None`.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code or a reason that may not be sent, and if a close was requested before.
    /// [`Error::Closed`] if the connection is closed.
    ///
    /// # Cancel safety
    ///
    /// The future accepts the request when it is first polled.
    pub async fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        self.inbox.close(frame).map_err(refuse)
    }

    /// Requests a Close frame, as [`close`](Self::close). Returns whether the request was accepted.
    #[cfg(any(feature = "server", feature = "stream"))]
    pub(crate) fn request_close(&self, frame: CloseFrame) -> bool {
        self.inbox.close(frame).is_ok()
    }

    /// Requests a Close frame at once, and drops the messages that wait in the inbox.
    ///
    /// Replaces an earlier [`close`](Self::close) whose Close frame still waits for messages. Otherwise as
    /// [`close`](Self::close).
    ///
    /// # Errors
    ///
    /// As [`close`](Self::close).
    pub fn try_close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
    ) -> Result<(), Error> {
        let frame = CloseFrame::new(code, reason)?;
        self.inbox.close_now(frame).map_err(refuse)
    }

    /// Ends the connection without a Close frame, and drops all messages that were not written.
    ///
    /// The task that polls the connection ends it. `recv` returns [`Error::Closed`] with 1006 then.
    pub fn abort(&self) {
        self.inbox.abort();
    }

    /// Returns whether nothing can be sent any more. The connection can still be closing.
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }

    /// Waits until the connection has ended, and returns the Close frames of both sides, as
    /// [`WebSocket::closed`](super::WebSocket::closed) does.
    ///
    /// A connection ends while it is polled, or when it is dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn closed(&self) -> Closed {
        let mut end = self.inbox.end();
        *poll_fn(|cx| end.poll(cx)).await
    }

    fn config(&self) -> &Config {
        self.inbox.config()
    }

    /// Polls until the connection has taken no message for as long as a send waits for it.
    fn poll_patience(&self, sleep: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> Poll<()> {
        let settings = &self.config().settings;
        let is_kept_alive = settings.ping_interval.is_some_and(|i| i != Duration::MAX);
        if !is_kept_alive || settings.ping_timeout == Duration::MAX {
            return Poll::Pending;
        }
        let patience = settings.ping_timeout.min(MAX_PATIENCE);
        let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + patience)));
        loop {
            // Tokio's budget would cut the poll short.
            ready!(pin!(unconstrained(sleep.as_mut())).poll(cx));
            match self.inbox.last_taken() {
                Some(taken) if taken + patience > sleep.deadline() => {
                    sleep.as_mut().reset(taken + patience);
                }
                _ => return Poll::Ready(()),
            }
        }
    }
}

/// Returns the error of a request on a connection that takes none.
fn refuse(closed: Refusal) -> Error {
    closed.map_or_else(|| SendError::Closed.into(), Error::Closed)
}

/// Compares the connections.
impl PartialEq for Handle {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inbox, &other.inbox)
    }
}

impl Eq for Handle {}

/// Hashes the identity of the connection.
impl Hash for Handle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.inbox).hash(state);
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle")
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
