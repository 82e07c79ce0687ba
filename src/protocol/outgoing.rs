//! [`Outgoing`]: a message that leaves in several frames, or is encoded in several pieces (RFC 6455 §5.4).

use std::mem;

use bytes::Bytes;

use crate::{
    extension::{Compress, Encoders, MessagePiece},
    frame::{Opcode, Rsv},
    payload,
};

/// The rest of a message. Its next frame is cut when the output has room for it.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The opcode of the next frame.
    opcode: Opcode,
    /// The reserved bits of the next frame.
    rsv: Rsv,
    /// The bytes that need no encoding. The last frame ends with them, unless there is a `source`.
    rest: Bytes,
    source: Option<Box<Source>>,
}

/// A message that extensions have yet to encode.
#[derive(Debug)]
struct Source {
    payload: Bytes,
    /// The number of bytes of `payload` that were encoded.
    done: usize,
    /// The encoded bytes that are in no frame.
    encoded: Vec<u8>,
    opcode: Opcode,
    compress: Compress,
}

/// A frame of a message.
#[derive(Debug)]
pub(super) struct Fragment {
    pub(super) fin: bool,
    pub(super) rsv: Rsv,
    pub(super) opcode: Opcode,
    pub(super) payload: Bytes,
}

impl Outgoing {
    /// Creates a message of bytes that need no encoding. `rsv` marks the first frame.
    pub(super) const fn new(opcode: Opcode, rsv: Rsv, payload: Bytes) -> Self {
        Self {
            opcode,
            rsv,
            rest: payload,
            source: None,
        }
    }

    /// Creates a message that extensions encode, if they want.
    pub(super) fn to_encode(opcode: Opcode, payload: Bytes, compress: Compress) -> Self {
        let source = Source {
            payload,
            done: 0,
            encoded: Vec::new(),
            opcode,
            compress,
        };
        Self {
            source: Some(Box::new(source)),
            ..Self::new(opcode, Rsv::NONE, Bytes::new())
        }
    }

    /// Returns the number of remaining bytes.
    pub(super) fn len(&self) -> usize {
        let source = self.source.as_ref();
        let waiting = source.map_or(0, |it| it.payload.len() - it.done + it.encoded.len());
        self.rest.len() + waiting
    }

    /// Cuts the next frame, with a payload of at most `size` bytes; `None` if another piece has to be encoded
    /// first. The last frame has the FIN bit.
    pub(super) fn cut(&mut self, size: usize) -> Option<Fragment> {
        let payload = match &mut self.source {
            None => self.rest.split_to(size.min(self.rest.len())),
            Some(source) => source.cut(size)?,
        };
        Some(Fragment {
            fin: self.source.is_none() && self.rest.is_empty(),
            rsv: mem::replace(&mut self.rsv, Rsv::NONE),
            opcode: mem::replace(&mut self.opcode, Opcode::Continuation),
            payload,
        })
    }

    /// Encodes the next piece.
    pub(super) fn encode(&mut self, encoders: &mut Encoders) {
        let Some(source) = &mut self.source else {
            return;
        };
        let (piece, bytes) = source.next(encoders.piece_len());
        let (rsv, encoded) = encoders.encode(piece, &bytes);
        if piece.is_first {
            self.rsv = rsv;
        }
        source.done += bytes.len();
        match encoded {
            Some(encoded) => source.encoded.extend_from_slice(&encoded),
            None => {
                // The message stays as it is.
                self.rest = mem::take(&mut source.payload);
                self.source = None;
                return;
            }
        }
        if piece.is_last {
            payload::trim(&mut source.encoded);
            self.rest = mem::take(&mut source.encoded).into();
            self.source = None;
        }
    }
}

impl Source {
    /// Returns the next piece, of at most `len` bytes.
    fn next(&self, len: usize) -> (MessagePiece, Bytes) {
        let end = self.payload.len().min(self.done + len);
        let piece = MessagePiece {
            opcode: self.opcode,
            is_first: self.done == 0,
            is_last: end == self.payload.len(),
            flush: false,
            message_len: Some(self.payload.len() as u64),
            compress: self.compress,
        };
        (piece, self.payload.slice(self.done..end))
    }

    /// Cuts a frame of `size` bytes that is not the last one; `None` if fewer were encoded.
    fn cut(&mut self, size: usize) -> Option<Bytes> {
        if self.encoded.len() <= size {
            return None;
        }
        let behind = self.encoded.split_off(size);
        let mut payload = mem::replace(&mut self.encoded, behind);
        // The output counts the length, so that the capacity must not be much larger.
        payload::trim(&mut payload);
        Some(payload.into())
    }
}
