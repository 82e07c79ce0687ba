//! [`MessageWriter`]: a message that is sent in chunks.

use std::{
    fmt,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    WebSocket, WriteHalf, session::Session, socket::Socket, turn::Io, waiters::Side, want::Want,
};
use crate::{error::Error, message::Message, protocol::Chunk};

/// A message that is sent in chunks. [`WebSocket::text_writer`] and [`WebSocket::binary_writer`] create it.
///
/// Chunks are collected and leave in frames of about 32 KiB. [`flush`](Self::flush) sends all of them, and
/// [`finish`](Self::finish) ends the message. The writer is also an [`AsyncWrite`], whose shutdown ends the message.
///
/// The message begins with its first chunk. From then on, the other messages of the connection wait for its end, such
/// as those of [handles](super::Handle). Pings, pongs and Close frames are sent between its frames.
///
/// **A writer that is dropped unfinished fails the connection**, because a message that has begun cannot be taken back.
/// A Close frame with the code 1011 is sent in place of the rest. A writer whose message has not begun can be dropped.
#[must_use = "a message that has begun has to be finished"]
pub struct MessageWriter<'a, S> {
    target: Target<'a, S>,
    is_text: bool,
    state: State,
}

/// The owner of the connection.
enum Target<'a, S> {
    Whole(&'a mut WebSocket<S>),
    Half(&'a mut WriteHalf<S>),
}

/// The progress of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No chunk was accepted.
    New,
    /// Another chunk or the end may follow.
    Begun,
    /// The end was accepted.
    Ended,
}

impl<S> Target<'_, S> {
    fn poll<T>(&mut self, f: impl FnOnce(&mut Socket<S>) -> Poll<T>) -> Poll<T> {
        match self {
            Self::Whole(ws) => f(&mut ws.inner),
            Self::Half(half) => half.poll_socket(f),
        }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut Socket<S>) -> T) -> T {
        match self {
            Self::Whole(ws) => f(&mut ws.inner),
            Self::Half(half) => half.with_socket(f),
        }
    }
}

impl<S> Socket<S> {
    /// Fails the connection in the middle of a message. Returns the waker of the task that receives, which is woken
    /// once no lock is held.
    pub(super) fn fail_stream(&mut self) -> Option<Waker> {
        self.link.fail_stream();
        self.waiters.take(Side::Read)
    }

    /// Returns the waker of the task that receives if messages of handles wait for the end of a message. That task takes
    /// them out, and no event of the stream wakes it. Wake it once no lock is held.
    fn take_intake_task(&mut self) -> Option<Waker> {
        match self.link.has_requests() {
            true => self.waiters.take(Side::Read),
            false => None,
        }
    }
}

impl<S: Io> Socket<S> {
    /// Waits for room for the next chunk of a message.
    fn poll_chunk_room(&mut self, state: State, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match state {
            State::New => self.poll_room(cx),
            State::Begun => self.poll_room_within(cx),
            State::Ended => Poll::Ready(Err(ended().into())),
        }
    }

    /// Waits for room in the message that has begun. A task whose chunks never wait still sees the requests of handles,
    /// and the deadline of a Close frame that waits for the end of the message.
    fn poll_room_within(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.link.expire();
        if self.session().stream_room() > 0 && !self.link.has_requests() {
            return Poll::Ready(Ok(()));
        }
        self.poll_met(Want::ChunkRoom, cx)
    }
}

impl<'a, S> MessageWriter<'a, S> {
    const fn new(target: Target<'a, S>, is_text: bool) -> Self {
        Self {
            target,
            is_text,
            state: State::New,
        }
    }

    /// Returns whether this is a text message.
    pub const fn is_text(&self) -> bool {
        self.is_text
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> MessageWriter<'_, S> {
    /// Adds a chunk to the message. Text and bytes are the same here.
    ///
    /// Waits first while too much is queued, as [`WebSocket::send`] does. Once 32 KiB are collected, waits until the
    /// stream has taken them.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] with [`InvalidUtf8`](crate::SendError::InvalidUtf8) for a chunk of a text message that is not
    /// UTF-8, which changes nothing. Chunks may be cut inside a character. [`Error::Closed`] after the peer's Close
    /// frame; otherwise as [`WebSocket::send`].
    ///
    /// # Cancel safety
    ///
    /// A dropped future has accepted the whole chunk or none of it.
    pub fn write_chunk(
        &mut self,
        chunk: impl Into<Message>,
    ) -> impl Future<Output = Result<(), Error>> {
        let mut chunk = Some(chunk.into());
        poll_fn(move |cx| self.poll_write_chunk(&mut chunk, cx))
    }

    fn poll_write_chunk(
        &mut self,
        chunk: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let (is_text, state) = (self.is_text, &mut self.state);
        self.target.poll(|socket| {
            ready!(socket.poll_proceed(cx));
            if let Some(message) = chunk {
                ready!(socket.poll_chunk_room(*state, cx))?;
                put(
                    socket.session_mut(),
                    is_text,
                    state,
                    Chunk::Message(message),
                )?;
                *chunk = None;
            }
            socket.poll_sent(cx)
        })
    }

    /// Waits until the stream has taken all chunks and is flushed, as [`WebSocket::flush`].
    ///
    /// The peer can decode all chunks then, also if they are compressed. Frequent flushes make compression worse.
    ///
    /// # Errors
    ///
    /// As [`WebSocket::flush`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest queued.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), Error>> {
        poll_fn(|cx| self.poll_flush_chunks(cx))
    }

    fn poll_flush_chunks(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let state = self.state;
        self.target.poll(|socket| {
            if state == State::Begun {
                socket.session_mut().flush_stream();
            }
            socket.poll_until(Want::Flushed, cx)
        })
    }

    /// Ends the message, and waits until the stream has taken all of it. A message without a chunk is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] with [`InvalidUtf8`](crate::SendError::InvalidUtf8) if a text ends inside a character, which fails
    /// the connection; otherwise as [`write_chunk`](Self::write_chunk).
    ///
    /// # Cancel safety
    ///
    /// The end is accepted when the future is first polled, or for a message without a chunk once there is room. The next
    /// call that waits writes the rest. Dropping the future before that drops the writer.
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let (is_text, state) = (self.is_text, &mut self.state);
        let mut receiver = None;
        let polled = self.target.poll(|socket| {
            if *state == State::New {
                ready!(socket.poll_room(cx))?;
            }
            if *state != State::Ended {
                put(socket.session_mut(), is_text, state, Chunk::End)?;
                receiver = socket.take_intake_task();
            }
            ready!(socket.poll_proceed(cx));
            socket.poll_sent(cx)
        });
        receiver.into_iter().for_each(Waker::wake);
        polled
    }
}

/// Adds a part to the message.
fn put(
    session: &mut Session,
    is_text: bool,
    state: &mut State,
    chunk: Chunk<'_>,
) -> Result<(), Error> {
    let next = match chunk {
        Chunk::End => State::Ended,
        _ => State::Begun,
    };
    match state {
        State::New => session.begin_stream(is_text, chunk)?,
        _ => session.continue_stream(chunk)?,
    }
    *state = next;
    Ok(())
}

fn ended() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the message has ended")
}

impl<S> WebSocket<S> {
    /// Returns a writer for a text message that is sent in chunks. The message begins with its first chunk.
    ///
    /// ```
    /// # use wsimd::{Error, WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>, mut words: tokio::sync::mpsc::Receiver<String>) -> Result<(), Error> {
    /// let mut message = ws.text_writer();
    /// while let Some(word) = words.recv().await {
    ///     message.write_chunk(word).await?;
    ///     message.flush().await?;
    /// }
    /// message.finish().await
    /// # }
    /// ```
    pub const fn text_writer(&mut self) -> MessageWriter<'_, S> {
        MessageWriter::new(Target::Whole(self), true)
    }

    /// Returns a writer for a binary message that is sent in chunks. The message begins with its first chunk.
    ///
    /// ```
    /// # use tokio::{fs::File, io::AsyncWriteExt};
    /// # use wsimd::{WebSocket, net::Stream};
    /// # async fn example(mut ws: WebSocket<Stream>, mut file: File) -> std::io::Result<()> {
    /// let mut message = ws.binary_writer();
    /// tokio::io::copy(&mut file, &mut message).await?;
    /// message.shutdown().await
    /// # }
    /// ```
    pub const fn binary_writer(&mut self) -> MessageWriter<'_, S> {
        MessageWriter::new(Target::Whole(self), false)
    }
}

impl<S> WriteHalf<S> {
    /// Returns a writer for a text message that is sent in chunks, as [`WebSocket::text_writer`].
    pub const fn text_writer(&mut self) -> MessageWriter<'_, S> {
        MessageWriter::new(Target::Half(self), true)
    }

    /// Returns a writer for a binary message that is sent in chunks, as [`WebSocket::binary_writer`].
    pub const fn binary_writer(&mut self) -> MessageWriter<'_, S> {
        MessageWriter::new(Target::Half(self), false)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for MessageWriter<'_, S> {
    /// Accepts bytes, at most as many as one frame has room for.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let (is_text, state) = (this.is_text, &mut this.state);
        let written = ready!(this.target.poll(|socket| {
            ready!(socket.poll_proceed(cx));
            ready!(socket.poll_chunk_room(*state, cx))?;
            let session = socket.session_mut();
            let room = match state {
                State::New => Chunk::MAX_BYTES,
                _ => session.stream_room(),
            };
            let bytes = &bytes[..bytes.len().min(room)];
            put(session, is_text, state, Chunk::Bytes(bytes))?;
            Poll::Ready(Ok::<_, Error>(bytes.len()))
        }));
        Poll::Ready(written.map_err(io::Error::from))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush_chunks(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx).map_err(io::Error::from)
    }
}

impl<S> Drop for MessageWriter<'_, S> {
    fn drop(&mut self) {
        if self.state == State::Begun {
            let receiver = self.target.with(Socket::fail_stream);
            receiver.into_iter().for_each(Waker::wake);
        }
    }
}

impl<S> fmt::Debug for MessageWriter<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageWriter")
            .field("is_text", &self.is_text)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
