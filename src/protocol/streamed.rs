//! [`Streamed`]: a message that the application sends in chunks (RFC 6455 §5.4).

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only connections send messages in chunks")
)]

use std::mem;

use bytes::{Buf, Bytes, BytesMut};

use super::outgoing::Fragment;
use crate::{
    extension::{Compress, Encoders, MessagePiece},
    frame::{Opcode, Rsv, SendError},
    message::Message,
    utf8::Validator,
};

/// A message that has begun. Its chunks become frames of about [`FRAME`](Self::FRAME) bytes.
#[derive(Debug)]
pub(super) struct Streamed {
    /// The opcode of the next frame.
    opcode: Opcode,
    /// The reserved bits of the next frame.
    rsv: Rsv,
    /// The validator of a text; `None` for binary data.
    validator: Option<Validator>,
    /// Accepted bytes that are collected for a frame.
    held: BytesMut,
    /// The rest of a chunk of at least [`FRAME`](Self::FRAME) bytes, which follows `held`.
    large: Bytes,
    encoding: Encoding,
    /// Whether bytes leave before a frame is full.
    flushes: bool,
    has_ended: bool,
}

/// What extensions do with the message.
#[derive(Debug)]
enum Encoding {
    /// Nothing: the bytes need no encoding.
    Plain,
    Encoded(Encoded),
}

/// The state of a message that extensions encode.
#[derive(Debug)]
struct Encoded {
    /// `Text` or `Binary`.
    opcode: Opcode,
    compress: Compress,
    /// Whether no piece was encoded.
    is_first: bool,
    /// Whether the last piece was encoded.
    is_last: bool,
    /// Whether encoders may retain bytes, which a flush has to bring out.
    retains: bool,
    /// The encoded bytes that are in no frame.
    bytes: BytesMut,
}

impl Streamed {
    /// The number of bytes that are collected for a frame. A flush and the end of the message send fewer.
    pub(super) const FRAME: usize = 32 << 10;

    /// Begins a message. `compress` is the choice of the application if there are encoders.
    pub(super) fn new(is_text: bool, compress: Option<Compress>) -> Self {
        let opcode = if is_text {
            Opcode::Text
        } else {
            Opcode::Binary
        };
        let encoding = match compress {
            None => Encoding::Plain,
            Some(compress) => Encoding::Encoded(Encoded {
                opcode,
                compress,
                is_first: true,
                is_last: false,
                retains: false,
                bytes: BytesMut::new(),
            }),
        };
        Self {
            opcode,
            rsv: Rsv::NONE,
            validator: is_text.then(Validator::new),
            held: BytesMut::new(),
            large: Bytes::new(),
            encoding,
            flushes: false,
            has_ended: false,
        }
    }

    /// Returns the number of bytes that are in no frame.
    pub(super) fn len(&self) -> usize {
        let encoded = match &self.encoding {
            Encoding::Plain => 0,
            Encoding::Encoded(encoded) => encoded.bytes.len(),
        };
        self.held.len() + self.large.len() + encoded
    }

    /// Returns whether the application has not ended the message.
    pub(super) const fn is_open(&self) -> bool {
        !self.has_ended
    }

    /// Returns the number of bytes that the next chunk should have at most. A larger chunk is accepted as well, unless
    /// the number is zero.
    pub(super) fn room(&self) -> usize {
        match self.is_open() && self.large.is_empty() {
            true => Self::FRAME.saturating_sub(self.held.len()),
            false => 0,
        }
    }

    /// Accepts a chunk, which is empty afterwards.
    pub(super) fn accept(&mut self, chunk: &mut Message) -> Result<(), SendError> {
        let is_validated = chunk.is_text();
        let bytes = chunk.payload_mut();
        self.validate(bytes, is_validated)?;
        if bytes.len() < Self::FRAME {
            self.held.extend_from_slice(bytes);
        } else {
            self.large = mem::take(bytes);
        }
        Ok(())
    }

    /// Accepts a chunk of at most [`room`](Self::room) bytes.
    pub(super) fn accept_bytes(&mut self, chunk: &[u8]) -> Result<(), SendError> {
        self.validate(chunk, false)?;
        self.held.extend_from_slice(chunk);
        Ok(())
    }

    /// Validates the next bytes of a text. Changes nothing if they are wrong.
    fn validate(&mut self, bytes: &[u8], is_validated: bool) -> Result<(), SendError> {
        let Some(validator) = &mut self.validator else {
            return Ok(());
        };
        if is_validated && validator.is_between_characters() {
            return Ok(());
        }
        let mut next = validator.clone();
        next.validate(bytes).map_err(|_| SendError::InvalidUtf8)?;
        *validator = next;
        Ok(())
    }

    /// Ends the message.
    pub(super) fn end(&mut self) -> Result<(), SendError> {
        if let Some(validator) = &self.validator
            && !validator.is_between_characters()
        {
            return Err(SendError::InvalidUtf8);
        }
        self.has_ended = true;
        Ok(())
    }

    /// Lets the accepted bytes leave before a frame is full.
    pub(super) fn flush(&mut self) {
        self.flushes = true;
        self.settle();
    }

    /// Ends a flush when all bytes have left.
    fn settle(&mut self) {
        let retains = matches!(&self.encoding, Encoding::Encoded(encoded) if encoded.retains);
        self.flushes &= retains || self.len() > 0;
    }

    /// Returns whether a frame can be cut or a piece can be encoded.
    pub(super) fn is_ready(&self) -> bool {
        self.has_ended
            || self.has_input()
            || match &self.encoding {
                Encoding::Plain => false,
                Encoding::Encoded(encoded) => {
                    let leaves = self.flushes && (encoded.retains || !encoded.bytes.is_empty());
                    leaves || encoded.bytes.len() >= Self::FRAME
                }
            }
    }

    /// Returns whether accepted bytes are to be encoded, or cut if they need no encoding.
    fn has_input(&self) -> bool {
        let leaves = self.flushes || self.has_ended || self.held.len() >= Self::FRAME;
        !self.large.is_empty() || (leaves && !self.held.is_empty())
    }

    /// Cuts the next frame, with a payload of at most `size` bytes; `None` if a piece has to be encoded first, or
    /// another chunk is needed. The last frame has the FIN bit.
    pub(super) fn cut(&mut self, size: usize) -> Option<Fragment> {
        let has_input = !self.held.is_empty() || !self.large.is_empty();
        let flushes = self.flushes && !has_input;
        let (payload, fin) = match &mut self.encoding {
            Encoding::Encoded(encoded) => encoded.cut(size, flushes)?,
            Encoding::Plain => self.cut_plain(size)?,
        };
        self.settle();
        Some(Fragment {
            fin,
            rsv: mem::replace(&mut self.rsv, Rsv::NONE),
            opcode: mem::replace(&mut self.opcode, Opcode::Continuation),
            payload,
        })
    }

    fn cut_plain(&mut self, size: usize) -> Option<(Bytes, bool)> {
        if !self.has_input() && !self.has_ended {
            return None;
        }
        let payload = match self.held.is_empty() {
            true => self.large.split_to(size.min(self.large.len())),
            false => self.held.split_to(size.min(self.held.len())).freeze(),
        };
        Some((payload, self.has_ended && self.len() == 0))
    }

    /// Encodes the next piece.
    pub(super) fn encode(&mut self, encoders: &mut Encoders) {
        let Encoding::Encoded(encoded) = &mut self.encoding else {
            return;
        };
        let from_held = !self.held.is_empty();
        let input: &[u8] = if from_held { &self.held } else { &self.large };
        let bytes = &input[..input.len().min(encoders.piece_len())];
        let consumes_all = bytes.len() == self.held.len() + self.large.len();
        let piece = MessagePiece {
            opcode: encoded.opcode,
            is_first: encoded.is_first,
            is_last: self.has_ended && consumes_all,
            flush: self.flushes && consumes_all,
            message_len: (encoded.is_first && self.has_ended && consumes_all)
                .then_some(bytes.len() as u64),
            compress: encoded.compress,
        };
        let (rsv, output) = encoders.encode(piece, bytes);
        let Some(output) = output else {
            self.encoding = Encoding::Plain;
            return;
        };
        if piece.is_first {
            self.rsv = rsv;
        }
        encoded.on_piece(piece, &output);
        let len = bytes.len();
        if from_held {
            self.held.advance(len);
        } else {
            self.large.advance(len);
        }
        self.settle();
    }
}

impl Encoded {
    /// Records an encoded piece.
    fn on_piece(&mut self, piece: MessagePiece, output: &[u8]) {
        self.bytes.extend_from_slice(output);
        self.is_first = false;
        self.is_last = piece.is_last;
        self.retains = !piece.flush;
    }

    /// Cuts a frame of at most `size` bytes and says whether it is the last; `None` if more has to be encoded.
    fn cut(&mut self, size: usize, flushes: bool) -> Option<(Bytes, bool)> {
        let leaves = flushes && !self.retains && !self.bytes.is_empty();
        if !leaves && !self.is_last && self.bytes.len() < Streamed::FRAME {
            return None;
        }
        let payload = self.bytes.split_to(size.min(self.bytes.len())).freeze();
        Some((payload, self.is_last && self.bytes.is_empty()))
    }
}
