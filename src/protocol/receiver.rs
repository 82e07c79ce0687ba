//! [`Receiver`]: the receiving half of an endpoint.

use bytes::{Bytes, BytesMut};

use super::{Event, assembler::Assembler, frame_reader::FrameReader, frame_reader::make_room};
use crate::{
    config::Config,
    frame::{CloseFrame, Expected, FrameHeader, Opcode, ProtocolError, Role},
    simd::Simd,
};

/// Turns received bytes into events (RFC 6455 §5, §6.2, §8.1).
///
/// Consumes the bytes it is lent as far as possible: after `None` at most 13 bytes are left, the
/// start of a header. The rest of an unfinished message is kept here, in memory that grows with the
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
    frames: FrameReader,
    assembler: Assembler,
    /// What has arrived of a control frame's payload.
    control: Vec<u8>,
    simd: Simd,
    max_frame_size: u64,
    max_message_size: u64,
    end: Option<End>,
}

/// After this, nothing is received any more.
#[derive(Clone, Copy, Debug)]
enum End {
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
        let mut receiver = Self {
            frames: FrameReader::new(Expected::first(peer_of(role))),
            assembler: Assembler::new(simd, config),
            control: Vec::new(),
            simd,
            max_frame_size: config.max_frame_size,
            max_message_size: config.max_message_size,
            end: None,
        };
        receiver.expect_data();
        receiver
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
        match self.end {
            None => {}
            Some(end) => {
                input.clear();
                return match end {
                    End::Closed => Ok(None),
                    End::Failed(error) => Err(error),
                };
            }
        }
        let received = self.advance(input);
        match &received {
            Err(error) => self.end = Some(End::Failed(*error)),
            Ok(Some(Event::Close(_))) => self.end = Some(End::Closed),
            Ok(_) => {}
        }
        received
    }

    /// Whether the peer's Close frame was received: the end of the stream is then no surprise.
    pub const fn is_closed(&self) -> bool {
        matches!(self.end, Some(End::Closed))
    }

    fn advance(&mut self, input: &mut BytesMut) -> Result<Option<Event>, ProtocolError> {
        loop {
            let opcode = match self.frames.current() {
                Some(header) => header.opcode,
                None => {
                    let Some(header) = self.frames.begin(input)? else {
                        return Ok(None);
                    };
                    if !header.opcode.is_control() {
                        self.assembler.begin(&header)?;
                    }
                    header.opcode
                }
            };
            let complete = if opcode.is_control() {
                self.frames.payload(input, |chunk, key, missing| {
                    make_room(&mut self.control, chunk.len(), missing);
                    self.simd
                        .copy_mask(chunk, &mut self.control, key.to_bytes());
                    Ok(())
                })?
            } else {
                self.frames.payload(input, |chunk, key, missing| {
                    self.assembler.append(chunk, key, missing)
                })?
            };
            let Some(header) = complete else {
                return Ok(None);
            };
            if let Some(event) = self.end_frame(&header)? {
                return Ok(Some(event));
            }
        }
    }

    fn end_frame(&mut self, header: &FrameHeader) -> Result<Option<Event>, ProtocolError> {
        if !header.opcode.is_control() {
            let message = self.assembler.end()?;
            self.expect_data();
            return Ok(message.map(Event::Message));
        }
        let payload = Bytes::from(std::mem::take(&mut self.control));
        Ok(Some(match header.opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            _ => Event::Close(CloseFrame::parse(payload)?),
        }))
    }

    /// Tells the reader of frames how large the next data frame may be, and what a larger one is.
    fn expect_data(&mut self) {
        let left = self.max_message_size - self.assembler.len() as u64;
        let expected = &mut self.frames.expected;
        if left < self.max_frame_size {
            expected.max_payload_len = left;
            expected.too_big = ProtocolError::MessageTooBig {
                limit: self.max_message_size,
            };
        } else {
            expected.max_payload_len = self.max_frame_size;
            expected.too_big = ProtocolError::FrameTooBig {
                limit: self.max_frame_size,
            };
        }
    }
}

const fn peer_of(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}
