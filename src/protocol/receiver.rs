//! [`Receiver`]: the receiving half of an endpoint.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Event,
    assembler::Assembler,
    extended::Extended,
    frame_reader::{FrameReader, Limit, Piece},
};
use crate::{
    config::Config,
    extension::Decoders,
    frame::{CloseFrame, Opcode, ProtocolError, Role},
    message::Message,
    simd::Simd,
    text::Text,
};

/// Turns received bytes into events (RFC 6455 §5, §6.2, §8.1).
///
/// Consumes the bytes it is lent as far as possible: after `None` at most 138 bytes are left, the
/// start of a header or of a control frame. The rest of an unfinished message is kept here, in memory that grows with the
/// bytes received.
///
/// ```
/// use bytes::BytesMut;
/// use wsimd::{Config, Event, Message, Role, protocol::Receiver};
///
/// let mut receiver = Receiver::new(Role::Client, &Config::new());
/// let mut input = BytesMut::from(&b"\x81\x05Hello\x89\x00"[..]);
/// assert_eq!(receiver.receive(&mut input)?, Some(Event::from("Hello")));
/// assert_eq!(receiver.receive(&mut input)?, Some(Event::Ping("".into())));
/// assert_eq!(receiver.receive(&mut input)?, None);
/// # Ok::<(), wsimd::ProtocolError>(())
/// ```
#[derive(Debug)]
pub struct Receiver {
    pub(super) frames: FrameReader,
    pub(super) assembler: Assembler,
    pub(super) simd: Simd,
    pub(super) config: Config,
    /// What extensions do; most of the time there are none.
    pub(super) extended: Option<Box<Extended>>,
    // Boxed: most of the time there is none.
    pub(super) end: Option<Box<End>>,
}

/// What was received. The payload of a message is yet to become one: whoever returns it moves it less
/// often this way.
pub(crate) enum Received {
    /// A whole message. Valid UTF-8.
    Text(Vec<u8>),
    /// A whole message.
    Binary(Vec<u8>),
    /// A control frame.
    Control(Event),
}

impl Received {
    /// Makes an event of it.
    pub(super) fn into_event(self) -> Event {
        match self {
            Self::Text(payload) => Event::Message(text(payload)),
            Self::Binary(payload) => Event::Message(payload.into()),
            Self::Control(event) => event,
        }
    }
}

/// Makes a message of a payload that was received as text.
#[inline]
pub(crate) fn text(payload: Vec<u8>) -> Message {
    Text::from_validated(payload.into()).into()
}

/// After this, nothing is received any more.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The peer's Close frame: what follows it is ignored (RFC 6455 §1.4).
    Closed,
    /// A violation, returned for ever.
    Failed(ProtocolError),
}

impl Receiver {
    /// Makes the receiving half of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self::with_simd(role, config, Simd::detect())
    }

    /// As [`new`](Self::new), with the kernels that `simd` stands for.
    pub fn with_simd(role: Role, config: &Config, simd: Simd) -> Self {
        Self {
            frames: FrameReader::new(role.peer()),
            assembler: Assembler::new(),
            simd,
            config: config.clone(),
            extended: None,
            end: None,
        }
    }

    /// Lets the extensions that the opening handshake agreed on decode what is received.
    pub fn extend(&mut self, decoders: Decoders) {
        self.frames.allow(decoders.rsv());
        self.extended = (!decoders.is_empty()).then(|| Box::new(Extended::new(decoders)));
    }

    /// Gives back what extensions hold and did not need since the last call: call it now and then.
    /// [`WebSocket`](crate::WebSocket) does with every ping of its keepalive.
    pub fn tidy(&mut self) {
        if let Some(extended) = &mut self.extended {
            extended.tidy();
        }
    }

    /// Returns the next event, or `None` when `input` does not hold one to its end.
    ///
    /// After a Close frame was returned, bytes are discarded and the answer is `None`.
    ///
    /// # Errors
    ///
    /// The peer's violation of the protocol or of a limit, at the earliest byte that proves it. It is
    /// sticky: every later call discards the bytes and returns it again.
    pub fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        let received = self.next(input)?;
        Ok(received.map(Received::into_event))
    }

    /// As [`receive`](Self::receive).
    pub(crate) fn next(&mut self, input: &mut BytesMut) -> Result<Option<Received>, ProtocolError> {
        if self.end.is_some() {
            return self.ended(input);
        }
        let received = self.advance(input);
        match &received {
            Err(error) => self.end = Some(Box::new(End::Failed(*error))),
            Ok(Some(Received::Control(Event::Close(_)))) => self.end = Some(Box::new(End::Closed)),
            Ok(_) => {}
        }
        received
    }

    /// Whether the peer's Close frame was received: the end of the stream is then no surprise.
    pub fn is_closed(&self) -> bool {
        matches!(self.end.as_deref(), Some(End::Closed))
    }

    /// Returns the peer's violation, if there was one.
    pub fn violation(&self) -> Option<ProtocolError> {
        match self.end.as_deref() {
            Some(End::Failed(error)) => Some(*error),
            Some(End::Closed) | None => None,
        }
    }

    #[inline]
    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Received>, ProtocolError> {
        loop {
            let plain = self.limit();
            let values = &self.config.values;
            let (limit, visible) = match &mut self.extended {
                None => (plain, &input[..]),
                Some(extended) => {
                    if extended.take_pause() {
                        return Ok(None);
                    }
                    (extended.limit(values), extended.visible(input))
                }
            };
            let Some(piece) = self.frames.read(visible, limit)? else {
                return Ok(None);
            };
            let (header, missing, len) = (piece.header, piece.missing, piece.len);
            if header.opcode.is_control() {
                let payload = copy(&piece, self.simd);
                input.advance(len);
                let event = control(header.opcode, payload)?;
                return Ok(Some(Received::Control(event)));
            }
            if piece.begins {
                self.assembler.begin(&header, values.max_fragments)?;
            }
            if self.extended.is_some() {
                self.take_extended(piece, plain)?;
            } else {
                self.assembler.take(&piece, self.simd)?;
            }
            input.advance(len);
            if missing == 0 && header.fin {
                return Ok(Some(match self.assembler.end()? {
                    (Opcode::Text, payload) => Received::Text(payload),
                    (_, payload) => Received::Binary(payload),
                }));
            }
            if missing > 0 && input.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Discards what comes after the end.
    #[cold]
    fn ended(&self, input: &mut BytesMut) -> Result<Option<Received>, ProtocolError> {
        input.clear();
        match self.end.as_deref() {
            Some(End::Failed(error)) => Err(*error),
            Some(End::Closed) | None => Ok(None),
        }
    }

    /// How large the next data frame may be.
    fn limit(&self) -> Limit {
        let values = &self.config.values;
        let left = values.max_message_size - self.assembler.len() as u64;
        Limit::new(left, values.max_frame_size, values)
    }
}

fn copy(piece: &Piece<'_>, simd: Simd) -> Bytes {
    let mut payload = Vec::with_capacity(piece.chunk.len());
    simd.copy_mask(piece.chunk, &mut payload, piece.key.to_bytes());
    payload.into()
}

/// Makes an event of a control frame.
fn control(opcode: Opcode, payload: Bytes) -> Result<Event, ProtocolError> {
    Ok(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(CloseFrame::parse(payload)?),
    })
}
