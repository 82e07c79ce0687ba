//! [`MessageReader`]: a message that is received in chunks.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "stream")]
use super::socket::Socket;
use super::{ReadHalf, WebSocket, read::poll_read_buffered};
use crate::{error::Error, message::Message};

/// A message that is received in chunks. [`WebSocket::recv_stream`] creates it.
///
/// It is an [`AsyncRead`] and an [`AsyncBufRead`] of the payload, with the feature `stream` also a `Stream` of chunks.
/// The end of the stream of bytes is the end of the message. A message that is cut short is an error, never an end.
///
/// Dropping it drops the rest of the message, which the next call that receives reads and discards. Before the first
/// chunk was taken, dropping it changes nothing: the next call receives the whole message.
#[must_use = "a reader receives nothing by itself"]
pub struct MessageReader<'a, S> {
    source: Source<'a, S>,
    is_text: bool,
    /// Whether the last chunk was taken.
    is_done: bool,
    /// The rest of a chunk whose first bytes were read.
    rest: Bytes,
}

/// The owner of the connection.
enum Source<'a, S> {
    Whole(&'a mut WebSocket<S>),
    Half(&'a mut ReadHalf<S>),
}

impl<'a, S> MessageReader<'a, S> {
    const fn new(source: Source<'a, S>, is_text: bool) -> Self {
        Self {
            source,
            is_text,
            is_done: false,
            rest: Bytes::new(),
        }
    }

    /// Uses the connection.
    #[cfg(feature = "stream")]
    pub(super) fn with_socket<T>(&mut self, f: impl FnOnce(&mut Socket<S>) -> T) -> T {
        match &mut self.source {
            Source::Whole(ws) => f(&mut ws.inner),
            Source::Half(half) => half.with_socket(f),
        }
    }

    /// Returns whether this is a text message.
    pub const fn is_text(&self) -> bool {
        self.is_text
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageReader<'_, S> {
    /// Receives the next chunk; `None` at the end of the message.
    ///
    /// A chunk is a part of the payload as it arrives, and not empty: text in whole characters, or bytes. It has at most
    /// 64 KiB, or 192 KiB if the peer has compressed it. Bytes that arrived while the application received whole messages
    /// are one chunk of any size. If bytes of a chunk were [read](AsyncRead), the rest of it is returned as bytes.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`], and [`Error::Closed`] if the peer closes before the end of the message, with any code. A
    /// text that is not UTF-8 fails at its first wrong byte. Chunks before that were returned already.
    /// [`WriteHalf::close`](super::WriteHalf::close) discards the rest of the message, which is then the first of these
    /// errors.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn chunk(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        poll_fn(|cx| self.poll_chunk(cx))
    }

    /// Polls for the next chunk, as [`chunk`](Self::chunk).
    ///
    /// # Errors
    ///
    /// As [`chunk`](Self::chunk).
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.rest).into())));
        }
        if self.is_done {
            return Poll::Ready(Ok(None));
        }
        let (chunk, is_last) = ready!(match &mut self.source {
            Source::Whole(ws) => ws.inner.poll_chunk(cx),
            Source::Half(half) => half.poll_socket(|socket| socket.poll_chunk(cx)),
        })?;
        self.is_done = is_last;
        Poll::Ready(Ok((!chunk.is_empty()).then_some(chunk)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Waits for the next message, to receive it in chunks; `None` as [`recv`](Self::recv).
    ///
    /// The memory of a message does not grow with its size, which
    /// [`Config::max_streamed_message_size`](crate::Config::max_streamed_message_size) limits.
    ///
    /// ```
    /// # use tokio::fs::File;
    /// # use wsimd::{Error, WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>, mut file: File) -> Result<(), Error> {
    /// while let Some(mut message) = ws.recv_stream().await? {
    ///     tokio::io::copy(&mut message, &mut file).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A message that has begun during another call, such as [`send`](Self::send), is streamed too if the last call
    /// that received was `recv_stream`.
    ///
    /// # Errors
    ///
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        let is_text = poll_fn(|cx| self.inner.poll_stream(cx)).await?;
        Ok(is_text.map(|is_text| MessageReader::new(Source::Whole(self), is_text)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> ReadHalf<S> {
    /// Waits for the next message, to receive it in chunks, as [`WebSocket::recv_stream`].
    ///
    /// # Errors
    ///
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_, S>>, Error> {
        let is_text = poll_fn(|cx| self.poll_socket(|socket| socket.poll_stream(cx))).await?;
        Ok(is_text.map(|is_text| MessageReader::new(Source::Half(self), is_text)))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for MessageReader<'_, S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read_buffered(self, cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for MessageReader<'_, S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        if let Some(chunk) = ready!(this.poll_chunk(cx))? {
            this.rest = chunk.into_bytes();
        }
        Poll::Ready(Ok(&this.rest))
    }

    fn consume(mut self: Pin<&mut Self>, len: usize) {
        self.rest.advance(len);
    }
}

impl<S> fmt::Debug for MessageReader<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageReader")
            .field("is_text", &self.is_text)
            .finish_non_exhaustive()
    }
}
