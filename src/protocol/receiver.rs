//! [`Receiver`]: the receiving half of an endpoint.

#[cfg(feature = "tokio")]
mod direct;
#[cfg(feature = "codec")]
mod frames;
mod streaming;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    Event, EventRef,
    assembler::{Assembler, Plan},
    frame_reader::{FrameReader, Piece},
    work::Work,
};
use crate::{
    config::Config,
    extension::Decoders,
    frame::{CloseFrame, Opcode, ProtocolError, Role, WholeFrame},
    message::{Message, MessageRef},
    payload::Payload,
    simd::Simd,
    text::Text,
};

/// Turns received bytes into events (RFC 6455 §5, §6.2, §8.1).
///
/// Consumes the bytes that it is lent as far as possible. After `None` at most 138 bytes are left, the
/// start of a header or of a control frame. The receiver keeps the rest of an unfinished message, in
/// memory that grows with the bytes received.
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
    frames: FrameReader,
    assembler: Assembler,
    simd: Simd,
    config: Config,
    /// Boxed, because most connections have not ended.
    end: Option<Box<End>>,
}

/// A message or a control frame. The payload of a message stays a `Vec<u8>`, so that the caller creates
/// the [`Message`] in place and moves it less often.
pub(crate) enum Received {
    /// A whole message. Valid UTF-8.
    Text(Vec<u8>),
    /// A whole message.
    Binary(Vec<u8>),
    /// A control frame.
    Control(Event),
}

impl Received {
    #[inline]
    pub(super) const fn message(is_text: bool, payload: Vec<u8>) -> Self {
        if is_text {
            Self::Text(payload)
        } else {
            Self::Binary(payload)
        }
    }

    /// Converts it to an event.
    pub(super) fn into_event(self) -> Event {
        match self {
            Self::Text(payload) => Event::Message(text(payload)),
            Self::Binary(payload) => Event::Message(payload.into()),
            Self::Control(event) => event,
        }
    }
}

/// Creates a text message. `payload` is valid UTF-8.
#[inline]
pub(crate) fn text(payload: Vec<u8>) -> Message {
    Text::from_validated(payload.into()).into()
}

/// The reason why nothing is received any more.
#[derive(Clone, Copy, Debug)]
enum End {
    /// The peer's Close frame. The bytes that follow it are ignored (RFC 6455 §1.4).
    Closed,
    /// A violation, which every later call returns again.
    Failed(ProtocolError),
}

impl Receiver {
    /// Creates the receiving half of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self::with_simd(role, config, Simd::detect())
    }

    /// Creates the receiving half as [`new`](Self::new) does, with the kernels of `simd`.
    #[doc(hidden)]
    pub fn with_simd(role: Role, config: &Config, simd: Simd) -> Self {
        let mut frames = FrameReader::new(role.peer());
        frames.allow_whole(config.settings.max_fragments(0) > 0);
        Self {
            frames,
            assembler: Assembler::new(),
            simd,
            config: config.clone(),
            end: None,
        }
    }

    /// Lets the extensions that were negotiated in the opening handshake decode the messages.
    pub fn set_decoders(&mut self, decoders: Decoders) {
        self.frames.allow(decoders.rsv());
        self.assembler.set_decoders(decoders);
        self.allow_whole();
    }

    /// Allows that a message in one frame is taken at once, if nothing else has to see its frame.
    fn allow_whole(&mut self) {
        let is_plain = !self.assembler.is_decoding() && !self.frames.delivery().is_streamed();
        let allows_whole =
            is_plain && self.end.is_none() && self.config.settings.max_fragments(0) > 0;
        self.frames.allow_whole(allows_whole);
    }

    /// Releases extension memory that was not used since the last call. Call it periodically, for
    /// example every 20 s. [`WebSocket`](crate::WebSocket) calls it with every ping of its keepalive.
    pub fn release_idle(&mut self) {
        if let Some(decoding) = self.assembler.decoding() {
            decoding.release_idle();
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
        let received = self.next(input, &mut Work::unlimited())?;
        Ok(received.map(Received::into_event))
    }

    /// Receives the next event as [`receive`](Self::receive) does, and lends it to `f`. The payload of a message in
    /// one frame that `input` holds whole is neither copied nor allocated.
    ///
    /// If `f` panics, the event is lost, and the receiver can be used further.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use wsimd::{Config, EventRef, Role, protocol::Receiver};
    ///
    /// let mut receiver = Receiver::new(Role::Client, &Config::new());
    /// let mut input = BytesMut::from(&b"\x81\x05Hello"[..]);
    /// let len = receiver.receive_with(&mut input, |event| match event {
    ///     EventRef::Message(message) => message.len(),
    ///     _ => 0,
    /// })?;
    /// assert_eq!(len, Some(5));
    /// # Ok::<(), wsimd::ProtocolError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn receive_with<R>(
        &mut self,
        input: &mut BytesMut,
        f: impl FnOnce(EventRef<'_>) -> R,
    ) -> Result<Option<R>, ProtocolError> {
        if let Some(frame) = self.find_whole(input) {
            self.open_whole(frame, input)?;
            return Ok(Some(lend(frame, input, f)));
        }
        let received = self.next_piece(input, &mut Work::unlimited())?;
        Ok(received.map(|received| received.into_event().lend(f)))
    }

    /// Returns the next event, as [`receive`](Self::receive), or `None` when the work is done. Counts the work of
    /// events that arrive in pieces.
    #[inline]
    pub(crate) fn next(
        &mut self,
        input: &mut BytesMut,
        work: &mut Work,
    ) -> Result<Option<Received>, ProtocolError> {
        match self.find_whole(input) {
            Some(frame) => self.take_whole(frame, input).map(Some),
            None => self.next_piece(input, work),
        }
    }

    /// Returns the place of the next message if `input` begins with all of it, in one frame: the common case. The
    /// caller passes it to [`take_whole`](Self::take_whole) or [`open_whole`](Self::open_whole). A call of
    /// [`next`](Self::next) takes anything else.
    #[inline]
    pub(crate) fn find_whole(&self, input: &[u8]) -> Option<WholeFrame> {
        let settings = &self.config.settings;
        let max = settings.max_frame_size.min(settings.max_message_size);
        self.frames.whole_message(input, max)
    }

    /// Copies a whole message out of the input.
    #[inline(always)]
    pub(crate) fn take_whole(
        &mut self,
        frame: WholeFrame,
        input: &mut BytesMut,
    ) -> Result<Received, ProtocolError> {
        let end = frame.header_len + frame.payload_len;
        let masked = &input[frame.header_len..end];
        let payload = Payload::copy_whole(frame.is_text, masked, frame.masking_key, self.simd);
        input.advance(end);
        match payload {
            Ok(payload) => Ok(Received::message(frame.is_text, payload)),
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Unmasks a whole message in place. The input then begins with its payload.
    #[inline]
    pub(crate) fn open_whole(
        &mut self,
        frame: WholeFrame,
        input: &mut BytesMut,
    ) -> Result<(), ProtocolError> {
        input.advance(frame.header_len);
        let masked = &mut input[..frame.payload_len];
        Payload::unmask_whole(frame.is_text, masked, frame.masking_key, self.simd)
            .map_err(|error| self.fail(error))
    }

    /// Takes a message or a control frame that may arrive in pieces.
    #[inline(never)]
    fn next_piece(
        &mut self,
        input: &mut BytesMut,
        work: &mut Work,
    ) -> Result<Option<Received>, ProtocolError> {
        if self.end.is_some() {
            return self.discard(input);
        }
        let received = self.advance(input, work);
        match &received {
            Err(error) => {
                self.fail(*error);
            }
            Ok(Some(Received::Control(Event::Close(_)))) => self.end(End::Closed),
            Ok(_) => {}
        }
        received
    }

    /// Ends the receiver with a violation, which is returned.
    #[cold]
    fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        self.end(End::Failed(error));
        error
    }

    fn end(&mut self, end: End) {
        self.frames.allow_whole(false);
        self.assembler.discard();
        self.end = Some(Box::new(end));
    }

    /// Returns whether the peer's Close frame was received. Without it the end of the stream is abnormal.
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

    fn advance(
        &mut self,
        input: &mut BytesMut,
        work: &mut Work,
    ) -> Result<Option<Received>, ProtocolError> {
        if self.has_chunk() {
            return Ok(None);
        }
        loop {
            let plan = Plan {
                settings: &self.config.settings,
                simd: self.simd,
                is_streamed: self.frames.delivery().is_streamed(),
            };
            let (is_complete, missing) = if self.assembler.is_paused() {
                (self.assembler.resume(plan, work)?, 0)
            } else {
                let (visible, limit) = self.assembler.next_step(input, plan);
                let Some(piece) = self.frames.read(visible, limit)? else {
                    return Ok(None);
                };
                let len = piece.len;
                if piece.header.opcode.is_control() {
                    let event = control(&piece, self.simd)?;
                    input.advance(len);
                    return Ok(event.map(Received::Control));
                }
                let missing = piece.missing;
                let is_complete = self.assembler.take(&piece, plan, work)?;
                input.advance(len);
                (is_complete, missing)
            };
            if plan.is_streamed {
                if self.on_streamed(is_complete, missing == 0)? {
                    return Ok(None);
                }
            } else if is_complete {
                let (is_text, payload) = self.assembler.end()?;
                return Ok(Some(Received::message(is_text, payload)));
            }
            let is_starved = missing > 0 && input.is_empty() && !self.assembler.is_paused();
            if work.take_pause() || is_starved {
                return Ok(None);
            }
        }
    }

    /// Discards the bytes that come after the end.
    #[cold]
    fn discard(&self, input: &mut BytesMut) -> Result<Option<Received>, ProtocolError> {
        input.clear();
        match self.end.as_deref() {
            Some(End::Failed(error)) => Err(*error),
            Some(End::Closed) | None => Ok(None),
        }
    }
}

/// Lends a message that was unmasked in place.
#[inline]
pub(super) fn lend<R>(
    frame: WholeFrame,
    input: &mut BytesMut,
    f: impl FnOnce(EventRef<'_>) -> R,
) -> R {
    MessageRef::lend(frame.is_text, frame.payload_len, input, |message| {
        f(EventRef::Message(message))
    })
}

/// Creates the event of a control frame; `None` while the frame is incomplete. A Close frame is judged
/// as it arrives.
fn control(piece: &Piece<'_>, simd: Simd) -> Result<Option<Event>, ProtocolError> {
    let opcode = piece.header.opcode;
    if piece.missing > 0 && opcode != Opcode::Close {
        return Ok(None);
    }
    let payload = piece.unmask(simd);
    if piece.missing > 0 {
        CloseFrame::check(&payload, piece.missing)?;
        return Ok(None);
    }
    let payload = Bytes::from(payload);
    Ok(Some(match opcode {
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        _ => Event::Close(CloseFrame::parse(payload)?),
    }))
}
