//! [`WritePermit`]: room for a message of a half.

use tokio::io::{AsyncRead, AsyncWrite};

use super::WriteHalf;
use crate::{
    connection::{waiters::lock, want::Want},
    error::Error,
    message::Message,
};

/// Room for one message. [`WriteHalf::reserve`] creates it, and [`Permit`](crate::Permit) has an example.
///
/// The connection is not locked while the permit exists. The other half may queue pongs and messages of handles
/// meanwhile, and the message of the permit is queued even so.
#[derive(Debug)]
#[must_use = "a permit queues nothing by itself"]
pub struct WritePermit<'a, S>(&'a mut WriteHalf<S>);

impl<S> WritePermit<'_, S> {
    /// Queues a message, as [`Permit::feed`](crate::Permit::feed).
    ///
    /// # Errors
    ///
    /// [`Error::Send`] if the message may not be sent, and the errors of [`WriteHalf::send`] if the connection was
    /// closed after the permit was created.
    pub fn feed(self, message: impl Into<Message>) -> Result<(), Error> {
        let mut message = message.into();
        lock(&self.0.0).session_mut().queue(&mut message)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WriteHalf<S> {
    /// Waits for room for one message, as [`WebSocket::reserve`](crate::WebSocket::reserve).
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send`](crate::WebSocket::send).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn reserve(&mut self) -> Result<WritePermit<'_, S>, Error> {
        self.until(Want::Room).await?;
        Ok(WritePermit(self))
    }
}
