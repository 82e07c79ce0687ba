//! [`Compressor`]: the encoder of permessage-deflate (RFC 7692 §7.2.1).

use std::{fmt, mem};

use zlib_rs::{Deflate, DeflateFlush};

use super::{
    TAIL, difference,
    pool::{self, CompressorSettings},
};
use crate::{
    extension::{Compress, Encode, MessagePiece},
    frame::Rsv,
};

/// The bounds of the room for the compressed bytes of one zlib call, in bytes. With room for six bytes or
/// fewer, zlib repeats the end of a flush.
const MIN_ROOM: usize = 64;
const MAX_ROOM: usize = 64 << 10;

pub(super) struct Compressor {
    pub(super) settings: CompressorSettings,
    /// Whether messages refer to the previous messages.
    pub(super) takeover: bool,
    /// The length in bytes below which messages are sent uncompressed.
    pub(super) threshold: usize,
    /// Whether the first pieces of a message were compressed, and its last piece was not.
    pub(super) within: bool,
    /// Whether the last piece of an unfinished message was flushed.
    pub(super) flushed: bool,
    /// Whether anything was compressed since the last [`release_idle`](Encode::release_idle).
    pub(super) used: bool,
    /// The state of zlib after the previous messages. The context may be released between messages.
    pub(super) context: Option<Box<Deflate>>,
}

impl Compressor {
    fn is_wanted(&self, piece: MessagePiece) -> bool {
        match piece.compress {
            Compress::Always => true,
            Compress::Never => false,
            Compress::Auto => piece
                .message_len
                .is_none_or(|len| len >= self.threshold as u64),
        }
    }

    fn compress(&mut self, mut payload: &[u8], flush: DeflateFlush, output: &mut Vec<u8>) {
        let settings = self.settings;
        let context = self.context.get_or_insert_with(|| pool::deflate(settings));
        loop {
            let start = output.len();
            let room = (payload.len() / 2 + MIN_ROOM).min(MAX_ROOM);
            output.resize(start + room, 0);
            let free = output.get_mut(start..).unwrap_or_default();
            let (read, written) = (context.total_in(), context.total_out());
            context
                .compress(payload, free, flush)
                .expect("a context made here, and buffers that are not empty");
            let read = difference(read, context.total_in());
            let written = difference(written, context.total_out());
            output.truncate(start + written);
            payload = payload.get(read..).unwrap_or_default();
            if written < room {
                return;
            }
        }
    }

    fn give_back(&mut self) {
        if let Some(context) = self.context.take() {
            pool::keep_deflate(self.settings, context);
        }
    }
}

impl Encode for Compressor {
    fn encode(&mut self, piece: MessagePiece, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv> {
        if piece.is_first && !self.is_wanted(piece) {
            return None;
        }
        self.used = true;
        self.within = !piece.is_last;
        let is_flushed = mem::replace(&mut self.flushed, piece.flush && !piece.is_last);
        if !piece.is_last {
            match piece.flush {
                false => self.compress(payload, DeflateFlush::NoFlush, output),
                true if is_flushed && payload.is_empty() => {}
                true => self.compress(payload, DeflateFlush::SyncFlush, output),
            }
            return Some(Rsv::RSV1);
        }
        if payload.is_empty() && (piece.is_first || is_flushed) {
            // An empty block (§7.2.3.6), written here because zlib does not write a second one in a row.
            output.extend([0].into_iter().chain(TAIL));
        } else {
            self.compress(payload, DeflateFlush::SyncFlush, output);
        }
        output.truncate(output.len().saturating_sub(TAIL.len()));
        if !self.takeover {
            self.give_back();
            if piece.is_first && output.len() >= payload.len() {
                return None;
            }
        }
        Some(Rsv::RSV1)
    }

    fn cost(&self) -> u32 {
        // Measured with the slowest content that was found: noise at level 1, and random sequences of two
        // letters at the higher levels.
        match self.settings.level {
            0..=1 => 128,
            2..=5 => 256,
            6 => 512,
            7 => 1024,
            8 => 2048,
            _ => 8192,
        }
    }

    fn release_idle(&mut self) {
        // Within a message, the context holds the state of the pieces that were already sent.
        if !mem::take(&mut self.used) && !self.within {
            self.give_back();
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor")
            .field("settings", &self.settings)
            .field("takeover", &self.takeover)
            .field("threshold", &self.threshold)
            .finish_non_exhaustive()
    }
}
