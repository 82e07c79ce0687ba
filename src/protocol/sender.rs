//! [`Sender`]: the sending half of an endpoint.

use bytes::{Bytes, BytesMut};

use super::Event;
use crate::{
    config::Config,
    frame::{
        CloseFrame, FrameHeader, MAX_CONTROL_PAYLOAD, MaskingKey, Opcode, Role, Rsv, SendError,
    },
    message::Message,
    simd::Simd,
};

/// Where a [`Sender`] puts the bytes for the wire, in order.
pub trait Output {
    /// The buffer that headers, masked payloads and other small things are appended to.
    fn buffer(&mut self) -> &mut BytesMut;

    /// Appends a payload, which may be kept by reference instead of being copied.
    fn append(&mut self, payload: Bytes);
}

impl Output for BytesMut {
    fn buffer(&mut self) -> &mut BytesMut {
        self
    }

    fn append(&mut self, payload: Bytes) {
        self.extend_from_slice(&payload);
    }
}

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
    /// Where masking keys come from; `None` for a server, which does not mask (RFC 6455 §5.1).
    masking_keys: Option<fn() -> MaskingKey>,
    max_message_size: usize,
    frame_size: usize,
    closed: bool,
}

impl Sender {
    /// Makes the sending half of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        let masking_keys = match role {
            Role::Client => Some(config.masking_keys.unwrap_or(random_masking_key)),
            Role::Server => None,
        };
        Self {
            simd: Simd::detect(),
            masking_keys,
            max_message_size: config.max_outgoing_message_size,
            frame_size: config.outgoing_frame_size,
            closed: false,
        }
    }

    /// Appends an event to `output`, a message in as many frames as the configuration says.
    ///
    /// A Close frame after the first is not sent: there is one at most, and asking again is no error.
    /// Pongs may still follow it (RFC 6455 §5.5.2).
    ///
    /// # Errors
    ///
    /// What may not be sent. `output` and the state are then as before.
    pub fn send(
        &mut self,
        event: impl Into<Event>,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        match event.into() {
            Event::Message(message) => self.message(message, output),
            Event::Ping(_) if self.closed => Err(SendError::Closed),
            Event::Ping(payload) => self.control(Opcode::Ping, payload, output),
            Event::Pong(payload) => self.control(Opcode::Pong, payload, output),
            Event::Close(_) if self.closed => Ok(()),
            Event::Close(frame) => self.close(&frame, output),
        }
    }

    /// Whether our Close frame was sent: no message may follow it.
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    fn message(&mut self, message: Message, output: &mut impl Output) -> Result<(), SendError> {
        if self.closed {
            return Err(SendError::Closed);
        }
        if message.len() > self.max_message_size {
            return Err(SendError::MessageTooBig {
                size: message.len(),
                limit: self.max_message_size,
            });
        }
        let mut opcode = match message {
            Message::Text(_) => Opcode::Text,
            Message::Binary(_) => Opcode::Binary,
        };
        let mut rest = message.into_bytes();
        while rest.len() > self.frame_size {
            let fragment = rest.split_to(self.frame_size);
            self.frame(false, opcode, fragment, output);
            opcode = Opcode::Continuation;
        }
        self.frame(true, opcode, rest, output);
        Ok(())
    }

    fn control(
        &mut self,
        opcode: Opcode,
        payload: Bytes,
        output: &mut impl Output,
    ) -> Result<(), SendError> {
        if payload.len() > MAX_CONTROL_PAYLOAD {
            return Err(SendError::ControlTooLong {
                size: payload.len(),
            });
        }
        self.frame(true, opcode, payload, output);
        Ok(())
    }

    fn close(&mut self, frame: &CloseFrame, output: &mut impl Output) -> Result<(), SendError> {
        self.control(Opcode::Close, frame.to_payload(), output)?;
        self.closed = true;
        Ok(())
    }

    fn frame(&self, fin: bool, opcode: Opcode, payload: Bytes, output: &mut impl Output) {
        let header = FrameHeader {
            fin,
            rsv: Rsv::NONE,
            opcode,
            masking_key: self.masking_keys.map(|next| next()),
            payload_len: payload.len() as u64,
        };
        write_frame(self.simd, &header, payload, output);
    }
}

/// Appends a frame to `output`; its payload is masked while it is copied, or not copied at all.
pub(crate) fn write_frame(
    simd: Simd,
    header: &FrameHeader,
    payload: Bytes,
    output: &mut impl Output,
) {
    let buffer = output.buffer();
    header.write(buffer);
    match header.masking_key {
        None => output.append(payload),
        Some(key) => simd.copy_mask(&payload, buffer, key.to_bytes()),
    }
}

/// Draws a masking key from the operating system's random source (RFC 6455 §5.3, §10.3).
///
/// Keys are drawn in blocks, one block for each thread, so that few of them cost a system call.
///
/// # Panics
///
/// When the operating system has no random source.
pub fn random_masking_key() -> MaskingKey {
    keys::next()
}

mod keys {
    use std::cell::RefCell;

    use crate::frame::MaskingKey;

    const BLOCK: usize = 1024;

    struct Block {
        bytes: [u8; BLOCK],
        used: usize,
    }

    thread_local! {
        static KEYS: RefCell<Block> = const {
            RefCell::new(Block {
                bytes: [0; BLOCK],
                used: BLOCK,
            })
        };
    }

    pub(super) fn next() -> MaskingKey {
        KEYS.with_borrow_mut(|block| {
            if let Some(key) = block.take() {
                return key;
            }
            getrandom::fill(&mut block.bytes).expect("the operating system has a random source");
            block.used = 0;
            block.take().expect("a block holds many keys")
        })
    }

    impl Block {
        fn take(&mut self) -> Option<MaskingKey> {
            let key = self.bytes.get(self.used..)?.first_chunk()?;
            self.used += key.len();
            Some(MaskingKey::new(*key))
        }
    }
}
