//! [`Lent`]: a received message whose payload stays in the memory of the connection.

use std::{
    future::poll_fn,
    mem,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{WebSocket, read::ReadBuffer, session::Session};
use crate::{
    error::Error,
    frame::WholeFrame,
    message::{Message, MessageRef},
};

/// A received message that is to be lent.
pub(super) enum Lent {
    /// The input begins with the payload. It was taken out of the connection, so that the application may use the
    /// other half of the connection meanwhile.
    Whole {
        is_text: bool,
        len: usize,
        input: ReadBuffer,
    },
    /// The message was assembled or parked.
    Assembled(Message),
}

impl From<Message> for Lent {
    fn from(message: Message) -> Self {
        Self::Assembled(message)
    }
}

impl Lent {
    /// Takes the input, which begins with a whole message. `None` after a violation.
    #[inline]
    pub(super) fn new(session: &mut Session, frame: WholeFrame) -> Option<Self> {
        Some(Self::Whole {
            is_text: frame.is_text,
            len: frame.payload_len,
            input: session.lend_whole(frame)?,
        })
    }

    /// Lends the message to `f`. Passes the rest of the input to `give_back` afterwards, also if `f` panics.
    #[inline]
    pub(super) fn call<R>(
        self,
        f: impl FnOnce(MessageRef<'_>) -> R,
        give_back: impl FnMut(ReadBuffer),
    ) -> R {
        match self {
            Self::Assembled(message) => message.lend(f),
            Self::Whole {
                is_text,
                len,
                input,
            } => {
                let mut loan = Loan { input, give_back };
                let Some(input) = loan.input.bytes() else {
                    unreachable!("a lent input begins with a message")
                };
                MessageRef::lend(is_text, len, input, f)
            }
        }
    }
}

/// The input of a connection while it is lent.
struct Loan<G: FnMut(ReadBuffer)> {
    input: ReadBuffer,
    give_back: G,
}

impl<G: FnMut(ReadBuffer)> Drop for Loan<G> {
    fn drop(&mut self) {
        (self.give_back)(mem::take(&mut self.input));
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message as [`recv`](Self::recv) does, and lends it to `f`. Returns the result of `f`, or
    /// `None` after a clean end.
    ///
    /// The payload stays in the read buffer. A message that arrives whole in one frame is neither copied nor
    /// allocated, which saves half of the time of a short message. A message that arrives in several reads or
    /// frames, or compressed, is assembled first. Call `recv` for messages that are kept or sent on.
    ///
    /// ```
    /// # use wsimd::{Error, WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    /// let mut sum = 0.0;
    /// while let Some(price) = ws
    ///     .recv_with(|message| message.as_text().and_then(|text| text.parse::<f64>().ok()))
    ///     .await?
    /// {
    ///     sum += price.unwrap_or(0.0);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// `f` runs in the poll that completes, so that it must not block. If `f` panics, the message is lost, and
    /// the connection can be used further.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: no message has been taken before `f` runs.
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
    /// As [`recv`](Self::recv).
    #[inline]
    pub fn poll_recv_with<R>(
        &mut self,
        cx: &mut Context<'_>,
        f: impl FnOnce(MessageRef<'_>) -> R,
    ) -> Poll<Result<Option<R>, Error>> {
        let Some(lent) = ready!(self.inner.poll_lend(cx))? else {
            return Poll::Ready(Ok(None));
        };
        let give_back = |input| _ = self.inner.give_back(input);
        Poll::Ready(Ok(Some(lent.call(f, give_back))))
    }
}

/// Calls the closure of a future, which has not completed before.
#[inline]
pub(super) fn call_once<R>(
    f: &mut Option<impl FnOnce(MessageRef<'_>) -> R>,
    message: MessageRef<'_>,
) -> R {
    match f.take() {
        Some(f) => f(message),
        None => panic!("`recv_with` polled after it has completed"),
    }
}
