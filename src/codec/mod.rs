//! [`Codec`] and [`FrameCodec`] for [`tokio_util::codec::Framed`].
//!
//! | codec | item | checks | for |
//! | --- | --- | --- | --- |
//! | [`Codec`] | [`Event`] | everything: framing, fragments, UTF-8, limits, Close | applications |
//! | [`FrameCodec`] | [`Frame`](crate::Frame) | headers, and the limit of a frame | proxies, tools |
//!
//! A decoder cannot write, so a codec answers nothing by itself. The program sends [`Event::reply`] for a
//! received event and [`Error::close_frame`] for an error. Unlike [`WebSocket`](crate::WebSocket), a codec
//! has no deadline and no keepalive, and copies every payload that it sends.
//!
//! Open with [`Framed::with_capacity`](tokio_util::codec::Framed::with_capacity) and 65,536 bytes, because
//! the default reads in steps of 8 KiB.

mod frame_codec;

use std::mem;

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    config::Config,
    error::Error,
    extension::{Compress, Extensions},
    frame::Role,
    message::Message,
    protocol::{Closed, Closing, Endpoint, Event, Receiver, Sender},
};

pub use frame_codec::FrameCodec;

/// The number of bytes that are reserved for the next read once the buffer is used up.
const MIN_READ: usize = 4096;

/// A codec of messages and control frames for [`Framed`](tokio_util::codec::Framed).
///
/// Errors of the decoder are sticky, because `Framed` continues to read after an error.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use tokio_util::codec::Framed;
/// use wsimd::{Codec, Error, Event};
///
/// /// Sends every message back, on a stream whose opening handshake has completed.
/// async fn echo(io: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Error> {
///     let mut framed = Framed::with_capacity(io, Codec::server(), 65_536);
///     while let Some(event) = framed.next().await {
///         let answer = match &event {
///             Ok(Event::Message(message)) => Some(message.clone().into()),
///             Ok(control) => control.reply(),
///             Err(error) => error.close_frame().map(Event::Close),
///         };
///         if let Some(answer) = answer {
///             framed.send(answer).await?;
///         }
///         if let Ok(Event::Close(_)) | Err(_) = event {
///             break;
///         }
///     }
///     framed.close().await
/// }
/// ```
///
/// [`accept`](crate::accept) and [`ClientBuilder::handshake`](crate::ClientBuilder::handshake) perform the opening
/// handshake. [`WebSocket::into_framed`](crate::WebSocket::into_framed) continues their connection. A program that
/// performs the handshake itself passes the result to [`extensions`](Self::extensions).
///
/// # The end
///
/// **A server stops at [`Event::Close`].** It sends the reply and closes the stream. It must not wait for the next
/// event: the client waits for the server to close the stream (RFC 6455 §7.1.1), and the events end only with the
/// stream. A client reads until the server has closed the stream. After an error, read and discard for a moment before
/// you drop the stream, because a reset for unread bytes can overtake the Close frame.
///
/// The combinators of futures poll for the next event before they look at their end. With `forward`, stop the stream
/// from outside:
///
/// ```
/// use std::future::ready;
///
/// use futures_util::StreamExt;
/// use tokio::{io::{AsyncRead, AsyncWrite}, sync::oneshot};
/// use tokio_util::codec::Framed;
/// use wsimd::{Codec, Error, Event};
///
/// /// Sends every message back, on a stream whose opening handshake has completed.
/// async fn echo(io: impl AsyncRead + AsyncWrite) -> Result<(), Error> {
///     let (sink, events) = Framed::with_capacity(io, Codec::server(), 65_536).split();
///     let (open, closed) = oneshot::channel::<()>();
///     let mut open = Some(open);
///     let answers = events.take_until(closed).filter_map(move |event| {
///         if let Ok(Event::Close(_)) | Err(_) = event {
///             drop(open.take());
///         }
///         ready(match event {
///             Ok(Event::Message(message)) => Some(Ok(message.into())),
///             Ok(control) => control.reply().map(Ok),
///             Err(error) => error.close_frame().map(|frame| Ok(frame.into())),
///         })
///     });
///     answers.forward(sink).await
/// }
/// ```
#[derive(Debug)]
pub struct Codec {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
    /// A message that a connection has received before, and that is decoded first.
    first: Option<Box<Message>>,
    /// Whether a byte precedes the input, as [`decode_at_once`](Self::decode_at_once) describes.
    is_prefixed: bool,
}

impl Codec {
    /// Creates the codec of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            receiver: Receiver::new(role, config),
            sender: Sender::new(role, config),
            closing: Closing::default(),
            first: None,
            is_prefixed: false,
        }
    }

    /// Creates a server's codec with the default configuration.
    pub fn server() -> Self {
        Self::new(Role::Server, &Config::new())
    }

    /// Creates a client's codec with the default configuration.
    pub fn client() -> Self {
        Self::new(Role::Client, &Config::new())
    }

    /// Uses the extensions that the opening handshake negotiated.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        let (encoders, decoders) = extensions.split();
        self.sender.set_encoders(encoders);
        self.receiver.set_decoders(decoders);
        self
    }

    /// Sets whether the messages encoded from now on are compressed. Default: [`Compress::Auto`].
    pub const fn set_compress(&mut self, compress: Compress) {
        self.sender.set_compress(compress);
    }

    /// Releases extension memory that was not used since the last call. Call it periodically, for
    /// example every 20 s.
    pub fn release_idle(&mut self) {
        self.sender.release_idle();
        self.receiver.release_idle();
    }

    /// Decodes `message` before the input. Returns the input with a byte in front, which the next call of `decode`
    /// drops: `Framed` decodes before it reads only if there is input.
    #[cfg(feature = "tokio")]
    pub(crate) fn decode_at_once(&mut self, message: Option<Message>, input: &[u8]) -> BytesMut {
        self.first = message.map(Box::new);
        self.is_prefixed = true;
        [&[0], input].concat().as_slice().into()
    }

    /// Returns the Close frames that were sent and received so far.
    pub fn close_frames(&self) -> Closed {
        self.closing.close_frames()
    }
}

/// Continues a connection with `Framed`. The endpoint may come from a [`WebSocket`](crate::WebSocket) or from
/// another runtime.
impl From<Endpoint> for Codec {
    fn from(endpoint: Endpoint) -> Self {
        let (receiver, sender, closing) = endpoint.into_parts();
        Self {
            receiver,
            sender,
            closing,
            first: None,
            is_prefixed: false,
        }
    }
}

impl Decoder for Codec {
    type Item = Event;
    type Error = Error;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        if mem::take(&mut self.is_prefixed) {
            input.advance(input.len().min(1));
        }
        if let Some(message) = self.first.take() {
            return Ok(Some(Event::Message(*message)));
        }
        let event = self.receiver.receive(input)?;
        match &event {
            None => input.reserve(MIN_READ),
            Some(Event::Close(frame)) => self.closing.on_received(frame.clone()),
            Some(_) => {}
        }
        Ok(event)
    }

    /// Decodes the remaining bytes at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] with code 1006 if the stream ends before the peer's Close frame.
    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        match self.decode(input)? {
            None if !self.receiver.is_closed() => Err(self.closing.close_frames().into()),
            event => Ok(event),
        }
    }
}

impl Encoder<Event> for Codec {
    type Error = Error;

    fn encode(&mut self, event: Event, output: &mut BytesMut) -> Result<(), Error> {
        if let Event::Close(frame) = &event {
            self.closing.on_sent(frame.clone());
        }
        Ok(self.sender.send(event, output)?)
    }
}
