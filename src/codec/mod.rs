//! [`Codec`] and [`FrameCodec`] for [`tokio_util::codec::Framed`].
//!
//! | codec | item | checks | for |
//! | --- | --- | --- | --- |
//! | [`Codec`] | [`Event`] | everything: framing, fragments, UTF-8, limits, Close | applications |
//! | [`FrameCodec`] | [`Frame`] | what a header shows, and the frame limit | proxies, tools |
//!
//! A decoder cannot write, so a codec answers nothing by itself: [`Event::reply`] is what a received
//! event obliges to send, [`Error::close_frame`] what an error does. Unlike
//! [`WebSocket`](crate::WebSocket) it knows no deadline, and copies every payload that it sends.
//!
//! Open with [`Framed::with_capacity`](tokio_util::codec::Framed::with_capacity) and 65,536 bytes:
//! the default reads in steps of 8 KiB.

mod frame_codec;

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::{
    config::Config,
    error::Error,
    extension::{Compress, Extensions},
    frame::Role,
    protocol::{Closed, Closing, Event, Receiver, Sender},
};

pub use frame_codec::{Frame, FrameCodec};

/// The room that is made for the next read, in bytes, once the buffer is used up.
const MIN_READ: usize = 4096;

/// Messages and control frames for [`Framed`](tokio_util::codec::Framed).
///
/// Decoding fails for ever after the first error: `Framed` would go on reading otherwise.
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use tokio_util::codec::Framed;
/// use wsimd::{Codec, Error, Event};
///
/// /// Sends every message back, on a stream whose opening handshake is done.
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
/// A client goes on reading after its own Close frame was answered, until the server has closed the
/// stream (RFC 6455 §7.1.1). After an error, read what still comes for a moment before dropping the
/// stream: a reset for unread bytes can overtake the Close frame.
#[derive(Debug)]
pub struct Codec {
    receiver: Receiver,
    sender: Sender,
    closing: Closing,
}

impl Codec {
    /// Makes the codec of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            receiver: Receiver::new(role, config),
            sender: Sender::new(role, config),
            closing: Closing::default(),
        }
    }

    /// Makes a server's codec with the default configuration.
    pub fn server() -> Self {
        Self::new(Role::Server, &Config::new())
    }

    /// Makes a client's codec with the default configuration.
    pub fn client() -> Self {
        Self::new(Role::Client, &Config::new())
    }

    /// Goes on with the extensions that the opening handshake agreed on.
    #[must_use]
    pub fn extensions(mut self, extensions: Extensions) -> Self {
        let (encoders, decoders) = extensions.split();
        self.sender.extend(encoders);
        self.receiver.extend(decoders);
        self
    }

    /// Says whether the messages encoded from now on are compressed. Default: [`Compress::Auto`].
    pub const fn compress(&mut self, compress: Compress) {
        self.sender.compress(compress);
    }

    /// Gives back what extensions hold and did not need since the last call: call it now and then, as
    /// every twenty seconds.
    pub fn tidy(&mut self) {
        self.sender.tidy();
        self.receiver.tidy();
    }

    /// Returns the Close frames that have passed so far.
    pub fn closed(&self) -> Closed {
        self.closing.closed()
    }
}

impl Decoder for Codec {
    type Item = Event;
    type Error = Error;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        let event = self.receiver.receive(input)?;
        match &event {
            None => input.reserve(MIN_READ),
            Some(Event::Close(frame)) => self.closing.received(frame.clone()),
            Some(_) => {}
        }
        Ok(event)
    }

    /// Decodes what is left at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] with code 1006 when the stream ends before the peer's Close frame.
    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Error> {
        match self.decode(input)? {
            None if !self.receiver.is_closed() => Err(self.closing.closed().into()),
            event => Ok(event),
        }
    }
}

impl Encoder<Event> for Codec {
    type Error = Error;

    fn encode(&mut self, event: Event, output: &mut BytesMut) -> Result<(), Error> {
        if let Event::Close(frame) = &event {
            self.closing.sent(frame.clone());
        }
        Ok(self.sender.send(event, output)?)
    }
}
