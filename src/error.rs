//! [`Error`]: an enum of all errors of a connection and its opening handshake.

use std::{error, fmt, io};

use crate::{
    frame::{CloseCode, CloseFrame, ProtocolError, SendError},
    handshake::HandshakeError,
    protocol::Closed,
};

/// The reason why an operation on a connection failed.
///
/// ```
/// use tokio::io::{AsyncRead, AsyncWrite};
/// use wsimd::{Error, WebSocket};
///
/// async fn receive<S: AsyncRead + AsyncWrite + Unpin>(mut ws: WebSocket<S>) {
///     loop {
///         match ws.recv().await {
///             Ok(Some(message)) => println!("{message:?}"),
///             Ok(None) => break println!("a clean end"),
///             Err(Error::Closed(closed)) => break println!("closed with {}", closed.code()),
///             Err(error) if error.is_timeout() => break println!("the peer is too slow: {error}"),
///             Err(error) => break println!("{error}, {:?} is at fault", error.fault()),
///         }
///     }
/// }
/// ```
///
/// [`closing_and_errors`](crate::guides::closing_and_errors) lists the errors after which a client should connect
/// again.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer violated the protocol or a limit.
    Protocol(ProtocolError),
    /// The connection is closed. Its end was not clean, or it is too late to send.
    Closed(Box<Closed>),
    /// The message or control frame was not sent. The connection is unchanged.
    Send(SendError),
    /// The opening handshake failed.
    Handshake(Box<HandshakeError>),
    /// A time limit of [`Config`](crate::Config) was reached.
    Timeout(Timeout),
    /// The transport failed.
    Io(io::Error),
    /// The operation needs a feature that this build or version lacks.
    Unsupported(&'static str),
}

/// The time limit that was reached.
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

/// The party that caused an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The peer.
    Peer,
    /// This side: the caller, its settings, or a policy that refused the peer.
    Local,
    /// No known party: the transport failed, a time limit was reached, or the connection is over.
    Transport,
}

const _: () = assert!(size_of::<Error>() <= 32);

impl Error {
    /// Returns whether a time limit was reached.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Returns whether the connection is closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Send(SendError::Closed))
    }

    /// Returns the close code of the connection's end: the code that this side sends after a violation, or
    /// the peer's code for [`Closed`](Self::Closed).
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Protocol(error) => Some(error.close_code()),
            Self::Closed(closed) => Some(closed.code()),
            _ => None,
        }
    }

    /// Returns the Close frame that reports this error to the peer, or `None` if there is no such frame.
    ///
    /// A [`WebSocket`](crate::WebSocket) has sent the frame before it returns the error. A program that
    /// uses a [`Codec`](crate::Codec) sends it itself.
    pub const fn close_frame(&self) -> Option<CloseFrame> {
        match self {
            Self::Protocol(error) => Some(error.close_frame()),
            _ => None,
        }
    }

    /// Returns the party that caused the error.
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
