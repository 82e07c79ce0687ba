//! [`Decoders`]: the receiving direction of the extensions of a connection, one behind the other.

use std::fmt;

use super::{DataFrame, Decode};
use crate::{
    frame::{FrameHeader, MaskingKey, ProtocolError, Rsv},
    payload::Payload,
    simd::Simd,
};

/// The work of one call that appends decoded bytes, in decoded bytes. A call may append few bytes and
/// still take its time.
const PIECE_WORK: u64 = 256;

/// The receiving direction of [`Extensions`](super::Extensions).
#[derive(Debug)]
pub struct Decoders {
    list: Vec<Decoder>,
    /// Which one ends the frame next; `None` while bytes of the frame are missing.
    ending: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Decoder {
    rsv: Rsv,
    /// Whether it decodes the frame that is being received.
    active: bool,
    decode: Box<dyn Decode>,
    /// The bytes that it has yet to decode, after a [pause](Decoded::pause).
    rest: Option<Vec<u8>>,
}

impl Decoder {
    pub(super) const fn new(rsv: Rsv, decode: Box<dyn Decode>) -> Self {
        Self {
            rsv,
            active: false,
            decode,
            rest: None,
        }
    }

    /// Decodes bytes, up to a pause.
    fn run(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let decoded = self.decode.decode(bytes, output);
        self.rest = output.state.rest.take();
        decoded.inspect_err(|error| output.state.fail(*error))
    }
}

/// Returns the reserved bits that belong to one of these.
pub(super) fn owned(decoders: &[Decoder]) -> Rsv {
    let owned = decoders.iter().map(|decoder| decoder.rsv);
    owned.fold(Rsv::NONE, Rsv::union)
}

impl Decoders {
    pub(super) const fn new(list: Vec<Decoder>) -> Self {
        Self { list, ending: None }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The reserved bits that belong to one of them.
    pub(crate) fn rsv(&self) -> Rsv {
        owned(&self.list)
    }

    /// Begins a frame and returns whether any of them decodes it.
    pub(crate) fn begin(&mut self, header: &FrameHeader) -> Result<bool, ProtocolError> {
        let mut any = false;
        for decoder in &mut self.list {
            decoder.active = decoder.decode.begin(DataFrame {
                opcode: header.opcode,
                fin: header.fin,
                rsv: header.rsv.intersection(decoder.rsv),
                payload_len: header.payload_len,
            })?;
            any |= decoder.active;
        }
        Ok(any)
    }

    /// Decodes the next bytes of the frame and appends them to `payload`. Returns whether the frame has come
    /// to its end. [Pauses](Self::is_paused) if the work is done.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        is_last: bool,
        payload: &mut Payload,
        state: &mut DecodeState,
    ) -> Result<bool, ProtocolError> {
        let rest = &mut self.list[..];
        let mut decoded = Decoded {
            rest,
            payload,
            state,
        };
        decoded.extend(bytes)?;
        self.ending = is_last.then_some(0);
        self.end(payload, state)
    }

    /// Continues after a pause, as [`decode`](Self::decode).
    pub(crate) fn resume(
        &mut self,
        payload: &mut Payload,
        state: &mut DecodeState,
    ) -> Result<bool, ProtocolError> {
        // The last decoder first, because each waits for those behind it.
        while let Some(at) = self.list.iter().rposition(|it| it.rest.is_some()) {
            let Some((decoder, rest)) = self.list.get_mut(at..).and_then(<[_]>::split_first_mut)
            else {
                break;
            };
            let bytes = decoder.rest.take().unwrap_or_default();
            let mut output = Decoded {
                rest,
                payload,
                state,
            };
            decoder.run(&bytes, &mut output)?;
            if self.list.iter().skip(at).any(|it| it.rest.is_some()) {
                break;
            }
        }
        self.end(payload, state)
    }

    /// Ends the frame in each decoder, once all of its bytes were decoded. Returns whether all have ended it.
    fn end(
        &mut self,
        payload: &mut Payload,
        state: &mut DecodeState,
    ) -> Result<bool, ProtocolError> {
        while let Some(at) = self.ending
            && !self.has_rest()
        {
            let Some((decoder, rest)) = self.list.get_mut(at..).and_then(<[_]>::split_first_mut)
            else {
                self.ending = None;
                return state.check().map(|()| true);
            };
            self.ending = Some(at + 1);
            if decoder.active {
                decoder.decode.end(&mut Decoded {
                    rest,
                    payload,
                    state,
                })?;
                state.rest = None;
            }
        }
        state.check().map(|()| false)
    }

    /// Returns whether bytes of the frame wait to be decoded, or its end does.
    pub(crate) fn is_paused(&self) -> bool {
        self.ending.is_some() || self.has_rest()
    }

    fn has_rest(&self) -> bool {
        self.list.iter().any(|decoder| decoder.rest.is_some())
    }

    pub(crate) fn release_idle(&mut self) {
        for decoder in &mut self.list {
            decoder.decode.release_idle();
        }
    }
}

/// The limit of a message that is decoded, the work so far, and the first failure.
#[derive(Debug)]
pub(crate) struct DecodeState {
    simd: Simd,
    /// The largest message, in bytes.
    limit: u64,
    /// The work of decoding, in decoded bytes.
    work: u64,
    /// The work after which decoders pause.
    max_work: u64,
    /// The bytes that a decoder leaves at a pause.
    rest: Option<Vec<u8>>,
    /// The first error. Every later call returns it, even if an extension hides it.
    failure: Option<ProtocolError>,
}

impl DecodeState {
    /// Lets a message grow to `limit` bytes, and decoders work up to `max_work`.
    pub(crate) const fn new(limit: u64, max_work: u64, simd: Simd) -> Self {
        Self {
            simd,
            limit,
            work: 0,
            max_work,
            rest: None,
            failure: None,
        }
    }

    /// Returns the byte kernels.
    pub(crate) const fn simd(&self) -> Simd {
        self.simd
    }

    /// Returns the work of decoding, in decoded bytes.
    pub(crate) const fn work(&self) -> u64 {
        self.work
    }

    /// Counts work, in decoded bytes.
    pub(crate) const fn record_work(&mut self, bytes: u64) {
        self.work = self.work.saturating_add(bytes);
    }

    fn check(&self) -> Result<(), ProtocolError> {
        self.failure.map_or(Ok(()), Err)
    }

    fn fail(&mut self, error: ProtocolError) {
        self.failure.get_or_insert(error);
    }

    fn append(&mut self, bytes: &[u8], payload: &mut Payload) -> Result<(), ProtocolError> {
        let room = self.limit.saturating_sub(payload.len() as u64);
        let len = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (fitting, rest) = bytes.split_at(len);
        // Memory doubles, but does not exceed the limit.
        let there = (payload.len() + len) as u64;
        let left = room - len as u64;
        payload.reserve(len, if left < there { left } else { u64::MAX });
        // The bytes that fit are validated before the size is judged, because they came first.
        payload.append(fitting, MaskingKey::ZERO, self.simd)?;
        match rest {
            [] => Ok(()),
            _ => Err(ProtocolError::MessageTooBig { limit: self.limit }),
        }
    }
}

/// The output of a [`Decode`]: the next extension, or the message.
pub struct Decoded<'a> {
    rest: &'a mut [Decoder],
    payload: &'a mut Payload,
    state: &'a mut DecodeState,
}

impl Decoded<'_> {
    /// Appends decoded bytes.
    ///
    /// # Errors
    ///
    /// The caller has to return the error. The message exceeds its limit, or is text and not UTF-8, or
    /// another extension cannot decode the bytes.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let (payload, state) = (&mut *self.payload, &mut *self.state);
        let mut rest = &mut *self.rest;
        while let Some((decoder, behind)) = rest.split_first_mut() {
            rest = behind;
            if let Some(waiting) = &mut decoder.rest {
                waiting.extend_from_slice(bytes);
                return Ok(());
            }
            if decoder.active {
                let mut output = Decoded {
                    rest,
                    payload,
                    state,
                };
                return decoder.run(bytes, &mut output);
            }
        }
        state.check()?;
        state.record_work(PIECE_WORK + bytes.len() as u64);
        let appended = state.append(bytes, payload);
        appended.inspect_err(|error| state.fail(*error))
    }

    /// Counts work that took as long as it takes to decode so many bytes, beside the bytes of
    /// [`extend`](Self::extend) and of the input. The connection lets other tasks run after enough work.
    pub fn record_work(&mut self, bytes: u64) {
        self.state.record_work(bytes);
    }

    /// Returns whether the decoder should [pause](Self::pause), because it has worked long enough. Ask this
    /// after each step of some work.
    pub fn should_pause(&self) -> bool {
        self.state.work >= self.state.max_work
    }

    /// Returns from [`Decode::decode`] before its end, so that other tasks run. The next call of
    /// [`Decode::decode`] gets `rest`, even if it is empty. In [`Decode::end`] this does nothing.
    pub fn pause(&mut self, rest: &[u8]) {
        self.state.rest = Some(rest.to_vec());
    }

    /// Returns by how many bytes the message may still grow. [`extend`](Self::extend) refuses more.
    pub fn room(&self) -> u64 {
        self.state.limit.saturating_sub(self.payload.len() as u64)
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}
