//! [`Sender`]: the sending half of an endpoint.

mod fragments;
#[cfg(feature = "tokio")]
mod streaming;
#[cfg(feature = "json")]
mod writing;

use std::mem;

use bytes::Bytes;

use super::{
    Event, Output,
    keys::masking_key,
    outgoing::Outgoing,
    unfinished::{Body, Unfinished},
};
use crate::{
    config::Config,
    extension::{Compress, Encoders, MessagePiece},
    frame::{CloseFrame, FrameHeader, MAX_CONTROL_PAYLOAD, Opcode, Role, Rsv, SendError},
    message::Message,
    payload,
    simd::Simd,
};
#[cfg(feature = "tokio")]
pub(crate) use streaming::Chunk;

/// Turns events into bytes for the wire (RFC 6455 §5, §6.1).
///
/// ```
/// use bytes::BytesMut;
/// use wsimd::{Config, Role, protocol::Sender};
///
/// let mut sender = Sender::new(Role::Server, &Config::new());
/// let mut output = BytesMut::new();
/// sender.send("Hello", &mut output)?;
/// assert_eq!(&output[..], b"\x81\x05Hello");
/// # Ok::<(), wsimd::SendError>(())
/// ```
#[derive(Debug)]
pub struct Sender {
    simd: Simd,
    /// A client masks its frames, a server does not (RFC 6455 §5.1).
    role: Role,
    closed: bool,
    compress: Compress,
    config: Config,
    /// The sending direction of extensions. Most connections have negotiated none.
    encoders: Option<Box<Encoders>>,
    /// The message whose last frame was not appended.
    unfinished: Option<Box<Unfinished>>,
}

impl Sender {
    /// Creates the sending half of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            simd: Simd::detect(),
            role,
            closed: false,
            compress: Compress::Auto,
            config: config.clone(),
            encoders: None,
            unfinished: None,
        }
    }

    /// Lets the extensions that the opening handshake negotiated encode the messages. Call this method before
    /// the first message.
    pub fn set_encoders(&mut self, encoders: Encoders) {
        // Other encoders cannot continue a message.
        self.drop_unfinished();
        self.encoders = (!encoders.is_empty()).then(|| Box::new(encoders));
    }

    /// Sets whether the messages sent from now on are compressed. Default: [`Compress::Auto`].
    pub const fn set_compress(&mut self, compress: Compress) {
        self.compress = compress;
    }

    /// Releases extension memory that was not used since the last call, as
    /// [`Receiver::release_idle`](super::Receiver::release_idle).
    pub fn release_idle(&mut self) {
        if let Some(encoders) = &mut self.encoders {
            encoders.release_idle();
        }
    }

    /// Appends an event to `output`, a message in as many frames as the configuration says.
    ///
    /// A second Close frame is not sent, which is no error. Pongs may follow the Close frame
    /// (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// [`SendError`] for an event that may not be sent. `output` and the state are then unchanged.
    pub fn send(
        &mut self,
        event: impl Into<Event>,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        match event.into() {
            Event::Message(mut message) => self.message(&mut message, output),
            Event::Ping(_) if self.closed => Err(SendError::Closed),
            Event::Ping(payload) => self.control(Opcode::Ping, payload, output),
            Event::Pong(payload) => self.control(Opcode::Pong, payload, output),
            Event::Close(_) if self.closed => Ok(()),
            Event::Close(frame) => {
                self.close(&frame, output);
                Ok(())
            }
        }
    }

    /// Appends a message to `output`, as [`send`](Self::send). On return, `message` is in an unspecified
    /// but valid state.
    fn message(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        self.begin(message, output)?;
        if self.is_unfinished() {
            self.finish(output);
        }
        Ok(())
    }

    /// Appends a message to `output`, or begins a long one, which [`advance`](Self::advance) continues. On
    /// return, `message` is in an unspecified but valid state.
    pub(crate) fn begin(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        check_size(message, &self.config)?;
        self.make_way(output)?;
        self.append(message, output);
        Ok(())
    }

    /// Appends a message, or begins a long one.
    #[inline]
    fn append(&mut self, message: &mut Message, output: &mut impl Output) {
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        let payload = message.payload_mut();
        match self.encoders {
            Some(_) => self.append_encoded(opcode, payload, output),
            None => self.append_plain(opcode, payload, output),
        }
    }

    /// Appends a message as it is, or its first frame.
    #[inline]
    fn append_plain(&mut self, opcode: Opcode, payload: &mut Bytes, output: &mut impl Output) {
        if payload.len() <= self.config.settings.outgoing_frame_size {
            self.append_frame(opcode, payload, output);
        } else {
            let message = Outgoing::new(opcode, Rsv::NONE, mem::take(payload));
            self.cut(message, output);
        }
    }

    /// Encodes a message and appends it, or its first frame. Only begins a message of more than one piece.
    #[inline(never)]
    fn append_encoded(&mut self, opcode: Opcode, payload: &mut Bytes, output: &mut impl Output) {
        let Some(encoders) = &mut self.encoders else {
            return;
        };
        let len = payload.len();
        if len > encoders.piece_len() {
            let message = Outgoing::to_encode(opcode, mem::take(payload), self.compress);
            self.unfinished = Some(Unfinished::new(Body::Whole(message)));
            return;
        }
        let piece = MessagePiece::whole(opcode, len, self.compress);
        let (rsv, encoded) = encoders.encode(piece, payload);
        let Some(mut encoded) = encoded else {
            return self.append_plain(opcode, payload, output);
        };
        if encoded.len() > self.config.settings.outgoing_frame_size {
            return self.cut(Outgoing::new(opcode, rsv, encoded.into()), output);
        }
        let header = FrameHeader {
            rsv,
            ..self.header(opcode, &encoded)
        };
        if !copy_frame(self.simd, &header, &encoded, output) {
            // The output counts the length, so that the capacity must not be much larger.
            payload::trim(&mut encoded);
            output.append(encoded.into());
        }
    }

    /// Returns the work of encoding since the last call, in copied bytes.
    pub(crate) fn take_work(&mut self) -> usize {
        let encoders = self.encoders.as_mut();
        encoders.map_or(0, |encoders| encoders.take_work())
    }

    /// Returns the number of bytes that may be encoded at once.
    #[cfg(feature = "tokio")]
    pub(crate) fn piece_len(&self) -> usize {
        let encoders = self.encoders.as_ref();
        encoders.map_or(usize::MAX, |encoders| encoders.piece_len())
    }

    /// Appends our Close frame behind the unfinished message. Returns whether it was appended at once.
    pub(crate) fn close(&mut self, frame: &CloseFrame, output: &mut impl Output) -> bool {
        self.closed = true;
        if let Some(message) = &mut self.unfinished {
            message.close = Some(frame.clone());
            return false;
        }
        self.append_close(frame, output);
        true
    }

    /// Appends the pong that answers a ping with this payload.
    pub(crate) fn reply(&self, payload: &Bytes, output: &mut impl Output) {
        let header = self.header(Opcode::Pong, payload);
        if !copy_frame(self.simd, &header, payload, output) {
            output.append(payload.clone());
        }
    }

    /// Returns the role of the endpoint.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Returns the configuration of the endpoint.
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Whether our Close frame was sent: no message may follow it.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    fn control(
        &mut self,
        opcode: Opcode,
        mut payload: Bytes,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong {
                size: payload.len(),
            });
        }
        self.append_frame(opcode, &mut payload, output);
        Ok(())
    }

    fn append_close(&mut self, frame: &CloseFrame, output: &mut impl Output) {
        self.append_frame(Opcode::Close, &mut frame.to_payload(), output);
    }

    /// Appends a frame that is no fragment.
    #[inline]
    fn append_frame(&self, opcode: Opcode, payload: &mut Bytes, output: &mut impl Output) {
        let header = self.header(opcode, payload);
        write_frame(self.simd, &header, payload, output);
    }

    /// Returns the header of a frame that is no fragment and was not encoded.
    #[inline]
    fn header(&self, opcode: Opcode, payload: &[u8]) -> FrameHeader {
        FrameHeader {
            fin: true,
            rsv: Rsv::NONE,
            opcode,
            masking_key: masking_key(self.role, &self.config),
            payload_len: payload.len() as u64,
        }
    }
}

/// Checks that a message is not too large to be sent.
pub(crate) fn check_size(message: &Message, config: &Config) -> Result<(), SendError> {
    let limit = config.settings.max_outgoing_message_size;
    if message.len() > limit {
        return Err(SendError::MessageTooBig {
            size: message.len(),
            limit,
        });
    }
    Ok(())
}

/// Appends a frame to `output`. Its payload is masked while it is copied; one that is not masked and
/// not small is taken and not copied.
#[inline]
pub(crate) fn write_frame<O: Output>(
    simd: Simd,
    header: &FrameHeader,
    payload: &mut Bytes,
    output: &mut O,
) {
    if !copy_frame(simd, header, payload, output) {
        output.append(mem::take(payload));
    }
}

/// Appends a frame's header, and its payload if that is to be copied: says whether it is.
#[inline]
fn copy_frame<O: Output>(simd: Simd, header: &FrameHeader, payload: &[u8], output: &mut O) -> bool {
    let buffer = output.buffer();
    header.append_to(buffer);
    match header.masking_key {
        Some(key) => simd.copy_mask(payload, buffer, key),
        None if payload.len() < O::COPY_BELOW => buffer.extend_from_slice(payload),
        None => return false,
    }
    true
}
