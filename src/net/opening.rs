//! Steps of the opening handshake that client and server share: reading a head, creating a connection.

use std::{io, time::Duration};

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

/// A time that no opening handshake takes, and that every clock can add.
const NEVER: Duration = Duration::from_secs(1 << 30);

/// The deadline of an opening handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    pub(crate) at: Instant,
    timeout: Timeout,
}

impl Deadline {
    /// Returns the same deadline for the connect before the handshake.
    #[cfg(feature = "client")]
    pub(crate) const fn of_connect(self) -> Self {
        let limit = self.timeout.limit();
        self.with_timeout(Timeout::Connect { limit })
    }

    /// Returns the same deadline for the handshake with a proxy.
    #[cfg(feature = "proxy")]
    pub(crate) const fn of_proxy(self) -> Self {
        let limit = self.timeout.limit();
        self.with_timeout(Timeout::Proxy { limit })
    }

    /// Returns the same deadline for the TLS handshake.
    #[cfg(feature = "client")]
    pub(crate) const fn of_tls(self) -> Self {
        let limit = self.timeout.limit();
        self.with_timeout(Timeout::Tls { limit })
    }

    #[cfg(feature = "client")]
    const fn with_timeout(self, timeout: Timeout) -> Self {
        Self { timeout, ..self }
    }

    /// Returns the error of a handshake that is not complete at the deadline.
    pub(crate) const fn error(self) -> Error {
        Error::Timeout(self.timeout)
    }
}

/// Returns the deadline of an opening handshake that begins now, for the side with this role.
pub(crate) fn deadline(role: Role, config: &Config) -> Deadline {
    let limit = config.settings.open_timeout;
    Deadline {
        at: Instant::now() + limit.min(NEVER),
        timeout: Timeout::Open { limit, role },
    }
}

/// Runs a step of the opening handshake, and fails with [`Timeout::Open`] at the deadline.
pub(crate) async fn with_deadline<T>(
    deadline: Deadline,
    opening: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout_at(deadline.at, opening)
        .await
        .unwrap_or_else(|_| Err(deadline.error()))
}

/// Reads a head of `peer` with `parse`, and removes it from `input`.
pub(crate) async fn read_head<S: AsyncRead + Unpin, T>(
    io: &mut S,
    peer: Role,
    input: &mut BytesMut,
    parse: impl Fn(&[u8]) -> Result<Option<(T, usize)>, HandshakeError>,
) -> Result<T, Error> {
    loop {
        if let Some((head, len)) = parse(input)? {
            input.advance(len);
            return Ok(head);
        }
        if read_some(io, input).await? == 0 {
            return Err(Error::ClosedInHandshake(peer));
        }
    }
}

/// Reads once and appends to `input`. Returns zero at the end of the stream, and at the end of a TLS stream without
/// a `close_notify`.
pub(crate) async fn read_some<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
) -> io::Result<usize> {
    input.reserve(READ);
    match io.read_buf(input).await {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        read => read,
    }
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
