//! JSON on a connection and its halves.

use std::future::poll_fn;

use bytes::BytesMut;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{ReadHalf, WebSocket, WriteHalf, session::Session, socket::Content};
use crate::{
    error::{Error, JsonError},
    json::{Value, serialize},
    message::MessageRef,
    text::Text,
};

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Receives the next message as [`recv`](Self::recv) does, and parses it as a JSON document of type `T`.
    ///
    /// ```
    /// # use wsimd::{Error, WebSocket, net::Stream};
    /// #[derive(serde::Deserialize)]
    /// struct Trade {
    ///     symbol: String,
    ///     price: f64,
    /// }
    ///
    /// # async fn example(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    /// while let Some(trade) = ws.recv_json::<Trade>().await? {
    ///     println!("{} {}", trade.symbol, trade.price);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The document is parsed in the read buffer, as by [`recv_with`](Self::recv_with). A type that borrows from the
    /// message needs `recv_with` and [`MessageRef::json`].
    ///
    /// # Errors
    ///
    /// [`Error::Json`] for another document, with the message. The connection is unchanged, and the next call
    /// receives the next message. Otherwise as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let parsed = self.recv_with(parse).await?;
        Ok(parsed.transpose()?)
    }

    /// Receives the next message as [`recv`](Self::recv) does, parses it as any JSON document, and passes the document
    /// to `f`. Returns the result of `f`.
    ///
    /// ```
    /// # use wsimd::{Error, WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    /// let kind = ws.recv_json_with(|event| event.get("type")?.as_str().map(str::to_owned)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The document is parsed in place, as by [`MessageRef::json_with`].
    ///
    /// # Errors
    ///
    /// [`Error::Json`] for a message that is not JSON. The message is lost. The connection is unchanged, and the next
    /// call receives the next message. Otherwise as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_json_with<R>(
        &mut self,
        f: impl FnOnce(Value<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let parsed = self.recv_with(|message| message.json_with(f)).await?;
        Ok(parsed.transpose()?)
    }

    /// Sends the JSON document of a value as a text message, as [`send`](Self::send).
    ///
    /// A document that fits in a frame ([`Config::outgoing_frame_size`](crate::Config::outgoing_frame_size)) and is
    /// not compressed is written straight to the queue, without an allocation.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if the value is no JSON document, which changes nothing; otherwise as [`send`](Self::send). A
    /// value that is too big is not serialized to its end, so that the size in the error is the size up to the limit.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send).
    pub fn send_json<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
    ) -> impl Future<Output = Result<(), Error>> {
        let mut document = Some(Document(value));
        poll_fn(move |cx| self.inner.poll_send(&mut document, cx))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// Receives a JSON document of type `T`, as [`WebSocket::recv_json`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv_json`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Error> {
        let parsed = self.recv_with(parse).await?;
        Ok(parsed.transpose()?)
    }

    /// Receives any JSON document and passes it to `f`, as [`WebSocket::recv_json_with`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv_json_with`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_json_with<R>(
        &mut self,
        f: impl FnOnce(Value<'_>) -> R,
    ) -> Result<Option<R>, Error> {
        let parsed = self.recv_with(|message| message.json_with(f)).await?;
        Ok(parsed.transpose()?)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WriteHalf<S> {
    /// Sends the JSON document of a value, as [`WebSocket::send_json`].
    ///
    /// The value is serialized before the connection is locked, to memory of its own.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::send_json`].
    ///
    /// # Cancel safety
    ///
    /// As [`WebSocket::send`].
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let limit = self.max_message_size();
        let mut document = BytesMut::new();
        serialize(value, limit, &mut document)?;
        self.send(Text::from_validated(document.freeze())).await
    }
}

/// A value to be sent as a JSON document.
struct Document<'a, T: ?Sized>(&'a T);

impl<T: Serialize + ?Sized> Content for Document<'_, T> {
    fn queue(&mut self, session: &mut Session) -> Result<(), Error> {
        session.accept_json(self.0)
    }
}

/// Parses a lent message. The message is copied only if it is not the expected document.
fn parse<T: DeserializeOwned>(message: MessageRef<'_>) -> Result<T, JsonError> {
    message.json().map_err(|mut error: JsonError| {
        error.0.message = Some(message.to_message());
        error
    })
}
