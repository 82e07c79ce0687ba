//! [`Encoders`]: the encoders of a connection's extensions, as a chain.

use super::{Encode, MessagePiece};
use crate::frame::Rsv;

/// The work of the largest piece, in copied bytes. It takes about half a millisecond.
const PIECE_WORK: usize = 4 << 20;

/// The bounds of the size of a piece, in bytes.
const MIN_PIECE: usize = 256;
const MAX_PIECE: usize = 32 << 10;

/// The sending direction of [`Extensions`](super::Extensions).
#[derive(Debug)]
pub struct Encoders {
    list: Vec<Encoder>,
    /// The work of encoding a byte, in copied bytes.
    cost: usize,
    /// The largest piece in bytes, which bounds the work of one call.
    piece_len: usize,
    /// The work since the last [`take_work`](Self::take_work), in copied bytes.
    work: usize,
}

#[derive(Debug)]
pub(super) struct Encoder {
    rsv: Rsv,
    encode: Box<dyn Encode>,
    /// Whether the encoder encodes the current message.
    is_active: bool,
}

impl Encoder {
    pub(super) const fn new(rsv: Rsv, encode: Box<dyn Encode>) -> Self {
        Self {
            rsv,
            encode,
            is_active: false,
        }
    }
}

impl Encoders {
    pub(super) fn new(list: Vec<Encoder>) -> Self {
        let costs = list.iter().map(|encoder| encoder.encode.cost() as usize);
        let cost = costs.fold(1, usize::saturating_add);
        Self {
            list,
            cost,
            piece_len: (PIECE_WORK / cost).clamp(MIN_PIECE, MAX_PIECE),
            work: 0,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the size of the largest piece, in bytes.
    pub(crate) const fn piece_len(&self) -> usize {
        self.piece_len
    }

    /// Encodes the next piece of a message. Returns the reserved bits that mark the message, and the encoded
    /// bytes, or `None` if the message stays unchanged.
    pub(crate) fn encode(&mut self, piece: MessagePiece, payload: &[u8]) -> (Rsv, Option<Vec<u8>>) {
        let mut is_work = false;
        let mut marks = Rsv::NONE;
        let mut encoded = None;
        for encoder in &mut self.list {
            if !piece.is_first && !encoder.is_active {
                continue;
            }
            let mut output = Vec::new();
            let input = encoded.as_deref().unwrap_or(payload);
            let answer = encoder.encode.encode(piece, input, &mut output);
            // An encoder may discard its result, for example if the message did not become smaller. That
            // is work as well.
            is_work |= answer.is_some() || !output.is_empty();
            if piece.is_first {
                encoder.is_active = answer.is_some();
            }
            if encoder.is_active {
                encoded = Some(output);
                marks = marks.union(answer.unwrap_or(Rsv::NONE).intersection(encoder.rsv));
            }
        }
        if is_work {
            let work = payload.len().saturating_mul(self.cost);
            self.work = self.work.saturating_add(work);
        }
        (marks, encoded)
    }

    /// Returns the work since the last call, in copied bytes.
    pub(crate) const fn take_work(&mut self) -> usize {
        std::mem::replace(&mut self.work, 0)
    }

    pub(crate) fn release_idle(&mut self) {
        for encoder in &mut self.list {
            encoder.encode.release_idle();
        }
    }
}
