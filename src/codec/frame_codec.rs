//! [`FrameCodec`]: a codec of single frames, for proxies, tools and tests.

use std::{io, mem};

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::MIN_READ;
use crate::{
    budget::Share,
    config::Config,
    error::Error,
    frame::{Frame, FrameHeader, MAX_CONTROL_PAYLOAD, ProtocolError, Role, Rsv, SendError},
    payload::Payload,
    protocol::{Endpoint, FrameReader, Limit, masking_key, write_frame},
    simd::Simd,
};

/// A codec of single frames for [`Framed`](tokio_util::codec::Framed).
///
/// The decoder checks every rule for headers, the order of fragments, and [`Config::max_frame_size`]. It does
/// not assemble messages and does not check payloads. Text may therefore be invalid, and a message may have
/// any size.
///
/// Protocol errors of the decoder are sticky.
///
/// A relay that prints the frames of a client. The opening handshake has passed through it before:
///
/// ```
/// use futures_util::{SinkExt, StreamExt};
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use tokio_util::codec::Framed;
/// use wsimd::{Config, Error, FrameCodec, Role};
///
/// async fn relay<C, S>(client: C, server: S) -> Result<(), Error>
/// where
///     C: AsyncRead + AsyncWrite + Unpin,
///     S: AsyncRead + AsyncWrite + Unpin,
/// {
///     // The relay is a server to the client, and a client to the server.
///     let config = Config::new();
///     let mut client = Framed::new(client, FrameCodec::new(Role::Server, &config));
///     let mut server = Framed::new(server, FrameCodec::new(Role::Client, &config));
///     while let Some(frame) = client.next().await {
///         let frame = frame?;
///         println!("{:?} fin={} {} bytes", frame.opcode, frame.fin, frame.payload.len());
///         server.send(frame).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct FrameCodec {
    simd: Simd,
    frames: FrameReader,
    /// The payload of the current frame. It counts as binary, because payloads are not checked.
    payload: Payload,
    failed: Option<ProtocolError>,
    role: Role,
    config: Config,
}

impl FrameCodec {
    /// Creates the codec of the endpoint that has this role.
    pub fn new(role: Role, config: &Config) -> Self {
        Self {
            simd: Simd::detect(),
            frames: FrameReader::new(role.peer()),
            payload: Payload::new(false, Share::UNLIMITED),
            failed: None,
            role,
            config: config.clone(),
        }
    }

    /// Sets the reserved bits that received data frames may have, because extensions own them
    /// (RFC 6455 §5.2). Default: none.
    #[must_use]
    pub const fn rsv(mut self, rsv: Rsv) -> Self {
        self.frames.allow(rsv);
        self
    }

    fn receive(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, ProtocolError> {
        let limit = Limit {
            payload_len: self.config.settings.max_frame_size,
            too_big: Limit::frame_too_big(&self.config.settings),
            too_many: None,
        };
        let Some(piece) = self.frames.read(input, limit)? else {
            return Ok(None);
        };
        let (header, missing, len) = (piece.header, piece.missing, piece.len);
        if missing > 0 && header.opcode.is_control() {
            return Ok(None);
        }
        self.payload.reserve(piece.chunk.len(), missing)?;
        self.payload.append(piece.chunk, piece.key, self.simd)?;
        input.advance(len);
        if missing > 0 {
            return Ok(None);
        }
        Ok(Some(Frame {
            fin: header.fin,
            rsv: header.rsv,
            opcode: header.opcode,
            payload: mem::replace(&mut self.payload, Payload::new(false, Share::UNLIMITED))
                .finish()?
                .into(),
        }))
    }
}

/// Continues a connection with `Framed`, frame by frame.
impl TryFrom<Endpoint> for FrameCodec {
    type Error = Box<Endpoint>;

    /// Fails inside a received message, and once either side has sent a Close frame.
    fn try_from(endpoint: Endpoint) -> Result<Self, Box<Endpoint>> {
        if !endpoint.is_open() || !endpoint.receiver().is_between_messages() {
            return Err(Box::new(endpoint));
        }
        let mut codec = Self::new(endpoint.role(), endpoint.config());
        codec.frames = endpoint.into_parts().0.into_frames();
        Ok(codec)
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = Error;

    fn decode(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Error> {
        if let Some(error) = self.failed {
            input.clear();
            return Err(error.into());
        }
        let frame = self.receive(input).inspect_err(|error| {
            self.failed = Some(*error);
        })?;
        if frame.is_none() {
            input.reserve(MIN_READ);
        }
        Ok(frame)
    }

    /// Decodes the remaining bytes at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the stream ends inside a frame.
    fn decode_eof(&mut self, input: &mut BytesMut) -> Result<Option<Frame>, Error> {
        match self.decode(input)? {
            None if self.frames.is_inside() || !input.is_empty() => {
                Err(io::Error::from(io::ErrorKind::UnexpectedEof).into())
            }
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = Error;

    /// Appends a frame to `output`. A client masks it. Reserved bits are written unchanged.
    ///
    /// # Errors
    ///
    /// [`SendError::FragmentedControl`] or [`SendError::ControlTooLong`] for an invalid control frame.
    fn encode(&mut self, mut frame: Frame, output: &mut BytesMut) -> Result<(), Error> {
        if frame.opcode.is_control() {
            if !frame.fin {
                return Err(SendError::FragmentedControl.into());
            }
            let size = frame.payload.len();
            if size > MAX_CONTROL_PAYLOAD {
                return Err(SendError::ControlTooLong { size }.into());
            }
        }
        let header = FrameHeader {
            fin: frame.fin,
            rsv: frame.rsv,
            opcode: frame.opcode,
            masking_key: masking_key(self.role, &self.config),
            payload_len: frame.payload.len() as u64,
        };
        write_frame(self.simd, &header, &mut frame.payload, output);
        Ok(())
    }
}
