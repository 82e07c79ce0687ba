//! The negotiated extensions of one connection: the coders of each direction, one behind the other.

use std::fmt;

use super::{Coders, Compress, DataFrame, Decode, Encode};
use crate::{
    frame::{FrameHeader, MaskingKey, Opcode, ProtocolError, Rsv},
    payload::Payload,
    simd::Simd,
};

/// The work of one call that appends decoded bytes, in decoded bytes. A call may append few bytes and
/// still take its time.
const PIECE_WORK: u64 = 256;

/// The extensions that an opening handshake agreed on, for one connection.
///
/// Message payloads pass through them in the order of the server's response when they are sent, and
/// in the opposite order when they are received (RFC 6455 §9.1).
#[derive(Default)]
pub struct Extensions {
    /// `Sec-WebSocket-Extensions` as the server sent it.
    header: String,
    encoders: Vec<Encoder>,
    decoders: Vec<Decoder>,
}

impl Extensions {
    /// Whether none was agreed on.
    pub const fn is_empty(&self) -> bool {
        self.encoders.is_empty()
    }

    /// Returns what was agreed on as the server's header says it: names and parameters.
    pub fn as_str(&self) -> &str {
        &self.header
    }

    /// Returns the reserved bits that are taken.
    pub(crate) fn rsv(&self) -> Rsv {
        owned(&self.decoders)
    }

    /// Adds what an extension does, behind the others. `element` is what the header says of it.
    pub(crate) fn push(&mut self, element: &str, rsv: Rsv, coders: Coders) {
        if !self.header.is_empty() {
            self.header.push_str(", ");
        }
        self.header.push_str(element);
        // Most often there is one.
        self.encoders.reserve_exact(1);
        self.decoders.reserve_exact(1);
        self.encoders.push(Encoder {
            rsv,
            encode: coders.encode,
        });
        // The last that encoded is the first to decode.
        self.decoders.insert(
            0,
            Decoder {
                rsv,
                active: false,
                decode: coders.decode,
            },
        );
    }

    /// Separates the directions, for [`Sender::extend`](crate::protocol::Sender::extend) and
    /// [`Receiver::extend`](crate::protocol::Receiver::extend).
    pub fn split(self) -> (Encoders, Decoders) {
        (Encoders(self.encoders), Decoders(self.decoders))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Extensions").field(&self.header).finish()
    }
}

/// The sending direction of [`Extensions`].
#[derive(Debug)]
pub struct Encoders(Vec<Encoder>);

#[derive(Debug)]
struct Encoder {
    rsv: Rsv,
    encode: Box<dyn Encode>,
}

impl Encoders {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Encodes the payload of a frame: the reserved bits that mark it and, unless it stays as it is,
    /// what becomes of it.
    pub(crate) fn encode(
        &mut self,
        opcode: Opcode,
        fin: bool,
        compress: Compress,
        payload: &[u8],
    ) -> (Rsv, Option<Vec<u8>>) {
        let frame = DataFrame {
            opcode,
            fin,
            rsv: Rsv::NONE,
            payload_len: payload.len() as u64,
            compress,
        };
        let mut marks = Rsv::NONE;
        let mut encoded = None;
        for encoder in &mut self.0 {
            let mut output = Vec::new();
            let input = encoded.as_deref().unwrap_or(payload);
            if let Some(rsv) = encoder.encode.encode(frame, input, &mut output) {
                encoded = Some(output);
                marks = marks.union(rsv.intersection(encoder.rsv));
            }
        }
        (marks, encoded)
    }

    pub(crate) fn tidy(&mut self) {
        for encoder in &mut self.0 {
            encoder.encode.tidy();
        }
    }
}

/// The receiving direction of [`Extensions`].
#[derive(Debug)]
pub struct Decoders(Vec<Decoder>);

#[derive(Debug)]
struct Decoder {
    rsv: Rsv,
    /// Whether it decodes the frame that is being received.
    active: bool,
    decode: Box<dyn Decode>,
}

impl Decoders {
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The reserved bits that belong to one of them.
    pub(crate) fn rsv(&self) -> Rsv {
        owned(&self.0)
    }

    /// Begins a frame and returns whether any of them decodes it.
    pub(crate) fn begin(&mut self, header: &FrameHeader) -> Result<bool, ProtocolError> {
        let mut any = false;
        for decoder in &mut self.0 {
            decoder.active = decoder.decode.begin(DataFrame {
                opcode: header.opcode,
                fin: header.fin,
                rsv: header.rsv.intersection(decoder.rsv),
                payload_len: header.payload_len,
                compress: Compress::Auto,
            })?;
            any |= decoder.active;
        }
        Ok(any)
    }

    /// Decodes the next bytes of the frame and appends them to `payload`.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        payload: &mut Payload,
        state: &mut DecodeState,
    ) -> Result<(), ProtocolError> {
        let rest = &mut self.0[..];
        let mut decoded = Decoded {
            rest,
            payload,
            state,
        };
        decoded.extend(bytes)?;
        state.check()
    }

    /// Ends the frame.
    pub(crate) fn end(
        &mut self,
        payload: &mut Payload,
        state: &mut DecodeState,
    ) -> Result<(), ProtocolError> {
        let mut rest = &mut self.0[..];
        while let Some((decoder, behind)) = rest.split_first_mut() {
            if decoder.active {
                decoder.decode.end(&mut Decoded {
                    rest: behind,
                    payload,
                    state,
                })?;
            }
            rest = behind;
        }
        state.check()
    }

    pub(crate) fn tidy(&mut self) {
        for decoder in &mut self.0 {
            decoder.decode.tidy();
        }
    }
}

/// The reserved bits that belong to one of these.
fn owned(decoders: &[Decoder]) -> Rsv {
    let owned = decoders.iter().map(|decoder| decoder.rsv);
    owned.fold(Rsv::NONE, Rsv::union)
}

/// The limit of a message that is decoded, the work so far, and the first failure.
#[derive(Debug)]
pub(crate) struct DecodeState {
    simd: Simd,
    /// The largest message, in bytes.
    limit: u64,
    /// The work of decoding, in decoded bytes.
    work: u64,
    /// The first error. Every later call returns it, even if an extension hides it.
    failure: Option<ProtocolError>,
}

impl DecodeState {
    /// Lets a message grow to `limit` bytes.
    pub(crate) const fn new(limit: u64, simd: Simd) -> Self {
        Self {
            simd,
            limit,
            work: 0,
            failure: None,
        }
    }

    /// Returns the work of decoding, in decoded bytes.
    pub(crate) const fn work(&self) -> u64 {
        self.work
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
            if decoder.active {
                let mut output = Decoded {
                    rest,
                    payload,
                    state,
                };
                let decoded = decoder.decode.decode(bytes, &mut output);
                return decoded.inspect_err(|error| state.fail(*error));
            }
        }
        state.check()?;
        let work = PIECE_WORK + bytes.len() as u64;
        state.work = state.work.saturating_add(work);
        let appended = state.append(bytes, payload);
        appended.inspect_err(|error| state.fail(*error))
    }

    /// Counts work that took as long as it takes to decode so many bytes, beside the bytes of
    /// [`extend`](Self::extend) and of the input. The connection lets other tasks run after enough work.
    pub fn record_work(&mut self, bytes: u64) {
        self.state.work = self.state.work.saturating_add(bytes);
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
