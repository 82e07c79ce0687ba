//! [`Error`]: an enum of all errors of a connection and its opening handshake.

mod address;
mod conversions;
mod json;
mod proxy;
mod timeout;

use std::{error, fmt, io};

use bytes::Bytes;
use http::{Response, StatusCode};

#[cfg(feature = "json")]
pub(crate) use self::json::JsonFault;
pub use self::{
    address::AddressError,
    json::{JsonError, JsonErrorKind},
    proxy::{ProxyError, ProxyFailure},
    timeout::Timeout,
};
use crate::{
    frame::{CloseCode, CloseFrame, ProtocolError, Role, SendError},
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
    /// The opening handshake failed, or a setting of this side cannot be used in it.
    Handshake(Box<HandshakeError>),
    /// The peer, which has this role, closed the stream before the opening handshake was complete.
    ClosedInHandshake(Role),
    /// The host of the URI has no address.
    Resolve(Box<AddressError>),
    /// No address of the host accepts a connection.
    Connect(Box<AddressError>),
    /// The TLS handshake with a server, or with a client, failed.
    Tls(Box<AddressError>),
    /// The proxy of the client opened no way to the server.
    Proxy(Box<ProxyError>),
    /// The server cannot listen on the address.
    Listen(Box<AddressError>),
    /// A time limit of [`Config`](crate::Config) was reached.
    Timeout(Timeout),
    /// The transport failed. A stream that ends without a Close frame is [`Closed`](Self::Closed).
    Io(io::Error),
    /// A received message is not the expected JSON, or a value cannot be sent as JSON. The connection is unchanged.
    Json(JsonError),
    /// The operation needs a feature that this build or version lacks.
    Unsupported(&'static str),
    /// An error of the application, from [`other`](Self::other).
    Other(Box<dyn error::Error + Send + Sync>),
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

    /// Creates the error of a server that cannot listen on `address`.
    #[cfg(feature = "server")]
    pub(crate) fn listen(address: &dyn fmt::Debug, error: io::Error) -> Self {
        Self::Listen(Box::new(AddressError::of_listener(address, error)))
    }

    /// Returns whether a time limit was reached.
    pub const fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Returns whether the connection is closed.
    pub const fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_) | Self::Send(SendError::Closed))
    }

    /// Returns the close code of the connection's end: the code of [`close_frame`](Self::close_frame), or the
    /// peer's code for [`Closed`](Self::Closed).
    pub fn close_code(&self) -> Option<CloseCode> {
        match self {
            Self::Protocol(error) => Some(error.close_code()),
            Self::Closed(closed) => Some(closed.code()),
            error => error.close_frame()?.code(),
        }
    }

    /// Returns the Close frame that reports this error to the peer, or `None` if there is no such frame.
    ///
    /// A [`WebSocket`](crate::WebSocket) has sent the frame before it returns a violation. A program that
    /// uses a [`Codec`](crate::Codec) sends it itself. After [`Json`](Self::Json) the program may close with it, and
    /// [`serve`](crate::serve) does so if the handler returns the error.
    pub const fn close_frame(&self) -> Option<CloseFrame> {
        match self {
            Self::Protocol(error) => Some(error.close_frame()),
            Self::Json(error) => error.close_frame(),
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

    /// Returns the HTTP status of a server that refused the opening handshake.
    pub fn status(&self) -> Option<StatusCode> {
        self.response().map(Response::status)
    }

    /// Returns the error of the operating system or of the transport.
    pub const fn io_error(&self) -> Option<&io::Error> {
        match self {
            Self::Io(error) => Some(error),
            Self::Resolve(address)
            | Self::Connect(address)
            | Self::Tls(address)
            | Self::Listen(address) => Some(&address.error),
            Self::Proxy(error) => error.io_error(),
            _ => None,
        }
    }

    /// Returns whether a new connection to the same server may succeed: after a host that was not found or did
    /// not accept a connection, after a failure of the transport, after a timeout, after a lost connection, and
    /// after a close code or an HTTP status that says so (1001, 1011 to 1014; 429, 5xx). An invalid certificate is not
    /// retryable.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Resolve(_) | Self::Connect(_) | Self::ClosedInHandshake(_) => true,
            Self::Io(_) | Self::Timeout(_) => true,
            Self::Tls(address) => !is_tls_violation(address),
            Self::Proxy(error) => error.is_retryable(),
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
            Self::Protocol(_) | Self::Send(_) | Self::Listen(_) => false,
            Self::Json(_) | Self::Unsupported(_) | Self::Other(_) => false,
        }
    }

    /// Returns the party that caused the error. A server that refuses for reasons of its own, with 429 or 5xx, is
    /// the peer.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Protocol(_) => Fault::Peer,
            Self::Json(error) if error.kind() != JsonErrorKind::Serialize => Fault::Peer,
            Self::Handshake(error) if error.is_peer_fault() => Fault::Peer,
            Self::Handshake(error) if error.response().is_some_and(is_temporary) => Fault::Peer,
            Self::Tls(address) if is_tls_violation(address) => Fault::Peer,
            Self::Handshake(_) | Self::Send(_) | Self::Listen(_) => Fault::Local,
            Self::Json(_) | Self::Unsupported(_) | Self::Other(_) => Fault::Local,
            Self::Resolve(_) | Self::Connect(_) | Self::ClosedInHandshake(_) => Fault::Transport,
            Self::Closed(_) | Self::Timeout(_) | Self::Io(_) => Fault::Transport,
            Self::Tls(_) | Self::Proxy(_) => Fault::Transport,
        }
    }
}

/// Returns whether a refusal has a reason that may pass.
fn is_temporary(response: &Response<Bytes>) -> bool {
    let status = response.status();
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Returns whether rustls refused the peer, or the peer refused this side. An error of the transport has another kind.
fn is_tls_violation(address: &AddressError) -> bool {
    address.error.kind() == io::ErrorKind::InvalidData
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol(error @ ProtocolError::TooManyUnfinishedBytes { .. }) => {
                write!(f, "the server is overloaded: {error}")
            }
            Self::Protocol(error) if error.is_limit() => write!(f, "message too big: {error}"),
            Self::Protocol(error) => write!(f, "the peer violated the protocol: {error}"),
            Self::Closed(closed) => write!(f, "the connection is closed: {closed}"),
            Self::Send(error) => write!(f, "nothing was sent: {error}"),
            Self::Handshake(error) => fmt_handshake(error, f),
            Self::ClosedInHandshake(Role::Server) => {
                f.write_str("the server closed the connection before it answered")
            }
            Self::ClosedInHandshake(Role::Client) => {
                f.write_str("the client closed the connection before its request ended")
            }
            Self::Resolve(address) => write!(f, "cannot resolve {address}"),
            Self::Connect(address) => write!(f, "cannot connect to {address}"),
            Self::Tls(tls) => {
                let AddressError { address, error } = &**tls;
                write!(f, "the TLS handshake with {address} failed: {error}")
            }
            Self::Proxy(error) => error.fmt(f),
            Self::Listen(address) => write!(f, "cannot listen on {address}"),
            Self::Timeout(timeout) => timeout.fmt(f),
            Self::Io(error) => write!(f, "transport failed: {error}"),
            Self::Json(error) => error.fmt(f),
            Self::Unsupported(what) => f.write_str(what),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// Writes an error of the opening handshake. A setting that cannot be used fails before any handshake.
fn fmt_handshake(error: &HandshakeError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        HandshakeError::Uri(error) => write!(f, "invalid URI: {error}"),
        HandshakeError::InvalidSetting { .. } | HandshakeError::ReservedHeader(_) => {
            write!(f, "{error}")
        }
        error => write!(f, "opening handshake failed: {error}"),
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // `Display` has the text of the error within, so that its source is the next in the chain.
        match self {
            Self::Other(error) => error.source(),
            error => error.io_error()?.source(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn an_exceeded_limit_is_no_violation_of_the_protocol() {
        let error = Error::from(ProtocolError::TooManyFragments { limit: 8 });
        assert_eq!(
            error.to_string(),
            "message too big: message has more frames than the limit of 8 (Config::max_fragments)"
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
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let address = || {
            Box::new(AddressError {
                address: "h:80".to_owned(),
                error: reset(),
            })
        };
        for error in [
            Error::from(ProtocolError::InvalidUtf8),
            Error::from(SendError::Closed),
            Error::from(HandshakeError::NulInHead),
            Error::from(Closed::default()),
            Error::from(reset()),
            Error::Resolve(address()),
            Error::Connect(address()),
            Error::Listen(address()),
            Error::other("text"),
        ] {
            assert!(error.source().is_none(), "{error}");
        }
        let inner = || io::Error::other(io::Error::other("inner"));
        let error = Error::from(inner());
        assert_eq!(error.to_string(), "transport failed: inner");
        // An error of this crate on its way through an I/O trait.
        let error = Error::from(io::Error::other(Error::other(inner())));
        assert_eq!(error.to_string(), "inner");
        assert!(error.source().is_none());
        assert_eq!(
            Error::from(reset()).io_error().unwrap().kind(),
            reset().kind()
        );
        assert_eq!(
            Error::Connect(address()).io_error().unwrap().kind(),
            reset().kind()
        );
    }

    #[test]
    fn a_retry_is_worth_it_after_an_end_that_may_pass() {
        let closed = |code: u16| {
            let frame = CloseFrame::new(code, "").unwrap();
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
        let limit = std::time::Duration::from_secs(10);
        assert!(Error::Timeout(Timeout::Close { limit }).is_retryable());
        assert!(!Error::from(ProtocolError::InvalidUtf8).is_retryable());
        assert!(!Error::from(SendError::Closed).is_retryable());
    }

    #[test]
    fn a_full_budget_is_no_fault_of_the_message() {
        let error = Error::from(ProtocolError::TooManyUnfinishedBytes { limit: 5 });
        assert_eq!(
            error.to_string(),
            "the server is overloaded: unfinished messages of all connections exceed the limit of 5 \
             bytes (ServerBuilder::max_unfinished_bytes)"
        );
    }
}
