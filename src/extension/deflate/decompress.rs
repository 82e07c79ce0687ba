//! [`Decompressor`]: the decoder of permessage-deflate (RFC 7692 §7.2.2).

use std::{collections::VecDeque, fmt, mem};

use zlib_rs::{Inflate, InflateFlush, Status};

use super::{TAIL, difference, pool};
use crate::{
    extension::{DataFrame, Decode, Decoded},
    frame::{CloseCode, ProtocolError, Rsv},
};

const TAIL_AND_BYTE: [u8; 5] = [TAIL[0], TAIL[1], TAIL[2], TAIL[3], 0];

/// An empty block without compression.
const EMPTY_BLOCK: [u8; 5] = [0, 0, 0, 0xff, 0xff];

/// The number of history bytes that zlib copies to a new context in the time to inflate one byte.
const RESTORED: usize = 64;

const RSV1_ON_CONTINUATION: ProtocolError = ProtocolError::Extension {
    code: CloseCode::PROTOCOL_ERROR,
    reason: "RSV1 on a continuation frame",
};
const DAMAGED: ProtocolError = ProtocolError::Extension {
    code: CloseCode::INVALID_PAYLOAD,
    reason: "compressed message is damaged",
};
const OVER_BUDGET: ProtocolError = ProtocolError::Extension {
    code: CloseCode::POLICY_VIOLATION,
    reason: "messages inflate beyond the budget",
};
const TOO_MANY_ENDS: ProtocolError = ProtocolError::Extension {
    code: CloseCode::POLICY_VIOLATION,
    reason: "too many ends of DEFLATE streams",
};
const INCOMPLETE: ProtocolError = ProtocolError::Extension {
    code: CloseCode::INVALID_PAYLOAD,
    reason: "compressed message is incomplete",
};

pub(super) struct Decompressor {
    /// The number of inflated bytes of previous messages that a message may refer to. Zero without context
    /// takeover. The same number applies within a message, to bytes before the end of a stream (BFINAL).
    pub(super) window: usize,
    /// Whether the current message is compressed.
    pub(super) compressed: bool,
    /// Whether the current frame is the last frame of its message.
    pub(super) fin: bool,
    /// Whether bytes of an unfinished message were read.
    pub(super) within: bool,
    /// Whether anything was inflated since the last [`release_idle`](Decode::release_idle).
    pub(super) used: bool,
    /// The state of the current stream, with the bytes that it may refer to. `None` after the end of a
    /// stream. Between messages, also `None` without context takeover and after a release. `history` restores
    /// the context.
    pub(super) context: Option<Box<Inflate>>,
    /// The last `window` inflated bytes, from which a new context is restored.
    pub(super) history: VecDeque<u8>,
    pub(super) budget: Option<Budget>,
    pub(super) ends: Ends,
}

/// A budget of inflated bytes: a multiple of the received bytes, plus a burst. The end of a stream costs the
/// number of bytes that could be inflated in the time to restore the next context.
///
/// A frame counts as received once its header has arrived, so that the split of its payload has no influence.
/// The message limit bounds a frame that is never finished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    ratio: u32,
    burst: u64,
    /// The remaining bytes that may be inflated. At most `burst` between messages.
    left: u64,
}

impl Budget {
    pub(super) const fn new(ratio: u32, burst: u64) -> Self {
        Self {
            ratio,
            burst,
            left: burst,
        }
    }

    /// Adds the budget for a frame of `received` payload bytes.
    fn earn(&mut self, received: u64) {
        let earned = received.saturating_mul(self.ratio.into());
        self.left = self.left.saturating_add(earned);
    }

    /// Spends up to `inflated` bytes, and returns the number of bytes that the budget allows.
    fn spend(&mut self, inflated: usize) -> usize {
        let spent = self.left.min(inflated as u64);
        self.left -= spent;
        usize::try_from(spent).unwrap_or(usize::MAX)
    }

    /// Limits the budget to the burst at the end of a message.
    fn settle(&mut self) {
        self.left = self.left.min(self.burst);
    }
}

/// A limit on the ends of streams (BFINAL). The stream after an end needs a new context with the last
/// `window` bytes. That takes far longer than to inflate the two bytes of an empty stream.
///
/// The credit depends on the position in the message, and not on the split of the bytes into reads.
#[derive(Debug)]
pub(super) struct Ends {
    /// The credit, in received bytes.
    credit: usize,
}

impl Ends {
    /// The price of one end, in received bytes. Each frame earns the price of one end.
    const PRICE: usize = 1 << 10;
    const MAX_CREDIT: usize = 16 * Self::PRICE;

    pub(super) const fn new() -> Self {
        Self {
            credit: Self::MAX_CREDIT,
        }
    }

    /// Counts received bytes.
    fn earn(&mut self, bytes: usize) {
        self.credit = (self.credit + bytes).min(Self::MAX_CREDIT);
    }

    /// Counts the end of a stream.
    fn spend(&mut self) -> Result<(), ProtocolError> {
        let left = self.credit.checked_sub(Self::PRICE);
        self.credit = left.ok_or(TOO_MANY_ENDS)?;
        Ok(())
    }
}

impl Decompressor {
    fn inflate(&mut self, mut input: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let mut block = pool::block();
        while !input.is_empty() || self.context.is_some() {
            let step = self.step(input, &mut block, InflateFlush::NoFlush)?;
            output.record_work((step.restored / RESTORED) as u64);
            self.ends.earn(step.read);
            input = input.get(step.read..).unwrap_or_default();
            let inflated = block.get(..step.written).unwrap_or_default();
            self.remember(inflated);
            let allowed = self.spend(inflated.len());
            output.extend(inflated.get(..allowed).unwrap_or_default())?;
            if allowed < inflated.len() {
                return Err(OVER_BUDGET);
            }
            let is_ended = step.ended?;
            if is_ended {
                self.end_stream()?;
            } else if input.is_empty() && inflated.len() < block.len() {
                break;
            } else if step.read == 0 && step.written == 0 {
                return Err(DAMAGED);
            }
            if output.should_pause() {
                output.pause(input);
                break;
            }
        }
        pool::keep_block(block);
        Ok(())
    }

    /// Ends a message by inflating the tail that its sender has removed (§7.2.2).
    fn finish(&mut self) -> Result<(), ProtocolError> {
        if !mem::take(&mut self.within) || self.context.is_none() {
            // The message has no data, or its last block was the last of its stream (§7.2.3.4).
            return Ok(());
        }
        // `InflateFlush::Block` stops zlib at the end of a block, so that the byte after the tail stays
        // unread.
        let tail = self.step(&TAIL_AND_BYTE, &mut [0], InflateFlush::Block)?;
        tail.ended?;
        if tail.read != TAIL.len() || tail.written != 0 {
            return Err(INCOMPLETE);
        }
        // If the tail completed a block that is not stored, zlib still holds 1-bits of the tail. They make it
        // read this block as the last of its stream.
        let block = self.step(&EMPTY_BLOCK, &mut [0], InflateFlush::NoFlush)?;
        match (block.ended?, block.read) {
            (false, read) if read == EMPTY_BLOCK.len() => {}
            // The tail has ended the last block of its stream.
            (true, 0) => self.end_stream()?,
            _ => return Err(INCOMPLETE),
        }
        if self.window == 0 {
            self.give_back();
        }
        Ok(())
    }

    /// Ends a stream. The next stream gets its context once its first byte has arrived.
    fn end_stream(&mut self) -> Result<(), ProtocolError> {
        self.give_back();
        self.ends.spend()?;
        let work = self.history.len() / RESTORED;
        if self.spend(work) < work {
            return Err(OVER_BUDGET);
        }
        Ok(())
    }

    /// Spends up to `inflated` bytes of the budget, and returns the number of bytes that it allows.
    fn spend(&mut self, inflated: usize) -> usize {
        match &mut self.budget {
            Some(budget) => budget.spend(inflated),
            None => inflated,
        }
    }

    fn step(
        &mut self,
        input: &[u8],
        output: &mut [u8],
        flush: InflateFlush,
    ) -> Result<Step, ProtocolError> {
        let mut restored = 0;
        let context = match &mut self.context {
            Some(context) => context,
            None => {
                let mut context = pool::inflate();
                let (older, newer) = self.history.as_slices();
                for part in [older, newer].into_iter().filter(|part| !part.is_empty()) {
                    context.set_dictionary(part).map_err(|_| DAMAGED)?;
                    restored += part.len();
                }
                self.context.insert(context)
            }
        };
        let before = (context.total_in(), context.total_out());
        let status = context.decompress(input, output, flush);
        Ok(Step {
            restored,
            ended: match status {
                Ok(status) => Ok(status == Status::StreamEnd),
                Err(_) => Err(DAMAGED),
            },
            read: difference(before.0, context.total_in()),
            written: difference(before.1, context.total_out()),
        })
    }

    fn remember(&mut self, inflated: &[u8]) {
        let kept = inflated.len().min(self.window);
        let excess = (self.history.len() + kept).saturating_sub(self.window);
        self.history.drain(..excess);
        if self.history.len() + kept > self.window / 2 {
            self.history.reserve_exact(self.window - self.history.len());
        }
        let last = inflated.get(inflated.len() - kept..).unwrap_or_default();
        self.history.extend(last);
    }

    fn give_back(&mut self) {
        if let Some(context) = self.context.take() {
            pool::keep_inflate(context);
        }
    }
}

impl Decode for Decompressor {
    fn begin(&mut self, frame: DataFrame) -> Result<bool, ProtocolError> {
        if frame.begins_message() {
            self.compressed = frame.rsv == Rsv::RSV1;
        } else if frame.rsv != Rsv::NONE {
            // §6.1: only the first fragment of a message has the bit.
            return Err(RSV1_ON_CONTINUATION);
        }
        self.fin = frame.fin;
        self.ends.earn(Ends::PRICE);
        if let Some(budget) = self.budget.as_mut().filter(|_| self.compressed) {
            budget.earn(frame.payload_len);
        }
        Ok(self.compressed)
    }

    fn decode(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        self.used = true;
        self.within |= !bytes.is_empty();
        self.inflate(bytes, output)
    }

    fn end(&mut self, _output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        if !self.fin {
            return Ok(());
        }
        self.finish()?;
        if let Some(budget) = &mut self.budget {
            budget.settle();
        }
        Ok(())
    }

    fn release_idle(&mut self) {
        // Within a message, the context holds state that the history cannot restore.
        if !mem::take(&mut self.used) && !self.within {
            self.give_back();
        }
    }
}

/// The result of one call of zlib.
struct Step {
    /// The number of history bytes that were copied to a new context.
    restored: usize,
    read: usize,
    written: usize,
    /// Whether the stream has ended, or the error that follows the written bytes.
    ended: Result<bool, ProtocolError>,
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor")
            .field("window", &self.window)
            .field("budget", &self.budget)
            .field("history", &self.history.len())
            .finish_non_exhaustive()
    }
}
