//! A connection that continues under [`Framed`].

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::{Framed, FramedParts};

use super::{Parts, WebSocket};
use crate::{
    codec::{Codec, FrameCodec},
    frame::Frame,
    protocol::Event,
};

/// The size of the read buffer, in bytes.
const READ_BUFFER: usize = 64 << 10;

impl<S: AsyncRead + AsyncWrite> WebSocket<S> {
    /// Continues the connection under [`Framed`]: a `Stream` and a `Sink` of [events](Event).
    ///
    /// ```
    /// # use wsimd::{Codec, WebSocket, net::Stream};
    /// # use tokio_util::codec::Framed;
    /// # fn example(ws: WebSocket<Stream>) {
    /// let framed: Framed<Stream, Codec> = ws.into_framed();
    /// # }
    /// ```
    ///
    /// The bytes of both directions, an unfinished message, and the negotiated extensions are taken over. A message
    /// that has arrived during a `send` or `flush`, and that `recv` has not returned, is the first item. Bytes that
    /// wait to be written leave with the first flush.
    ///
    /// [`Codec`] describes the duties of the program from now on: answers, the end, and deadlines. For its
    /// [handles](Self::handle) the connection has ended, and messages that wait in the inbox are dropped.
    pub fn into_framed(self) -> Framed<S, Codec> {
        let Parts {
            io,
            read_buf,
            write_buf,
            endpoint,
            message,
            ..
        } = self.into_parts();
        // All bytes of such a message may have arrived, so that the stream must not be read first.
        let is_due = message.is_some() || endpoint.receiver().has_more();
        let mut codec = Codec::from(endpoint);
        let read_buf = match is_due {
            true => codec.decode_at_once(message, &read_buf),
            false => read_buf,
        };
        let mut parts = FramedParts::new::<Event>(io, codec);
        parts.read_buf = with_room(read_buf);
        parts.write_buf = write_buf.into();
        Framed::from_parts(parts)
    }

    /// Continues the connection as a `Stream` and a `Sink` of single [frames](Frame), for example to forward them.
    ///
    /// The bytes of both directions are taken over, and so are the reserved bits of the negotiated extensions. The
    /// program decodes compressed messages itself. For its [handles](Self::handle) the connection has ended.
    ///
    /// # Errors
    ///
    /// The connection, unchanged, inside a received message, with a message that `recv` has not returned, and once
    /// either side has sent its Close frame. A connection that was just opened never fails.
    pub fn into_frames(self) -> Result<Framed<S, FrameCodec>, Self> {
        let mut parts = self.into_parts();
        if parts.message.is_some() {
            return Err(Self::from_parts(parts));
        }
        let codec = match FrameCodec::try_from(parts.endpoint) {
            Ok(codec) => codec,
            Err(endpoint) => {
                parts.endpoint = *endpoint;
                return Err(Self::from_parts(parts));
            }
        };
        let mut framed = FramedParts::new::<Frame>(parts.io, codec);
        framed.read_buf = with_room(parts.read_buf);
        framed.write_buf = parts.write_buf.into();
        Ok(Framed::from_parts(framed))
    }
}

/// Reserves the read buffer.
fn with_room(mut buffer: BytesMut) -> BytesMut {
    buffer.reserve(READ_BUFFER.saturating_sub(buffer.len()));
    buffer
}
