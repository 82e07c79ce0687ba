//! [`Error`]: the umbrella over everything that can go wrong.

use std::{error, fmt, io};

use crate::{
    frame::{CloseCode, CloseFrame, ProtocolError, SendError},
    handshake::HandshakeError,
    protocol::Closed,
};

/// Why an operation on a connection failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer violated the protocol or a limit.
    Protocol(ProtocolError),
    /// The connection is closed: not cleanly, or it is too late to send.
    Closed(Box<Closed>),
    /// What was asked to be sent may not be sent; the connection is as before.
    Send(SendError),
    /// The opening handshake failed.
    Handshake(Box<HandshakeError>),
    /// A time limit of [`Config`](crate::Config) was reached.
    Timeout(Timeout),
    /// The transport failed.
    Io(io::Error),
    /// The operation needs something that this build or version lacks.
    Unsupported(&'static str),
}

/// Which time limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timeout {
    /// [`Config::open_timeout`](crate::Config::open_timeout).
    Open,
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    Close,
    /// [`Config::ping_timeout`](crate::Config::ping_timeout).
    Ping,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer's.
    Peer,
    /// This side's: of its caller, its settings, or a policy that turned the peer down.
    Local,
    /// Nobody's that could be named: the transport failed, time ran out, or the connection is over.
    Transport,
}

const _: () = assert!(size_of::<Error>() <= 32);

impl Error {
    /// Whether a time limit was reached.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether the connection is closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Send(SendError::Closed))
    }

    /// Returns the code of the connection's end: ours for a violation, the peer's for
    /// [`Closed`](Self::Closed).
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Protocol(error) => Some(error.close_code()),
            Self::Closed(closed) => Some(closed.code()),
            _ => None,
        }
    }

    /// Returns the Close frame that tells the peer of this error; `None` when there is nothing to
    /// tell, or nobody.
    ///
    /// A [`WebSocket`](crate::WebSocket) has sent it by the time it returns the error. Who drives a
    /// [`Codec`](crate::Codec) sends it.
    pub const fn close_frame(&self) -> Option<CloseFrame> {
        match self {
            Self::Protocol(error) => Some(error.close_frame()),
            _ => None,
        }
    }

    /// Tells whose fault the error is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Protocol(_) => Fault::Peer,
            Self::Handshake(error) if error.is_peer_fault() => Fault::Peer,
            Self::Handshake(_) | Self::Send(_) | Self::Unsupported(_) => Fault::Local,
            Self::Closed(_) | Self::Timeout(_) | Self::Io(_) => Fault::Transport,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) => write!(f, "the peer violated the protocol: {error}"),
            Self::Closed(closed) => write!(f, "the connection is closed: {closed}"),
            Self::Send(error) => write!(f, "nothing was sent: {error}"),
            Self::Handshake(error) => write!(f, "opening handshake failed: {error}"),
            Self::Timeout(Timeout::Open) => f.write_str("opening handshake timed out"),
            Self::Timeout(Timeout::Close) => f.write_str("closing handshake timed out"),
            Self::Timeout(Timeout::Ping) => f.write_str("no sign of life within the ping timeout"),
            Self::Io(error) => write!(f, "transport failed: {error}"),
            Self::Unsupported(what) => f.write_str(what),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Protocol(error) => Some(error),
            Self::Send(error) => Some(error),
            Self::Handshake(error) => Some(&**error),
            Self::Io(error) => Some(error),
            Self::Closed(_) | Self::Timeout(_) | Self::Unsupported(_) => None,
        }
    }
}

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

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Closed> for Error {
    fn from(closed: Closed) -> Self {
        Self::Closed(Box::new(closed))
    }
}
