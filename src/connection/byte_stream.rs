//! [`ByteStream`]: a connection that carries a stream of bytes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::{WebSocket, read::poll_read_buffered, want::Want};
use crate::message::Message;

/// The most bytes that one write takes, which become one message.
const MAX_WRITE: usize = 64 << 10;

/// A connection as a stream of bytes, for protocols that run over TCP as well. [`WebSocket::into_byte_stream`] creates
/// it.
///
/// Reading returns the payloads of the received messages, one after the other, without a copy through [`AsyncBufRead`].
/// The stream ends after a clean end of the connection. Any other end is an error.
///
/// A write becomes a binary message, which is written at once. Put a `BufWriter` around the stream to collect small
/// writes.
///
/// **There is no half-close.** Shutting the stream down sends a Close frame with the code 1000. The peer answers it at
/// once, and cannot send after that. The bytes that it has sent before still arrive. A protocol that uses the end of one
/// direction needs another sign for it.
///
/// ```
/// use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt};
/// use wsimd::WebSocket;
///
/// async fn greet<S>(ws: WebSocket<S>) -> std::io::Result<()>
/// where
///     S: AsyncRead + AsyncWrite + Unpin,
/// {
///     let mut stream = ws.into_byte_stream();
///     stream.write_all(b"HELO\r\n").await?;
///     let mut answer = String::new();
///     stream.read_line(&mut answer).await?;
///     stream.shutdown().await
/// }
/// ```
#[derive(Debug)]
pub struct ByteStream<S> {
    ws: WebSocket<S>,
    /// The rest of a message whose first bytes were read.
    rest: Bytes,
    /// Whether bytes were written since the last flush.
    is_unflushed: bool,
}

impl<S> WebSocket<S> {
    /// Turns the connection into a stream of bytes: `AsyncRead` and `AsyncWrite`.
    pub const fn into_byte_stream(self) -> ByteStream<S> {
        ByteStream {
            ws: self,
            rest: Bytes::new(),
            is_unflushed: false,
        }
    }
}

impl<S> ByteStream<S> {
    /// Returns the connection. Bytes of a message that was read in part are dropped.
    pub fn into_inner(self) -> WebSocket<S> {
        self.ws
    }

    /// Returns the connection.
    pub const fn get_ref(&self) -> &WebSocket<S> {
        &self.ws
    }

    /// Returns the connection, to use its other methods.
    pub const fn get_mut(&mut self) -> &mut WebSocket<S> {
        &mut self.ws
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncBufRead for ByteStream<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.rest.is_empty() {
            match ready!(this.ws.poll_recv(cx))? {
                Some(message) => this.rest = message.into_bytes(),
                None => break,
            }
        }
        Poll::Ready(Ok(&this.rest))
    }

    fn consume(mut self: Pin<&mut Self>, len: usize) {
        self.rest.advance(len);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ByteStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll_read_buffered(self, cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ByteStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.ws.poll_ready(cx))?;
        let bytes = &bytes[..bytes.len().min(MAX_WRITE)];
        if !bytes.is_empty() {
            self.is_unflushed = true;
            let socket = &mut self.ws.inner;
            let mut message = Message::from(bytes);
            socket.session_mut().queue(&mut message)?;
            if let Poll::Ready(Err(error)) = socket.poll_sent(cx) {
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_unflushed {
            ready!(self.ws.poll_flush(cx))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = &mut self.ws.inner;
        let receiver = socket.request_normal_close();
        receiver.into_iter().for_each(Waker::wake);
        let closed = socket.poll_until(Want::CloseSent, cx);
        closed.map_err(io::Error::from)
    }
}
