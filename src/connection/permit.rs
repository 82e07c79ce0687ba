//! [`Permit`] and [`TrySendError`]: sending a message without a wait.

use std::{error, fmt};

use super::session::Session;
use crate::{error::Error, frame::SendError, message::Message};

/// Room for one message. [`WebSocket::reserve`](super::WebSocket::reserve) creates it.
///
/// ```
/// # use wsimd::{Error, WebSocket, net::Stream};
/// # use std::collections::VecDeque;
/// # use tokio::sync::watch;
/// # async fn example(
/// #     mut ws: WebSocket<Stream>,
/// #     mut queue: VecDeque<String>,
/// #     mut stop: watch::Receiver<bool>,
/// # ) -> Result<(), Error> {
/// while !queue.is_empty() {
///     tokio::select! {
///         // Dropping the future of `reserve` loses no message, because the message is taken afterwards.
///         permit = ws.reserve() => {
///             let permit = permit?;
///             if let Some(message) = queue.pop_front() {
///                 permit.feed(message)?;
///             }
///         }
///         _ = stop.changed() => break,
///     }
/// }
/// ws.flush().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a permit queues nothing by itself"]
pub struct Permit<'a> {
    session: &'a mut Session,
}

impl<'a> Permit<'a> {
    pub(super) const fn new(session: &'a mut Session) -> Self {
        Self { session }
    }

    /// Queues a message. The next `flush` or `send` writes it, or a `recv` that is about to wait.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent.
    pub fn feed(self, message: impl Into<Message>) -> Result<(), Error> {
        self.session.queue(&mut message.into())
    }
}

/// Why a message was not queued at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is no room, because too much is queued. Returns the message.
    Full(Message),
    /// The message or the connection is at fault.
    Error(Error),
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => Error::from(SendError::Full).fmt(f),
            Self::Error(error) => error.fmt(f),
        }
    }
}

impl error::Error for TrySendError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Full(_) => None,
            Self::Error(error) => error.source(),
        }
    }
}

impl From<Error> for TrySendError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<TrySendError> for Error {
    /// Drops the message of [`TrySendError::Full`], which becomes [`SendError::Full`].
    fn from(error: TrySendError) -> Self {
        match error {
            TrySendError::Full(_) => SendError::Full.into(),
            TrySendError::Error(error) => error,
        }
    }
}
