//! Steps of the opening handshake that client and server share: reading a head, creating a connection.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::{Instant, timeout_at},
};

use crate::{
    config::Config,
    connection::{Parts, WebSocket},
    error::{Error, Timeout},
    frame::Role,
    handshake::{HandshakeError, Negotiated},
};

/// The number of bytes to read at once during a handshake. Most heads are shorter.
const READ: usize = 4096;

/// Returns the deadline of an opening handshake that begins now.
pub(crate) fn deadline(config: &Config) -> Instant {
    let now = Instant::now();
    now.checked_add(config.settings.open_timeout).unwrap_or(now)
}

/// Runs a step of the opening handshake, and fails with [`Timeout::Open`] at the deadline.
pub(crate) async fn with_deadline<T>(
    deadline: Instant,
    opening: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline, opening)
        .await
        .unwrap_or(Err(Error::Timeout(Timeout::Open)))
}

/// Reads a head with `parse`, and removes it from `input`.
pub(crate) async fn read_head<S: AsyncRead + Unpin, T>(
    io: &mut S,
    input: &mut BytesMut,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, HandshakeError>,
) -> Result<T, Error> {
    loop {
        if let Some((head, len)) = parse(input)? {
            input.advance(len);
            return Ok(head);
        }
        if read_some(io, input).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

/// Reads once and appends to `input`. Returns zero at the end of the stream.
pub(crate) async fn read_some<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
) -> io::Result<usize> {
    input.reserve(READ);
    io.read_buf(input).await
}

/// Creates a connection after the handshake. `input` contains the bytes that arrived after the head.
pub(crate) fn into_websocket<S>(
    io: S,
    role: Role,
    config: &Config,
    negotiated: Negotiated,
    input: &[u8],
) -> WebSocket<S> {
    let mut parts = Parts::new(io, role, config)
        .subprotocol(negotiated.subprotocol())
        .extensions(negotiated.into_extensions());
    parts.read_buf = BytesMut::from(input);
    WebSocket::from_parts(parts)
}
