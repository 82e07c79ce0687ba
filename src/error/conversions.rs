//! Conversions of [`Error`] from the errors within it, and to an [`io::Error`].

use std::io::{self, ErrorKind};

use super::{Error, JsonError, JsonErrorKind};
use crate::{
    frame::{ProtocolError, SendError},
    handshake::{HandshakeError, UriError},
    protocol::Closed,
};

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        Self::Send(error)
    }
}

impl From<HandshakeError> for Error {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(Box::new(error))
    }
}

impl From<UriError> for Error {
    fn from(error: UriError) -> Self {
        HandshakeError::from(error).into()
    }
}

impl From<JsonError> for Error {
    fn from(error: JsonError) -> Self {
        Self::Json(error)
    }
}

impl From<io::Error> for Error {
    /// Returns the error that an I/O error contains if it is an [`Error`], and else [`Error::Io`]. A program that copies
    /// a `MessageReader` with `?` gets the error of the connection.
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self::Io)
    }
}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Self {
        Self::Closed(Box::new(closed))
    }
}

/// For a function that returns an I/O error.
impl From<Error> for io::Error {
    /// Returns the error of the transport, or else an error that contains this one, with a kind that fits:
    ///
    /// | error | kind |
    /// | --- | --- |
    /// | [`Error::Io`] | the same error |
    /// | [`Error::Resolve`], [`Error::Connect`], [`Error::Tls`], [`Error::Listen`] | the kind of the error within |
    /// | [`Error::Proxy`] | the kind of the error within, or `ConnectionRefused` |
    /// | [`Error::Protocol`], [`Error::Json`] of a received message | `InvalidData` |
    /// | [`Error::Closed`] after a clean end, [`SendError::Closed`] | `BrokenPipe` |
    /// | [`Error::Closed`] without a Close frame of the peer, [`Error::ClosedInHandshake`] | `UnexpectedEof` |
    /// | [`Error::Closed`] otherwise | `ConnectionAborted` |
    /// | [`Error::Send`] of a full queue | `WouldBlock` |
    /// | [`Error::Send`] otherwise, [`Error::Json`] of a message to be sent | `InvalidInput` |
    /// | [`Error::Handshake`] for a refusal of the server | `ConnectionRefused` |
    /// | [`Error::Handshake`] for a URI or a setting | `InvalidInput` |
    /// | [`Error::Handshake`] for a violation of the peer | `InvalidData` |
    /// | [`Error::Handshake`] for a refusal of this side | `PermissionDenied` |
    /// | [`Error::Timeout`] | `TimedOut` |
    /// | [`Error::Unsupported`] | `Unsupported` |
    /// | [`Error::Other`] | `Other` |
    fn from(error: Error) -> Self {
        match error {
            Error::Io(error) => error,
            error => Self::new(kind(&error), error),
        }
    }
}

/// Returns the kind of an I/O error that contains this error.
fn kind(error: &Error) -> ErrorKind {
    match error {
        Error::Io(error) => error.kind(),
        Error::Resolve(address)
        | Error::Connect(address)
        | Error::Tls(address)
        | Error::Listen(address) => address.error.kind(),
        Error::Proxy(error) => error
            .io_error()
            .map_or(ErrorKind::ConnectionRefused, io::Error::kind),
        Error::Json(error) if error.kind() == JsonErrorKind::Serialize => ErrorKind::InvalidInput,
        Error::Protocol(_) | Error::Json(_) => ErrorKind::InvalidData,
        Error::Closed(closed) => kind_of_closed(closed),
        Error::ClosedInHandshake(_) => ErrorKind::UnexpectedEof,
        Error::Send(SendError::Closed) => ErrorKind::BrokenPipe,
        Error::Send(SendError::Full) => ErrorKind::WouldBlock,
        Error::Send(_) => ErrorKind::InvalidInput,
        Error::Handshake(error) => kind_of_handshake(error),
        Error::Timeout(_) => ErrorKind::TimedOut,
        Error::Unsupported(_) => ErrorKind::Unsupported,
        Error::Other(_) => ErrorKind::Other,
    }
}

fn kind_of_closed(closed: &Closed) -> ErrorKind {
    match closed.received {
        None => ErrorKind::UnexpectedEof,
        Some(_) if closed.is_clean() => ErrorKind::BrokenPipe,
        Some(_) => ErrorKind::ConnectionAborted,
    }
}

fn kind_of_handshake(error: &HandshakeError) -> ErrorKind {
    match error {
        HandshakeError::Refused(_) => ErrorKind::ConnectionRefused,
        HandshakeError::Uri(_)
        | HandshakeError::ReservedHeader(_)
        | HandshakeError::InvalidSetting { .. } => ErrorKind::InvalidInput,
        HandshakeError::NoRandomness => ErrorKind::Other,
        error if error.is_peer_fault() => ErrorKind::InvalidData,
        _ => ErrorKind::PermissionDenied,
    }
}
