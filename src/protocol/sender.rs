//! [`Sender`]: the sending half of an endpoint.

use std::cell::RefCell;

use bytes::Bytes;
use chacha20::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{
    Event, Output,
    outgoing::{Fragment, Outgoing},
};
use crate::{
    config::Config,
    extension::{Compress, Encoders},
    frame::{
        CloseFrame, FrameHeader, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode, Role, Rsv, SendError,
    },
    message::Message,
    payload,
    simd::Simd,
};

/// The largest payload that is encoded at once, unless each message has to be one frame. Compressing so much
/// takes about a millisecond.
const MAX_ENCODED: usize = 32 << 10;

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
    /// The message whose last frame was not appended yet.
    unfinished: Option<Box<Outgoing>>,
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

    /// Lets the extensions that the opening handshake negotiated encode the messages.
    pub fn extend(&mut self, encoders: Encoders) {
        self.encoders = (!encoders.is_empty()).then(|| Box::new(encoders));
    }

    /// Sets whether the messages sent from now on are compressed. Default: [`Compress::Auto`].
    pub const fn compress(&mut self, compress: Compress) {
        self.compress = compress;
    }

    /// Releases extension memory that was not used since the last call, as
    /// [`Receiver::tidy`](super::Receiver::tidy).
    pub fn tidy(&mut self) {
        if let Some(encoders) = &mut self.encoders {
            encoders.tidy();
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

    /// Appends a message to `output`, or its first frame: [`cut`](Self::cut) appends the others. On return,
    /// `message` is in an unspecified but valid state.
    pub(crate) fn begin(
        &mut self,
        message: &mut Message,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        check_size(message, &self.config)?;
        if self.is_unfinished() {
            self.finish(output);
        }
        let opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        let payload = message.payload_mut();
        // The common case first.
        let len = payload.len();
        if len <= self.config.values.outgoing_frame_size
            && (len <= MAX_ENCODED || len <= self.frame_size())
        {
            self.frame(true, opcode, payload, output);
        } else {
            let message = Outgoing::new(opcode, std::mem::take(payload));
            self.unfinished = Some(Box::new(message));
            self.cut(output);
        }
        Ok(())
    }

    /// Returns whether extensions encode messages.
    pub(crate) const fn encodes(&self) -> bool {
        self.encoders.is_some()
    }

    /// Returns the largest payload of a frame.
    fn frame_size(&self) -> usize {
        match self.config.values.outgoing_frame_size {
            MAX_ENCODED..usize::MAX if self.encodes() => MAX_ENCODED,
            size => size,
        }
    }

    /// Returns whether a message has frames that were not appended.
    #[inline]
    pub(crate) const fn is_unfinished(&self) -> bool {
        self.unfinished.is_some()
    }

    /// Returns the number of bytes of the unfinished message that were not appended.
    pub(crate) fn unfinished_len(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |message| message.len())
    }

    /// Appends the next frame of the unfinished message. Returns the Close frame that has followed the last.
    pub(crate) fn cut(&mut self, output: &mut impl Output) -> Option<CloseFrame> {
        let size = self.frame_size();
        let Fragment {
            fin,
            opcode,
            mut payload,
        } = self.unfinished.as_mut()?.cut(size);
        self.frame(fin, opcode, &mut payload, output);
        if !fin {
            return None;
        }
        let close = self.unfinished.take()?.into_close()?;
        self.append_close(&close, output);
        Some(close)
    }

    /// Appends the rest of the unfinished message.
    #[cold]
    fn finish(&mut self, output: &mut impl Output) {
        while self.is_unfinished() {
            self.cut(output);
        }
    }

    /// Drops the rest of the unfinished message, and the Close frame that was to follow.
    pub(crate) fn drop_unfinished(&mut self) {
        if let Some(message) = self.unfinished.take()
            && message.into_close().is_some()
        {
            self.closed = false;
        }
    }

    /// Appends our Close frame behind the unfinished message. Returns whether it was appended at once.
    pub(crate) fn close(&mut self, frame: &CloseFrame, output: &mut impl Output) -> bool {
        self.closed = true;
        if let Some(message) = &mut self.unfinished {
            message.set_close(frame.clone());
            return false;
        }
        self.append_close(frame, output);
        true
    }

    /// Appends the pong that answers a ping with this payload.
    pub(crate) fn reply(&self, payload: &Bytes, output: &mut impl Output) {
        let header = self.header(true, Rsv::NONE, Opcode::Pong, payload);
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
        self.frame(true, opcode, &mut payload, output);
        Ok(())
    }

    fn append_close(&mut self, frame: &CloseFrame, output: &mut impl Output) {
        self.frame(true, Opcode::Close, &mut frame.to_payload(), output);
    }

    #[inline]
    fn frame(&mut self, fin: bool, opcode: Opcode, payload: &mut Bytes, output: &mut impl Output) {
        if self.encoders.is_some() && !opcode.is_control() {
            return self.encoded_frame(fin, opcode, payload, output);
        }
        let header = self.header(fin, Rsv::NONE, opcode, payload);
        write_frame(self.simd, &header, payload, output);
    }

    /// As [`frame`](Self::frame), for a data frame where there are extensions.
    #[inline(never)]
    fn encoded_frame(
        &mut self,
        fin: bool,
        opcode: Opcode,
        payload: &mut Bytes,
        output: &mut impl Output,
    ) {
        let (rsv, encoded) = match &mut self.encoders {
            Some(encoders) => encoders.encode(opcode, fin, self.compress, payload),
            None => (Rsv::NONE, None),
        };
        let Some(mut encoded) = encoded else {
            let header = self.header(fin, rsv, opcode, payload);
            return write_frame(self.simd, &header, payload, output);
        };
        let header = self.header(fin, rsv, opcode, &encoded);
        if !copy_frame(self.simd, &header, &encoded, output) {
            // The output counts the length, so that the capacity must not be much larger.
            payload::trim(&mut encoded);
            output.append(encoded.into());
        }
    }

    fn header(&self, fin: bool, rsv: Rsv, opcode: Opcode, payload: &[u8]) -> FrameHeader {
        FrameHeader {
            fin,
            rsv,
            opcode,
            masking_key: masking_key(self.role, &self.config),
            payload_len: payload.len() as u64,
        }
    }
}

/// Checks that a message is not too large to be sent.
pub(crate) fn check_size(message: &Message, config: &Config) -> Result<(), SendError> {
    let limit = config.values.max_outgoing_message_size;
    if message.len() > limit {
        return Err(SendError::MessageTooBig {
            size: message.len(),
            limit,
        });
    }
    Ok(())
}

/// Returns the key that the next frame is masked with: `None` for a server, which does not mask
/// (RFC 6455 §5.1).
pub(crate) fn masking_key(role: Role, config: &Config) -> Option<MaskingKey> {
    match role {
        Role::Client => Some(config.values.masking_keys.unwrap_or(random_masking_key)()),
        Role::Server => None,
    }
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
        output.append(std::mem::take(payload));
    }
}

/// Appends a frame's header, and its payload if that is to be copied: says whether it is.
#[inline]
fn copy_frame<O: Output>(simd: Simd, header: &FrameHeader, payload: &[u8], output: &mut O) -> bool {
    let buffer = output.buffer();
    header.append_to(buffer);
    match header.masking_key {
        Some(key) => simd.copy_mask(payload, buffer, key.to_bytes()),
        None if payload.len() < O::COPY_BELOW => buffer.extend_from_slice(payload),
        None => return false,
    }
    true
}

/// Draws an unpredictable masking key (RFC 6455 §5.3, §10.3).
///
/// Each thread has a ChaCha12 generator, seeded once from the operating system's random source.
///
/// # Panics
///
/// When the operating system has no random source.
pub fn random_masking_key() -> MaskingKey {
    thread_local! {
        static KEYS: RefCell<ChaCha12Rng> = RefCell::new(seeded());
    }
    MaskingKey::new(KEYS.with_borrow_mut(Rng::next_u32).to_le_bytes())
}

#[cold]
fn seeded() -> ChaCha12Rng {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system has a random source");
    ChaCha12Rng::from_seed(seed)
}
