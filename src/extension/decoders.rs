//! [`Decoders`]: the decoders of a connection's extensions, as a chain.

use std::fmt;

use super::{DataFrame, Decode};
use crate::{
    frame::{FrameHeader, MaskingKey, ProtocolError, Rsv},
    payload::Payload,
    simd::Simd,
};

/// The work of one call that appends decoded bytes, in decoded bytes, because a call that appends few bytes
/// takes time too.
const PIECE_WORK: u64 = 256;

/// The receiving direction of [`Extensions`](super::Extensions).
#[derive(Debug)]
pub struct Decoders {
    list: Vec<Decoder>,
    /// The index of the decoder that ends the frame next. `None` while bytes of the frame are missing.
    ending: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Decoder {
    rsv: Rsv,
    /// Whether the decoder decodes the current frame.
    active: bool,
    decode: Box<dyn Decode>,
    /// The bytes that remain to be decoded after a [pause](Decoded::pause).
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

    /// Decodes bytes until the decoder pauses.
    fn run(&mut self, bytes: &[u8], output: &mut Decoded<'_>) -> Result<(), ProtocolError> {
        let decoded = self.decode.decode(bytes, output);
        self.rest = output.state.rest.take();
        decoded.inspect_err(|error| output.state.fail(*error))
    }
}

/// Returns the reserved bits that the decoders own.
pub(super) fn owned_rsv(decoders: &[Decoder]) -> Rsv {
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

    /// Returns the reserved bits that the decoders own.
    pub(crate) fn rsv(&self) -> Rsv {
        owned_rsv(&self.list)
    }

    /// Begins a frame and returns whether any decoder decodes it.
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

    /// Decodes the next bytes of the frame and appends them to `payload`. Returns whether all decoders have
    /// ended the frame. [Pauses](Self::is_paused) once the work has reached its limit.
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
        // The last paused decoder continues first, because each decoder waits for the next ones.
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

    /// Ends the frame in each decoder, once all bytes of the frame were decoded. Returns whether all decoders
    /// have ended the frame.
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

    /// Returns whether bytes of the frame, or its end, remain to be decoded.
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

/// The size limit of the decoded message, the work so far, and the first failure.
#[derive(Debug)]
pub(crate) struct DecodeState {
    simd: Simd,
    /// The largest message, in bytes.
    limit: u64,
    /// Whether the message leaves in chunks, and the number of bytes that have left.
    streamed: Option<u64>,
    /// The work of decoding, in decoded bytes.
    work: u64,
    /// The work after which decoders pause.
    max_work: u64,
    /// The bytes that remain to be decoded when a decoder pauses.
    rest: Option<Vec<u8>>,
    /// The first error. Every later call returns it, even if an extension hides it.
    failure: Option<ProtocolError>,
}

impl DecodeState {
    /// Creates the state of a message of at most `limit` bytes. Decoders pause after `max_work`.
    pub(crate) const fn new(limit: u64, max_work: u64, simd: Simd) -> Self {
        Self {
            simd,
            limit,
            streamed: None,
            work: 0,
            max_work,
            rest: None,
            failure: None,
        }
    }

    /// Decodes a message that leaves in chunks: `taken` bytes have left. Decoders pause after `room` decoded bytes.
    pub(crate) fn stream(&mut self, taken: u64, room: u64) {
        self.streamed = Some(taken);
        self.max_work = self.max_work.min(room);
    }

    /// Counts work of the input, in decoded bytes. The decoders may work as much as before.
    pub(crate) const fn record_input(&mut self, bytes: u64) {
        self.record_work(bytes);
        if self.streamed.is_some() {
            self.max_work = self.max_work.saturating_add(bytes);
        }
    }

    /// Returns the number of bytes by which the message may grow.
    fn room(&self, payload: &Payload) -> u64 {
        let taken = self.streamed.unwrap_or(0);
        self.limit.saturating_sub(taken + payload.len() as u64)
    }

    /// Returns the violation that a larger message is.
    const fn too_big(&self) -> ProtocolError {
        let (size, limit) = (self.limit.saturating_add(1), self.limit);
        match self.streamed {
            None => ProtocolError::MessageTooBig { size, limit },
            Some(_) => ProtocolError::StreamTooBig { size, limit },
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
        let room = self.room(payload);
        let len = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (fitting, rest) = bytes.split_at(len);
        // The capacity doubles as needed, but does not exceed the limit.
        let there = (payload.len() + len) as u64;
        let left = room - len as u64;
        payload.reserve(len, if left < there { left } else { u64::MAX })?;
        // The bytes within the limit are validated before the size is checked, because an error in them
        // comes first.
        payload.append(fitting, MaskingKey::ZERO, self.simd)?;
        match rest {
            [] => Ok(()),
            _ => Err(self.too_big()),
        }
    }
}

/// The output of a [`Decode`], which is the next decoder or the message.
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
    /// The message exceeds its limit, its text is not UTF-8, or another extension cannot decode the bytes.
    /// The caller must return the error.
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

    /// Counts work in addition to the input and to the bytes of [`extend`](Self::extend). The unit is the
    /// time to decode one byte. The connection lets other tasks run after enough work.
    pub fn record_work(&mut self, bytes: u64) {
        self.state.record_work(bytes);
    }

    /// Returns whether the decoder should [pause](Self::pause), because it has worked long enough. Call this
    /// method after each step of the work.
    pub fn should_pause(&self) -> bool {
        self.state.work >= self.state.max_work
    }

    /// Pauses the decoder, which then returns from [`Decode::decode`], so that other tasks run. The next call
    /// of [`Decode::decode`] receives `rest`, even if it is empty. In [`Decode::end`] this has no effect.
    pub fn pause(&mut self, rest: &[u8]) {
        self.state.rest = Some(rest.to_vec());
    }

    /// Returns the number of bytes that the message may still grow by. [`extend`](Self::extend) returns an
    /// error for more bytes.
    pub fn room(&self) -> u64 {
        self.state.room(self.payload)
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}
