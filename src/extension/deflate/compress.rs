//! [`Compressor`]: the payloads of frames that are sent (RFC 7692 §7.2.1).

use std::{fmt, mem};

use zlib_rs::{Deflate, DeflateFlush};

use super::{
    TAIL, advanced,
    pool::{self, Settings},
};
use crate::{
    extension::{Compress, DataFrame, Encode},
    frame::Rsv,
};

/// The least and the most room that is made at a time for compressed bytes. zlib repeats the end of a
/// flush if it has six bytes or fewer.
const MIN_ROOM: usize = 64;
const MAX_ROOM: usize = 64 << 10;

pub(super) struct Compressor {
    pub(super) settings: Settings,
    /// Whether messages refer to those before.
    pub(super) takeover: bool,
    /// Shorter messages are sent as they are.
    pub(super) threshold: usize,
    /// Whether the message that is being sent is compressed.
    pub(super) compressed: bool,
    /// Whether the message is at its end, or none was begun.
    pub(super) fin: bool,
    /// Whether anything was compressed since the last [`tidy`](Encode::tidy).
    pub(super) used: bool,
    /// What the messages so far have left; may be given back between any two.
    pub(super) context: Option<Box<Deflate>>,
}

impl Compressor {
    fn is_wanted(&self, frame: DataFrame, len: usize) -> bool {
        match frame.compress {
            Compress::Always => true,
            Compress::Never => false,
            Compress::Auto => !frame.fin || len >= self.threshold,
        }
    }

    fn compress(&mut self, mut payload: &[u8], output: &mut Vec<u8>) {
        let settings = self.settings;
        let context = self.context.get_or_insert_with(|| pool::deflate(settings));
        loop {
            let start = output.len();
            let room = (payload.len() / 2 + MIN_ROOM).min(MAX_ROOM);
            output.resize(start + room, 0);
            let free = output.get_mut(start..).unwrap_or_default();
            let (read, written) = (context.total_in(), context.total_out());
            context
                .compress(payload, free, DeflateFlush::SyncFlush)
                .expect("a context made here, and buffers that are not empty");
            let read = advanced(read, context.total_in());
            let written = advanced(written, context.total_out());
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
    fn encode(&mut self, frame: DataFrame, payload: &[u8], output: &mut Vec<u8>) -> Option<Rsv> {
        let first = frame.begins_message();
        if first {
            self.compressed = self.is_wanted(frame, payload.len());
        }
        if !self.compressed {
            return None;
        }
        self.used = true;
        self.fin = frame.fin;
        if !payload.is_empty() {
            self.compress(payload, output);
        } else if frame.fin {
            // An empty block, which zlib does not repeat (§7.2.3.6).
            output.extend([0].into_iter().chain(TAIL));
        }
        if frame.fin {
            output.truncate(output.len().saturating_sub(TAIL.len()));
            if !self.takeover {
                self.give_back();
                if first && output.len() >= payload.len() {
                    return None;
                }
            }
        }
        Some(if first { Rsv::RSV1 } else { Rsv::NONE })
    }

    fn tidy(&mut self) {
        // Within a message what was sent of it is needed.
        if !mem::take(&mut self.used) && self.fin {
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
