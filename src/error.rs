//! [`Error`]: an enum of all errors of a connection and its opening handshake.

use std::{error, fmt, io};

use bytes::Bytes;
use http::{Response, StatusCode};

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
    /// An error of the application, from [`other`](Self::other).
    Other(Box<dyn error::Error + Send + Sync>),
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
    /// Creates an error of the application, for example for a handler of [`serve`](crate::serve).
    pub fn other(error: impl Into<Box<dyn error::Error + Send + Sync>>) -> Self {
        Self::Other(error.into())
    }

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

    /// Returns the response of a server that refused the opening handshake, with the start of its body.
    pub fn response(&self) -> Option<&Response<Bytes>> {
        match self {
            Self::Handshake(error) => error.response(),
            _ => None,
        }
    }

    /// Returns whether a new connection to the same server may succeed: after a failure of the transport, after a
    /// timeout, after a lost connection, and after a close code or an HTTP status that says so (1001, 1011 to
    /// 1014; 429, 5xx).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io(_) | Self::Timeout(_) => true,
            Self::Closed(closed) => matches!(
                closed.code(),
                CloseCode::GOING_AWAY
                    | CloseCode::ABNORMAL
                    | CloseCode::INTERNAL_ERROR
                    | CloseCode::SERVICE_RESTART
                    | CloseCode::TRY_AGAIN_LATER
                    | CloseCode::BAD_GATEWAY
            ),
            Self::Handshake(error) => error.response().is_some_and(is_temporary),
            Self::Protocol(_) | Self::Send(_) | Self::Unsupported(_) | Self::Other(_) => false,
        }
    }

    /// Returns the party that caused the error. A server that refuses for reasons of its own, with 429 or 5xx, is
    /// the peer.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Protocol(_) => Fault::Peer,
            Self::Handshake(error) if error.is_peer_fault() => Fault::Peer,
            Self::Handshake(error) if error.response().is_some_and(is_temporary) => Fault::Peer,
            Self::Handshake(_) | Self::Send(_) | Self::Unsupported(_) | Self::Other(_) => {
                Fault::Local
            }
            Self::Closed(_) | Self::Timeout(_) | Self::Io(_) => Fault::Transport,
        }
    }
}

/// Returns whether a refusal has a reason that may pass.
fn is_temporary(response: &Response<Bytes>) -> bool {
    let status = response.status();
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error) if error.is_limit() => write!(f, "message too big: {error}"),
            Self::Protocol(error) => write!(f, "the peer violated the protocol: {error}"),
            Self::Closed(closed) => write!(f, "the connection is closed: {closed}"),
            Self::Send(error) => write!(f, "nothing was sent: {error}"),
            Self::Handshake(error) => write!(f, "opening handshake failed: {error}"),
            Self::Timeout(Timeout::Open) => f.write_str("opening handshake timed out"),
            Self::Timeout(Timeout::Close) => f.write_str("closing handshake timed out"),
            Self::Timeout(Timeout::Ping) => f.write_str("no sign of life within the ping timeout"),
            Self::Io(error) => write!(f, "transport failed: {error}"),
            Self::Unsupported(what) => f.write_str(what),
            Self::Other(error) => error.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // `Display` has the text of the other kinds.
        match self {
            Self::Io(error) => Some(error),
            Self::Other(error) => error.source(),
            _ => None,
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

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_exceeded_limit_is_no_violation_of_the_protocol() {
        let error = Error::from(ProtocolError::MessageTooBig { limit: 1024 });
        assert_eq!(
            error.to_string(),
            "message too big: message exceeds the size limit of 1024 bytes (Config::max_message_size)"
        );
        let error = Error::from(ProtocolError::MissingMask);
        assert!(
            error
                .to_string()
                .starts_with("the peer violated the protocol: ")
        );
    }

    #[test]
    fn no_source_repeats_the_text() {
        for error in [
            Error::from(ProtocolError::InvalidUtf8),
            Error::from(SendError::Closed),
            Error::from(HandshakeError::NulInHead),
            Error::from(Closed::default()),
            Error::Timeout(Timeout::Ping),
        ] {
            assert!(error.source().is_none(), "{error}");
        }
        let error = Error::from(io::Error::from(io::ErrorKind::ConnectionReset));
        assert!(error.source().is_some());
    }

    #[test]
    fn a_retry_is_worth_it_after_an_end_that_may_pass() {
        let closed = |code: u16| {
            let frame = CloseFrame::new(code.into(), "").unwrap();
            Error::from(Closed {
                received: Some(frame),
                ..Closed::default()
            })
        };
        for code in [1001, 1011, 1012, 1013, 1014] {
            assert!(closed(code).is_retryable(), "{code}");
        }
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000] {
            assert!(!closed(code).is_retryable(), "{code}");
        }
        assert!(Error::from(Closed::default()).is_retryable());
        assert!(Error::Timeout(Timeout::Open).is_retryable());
        assert!(!Error::from(ProtocolError::InvalidUtf8).is_retryable());
        assert!(!Error::from(SendError::Closed).is_retryable());
    }
}
