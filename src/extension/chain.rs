//! What was agreed on for one connection: the coders of each direction, one behind the other.

use std::fmt;

use super::{Coders, Compress, DataFrame, Decode, Encode};
use crate::frame::{FrameHeader, Opcode, ProtocolError, Rsv};

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

    /// Decodes the next bytes of the frame.
    pub(crate) fn decode(
        &mut self,
        bytes: &[u8],
        target: &mut dyn Target,
    ) -> Result<(), ProtocolError> {
        Decoded {
            rest: &mut self.0,
            target,
        }
        .extend(bytes)
    }

    /// Ends the frame.
    pub(crate) fn end(&mut self, target: &mut dyn Target) -> Result<(), ProtocolError> {
        let mut rest = &mut self.0[..];
        while let Some((decoder, behind)) = rest.split_first_mut() {
            if decoder.active {
                decoder.decode.end(&mut Decoded {
                    rest: behind,
                    target,
                })?;
            }
            rest = behind;
        }
        Ok(())
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

/// Where decoded bytes end up: the message.
pub(crate) trait Target {
    /// Appends bytes of the message. Fails for ever once it has failed.
    fn append(&mut self, bytes: &[u8]) -> Result<(), ProtocolError>;

    /// Lets it fail: the first error counts, whatever is made of those that are returned.
    fn fail(&mut self, error: ProtocolError);

    /// How many bytes may still come.
    fn room(&self) -> u64;
}

/// Where a [`Decode`] puts what it has decoded: the next extension, or the message.
pub struct Decoded<'a> {
    rest: &'a mut [Decoder],
    target: &'a mut dyn Target,
}

impl Decoded<'_> {
    /// Appends decoded bytes.
    ///
    /// # Errors
    ///
    /// What is wrong with them, which the caller passes on: the message exceeds its limit, or is text
    /// and not UTF-8, or another extension cannot decode it.
    pub fn extend(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut rest = &mut *self.rest;
        while let Some((decoder, behind)) = rest.split_first_mut() {
            rest = behind;
            if decoder.active {
                let target = &mut *self.target;
                let decoded = decoder.decode.decode(bytes, &mut Decoded { rest, target });
                return decoded.inspect_err(|error| self.target.fail(*error));
            }
        }
        self.target.append(bytes)
    }

    /// Returns by how many bytes the message may still grow. More is an error of
    /// [`extend`](Self::extend).
    pub fn room(&self) -> u64 {
        self.target.room()
    }
}

impl fmt::Debug for Decoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded")
            .field("room", &self.room())
            .finish_non_exhaustive()
    }
}
