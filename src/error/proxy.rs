//! [`ProxyError`]: a proxy that opened no way to the server.

use std::{fmt, io};

use http::{Response, StatusCode};

use crate::handshake::HandshakeError;

/// A proxy that opened no way to the server.
#[derive(Debug)]
#[non_exhaustive]
pub struct ProxyError {
    /// The host and the port of the proxy.
    pub proxy: String,
    /// The reason.
    pub reason: ProxyFailure,
}

/// Why a proxy opened no way to the server.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProxyFailure {
    /// The proxy was not found, accepted no connection, or the connection to it failed.
    Io(io::Error),
    /// The proxy closed the connection before it answered.
    Closed,
    /// The proxy answered `CONNECT` with a status other than 2xx.
    Refused(Box<Response<()>>),
    /// The answer to `CONNECT` is not valid.
    Http(Box<HandshakeError>),
    /// The proxy refused by SOCKS, or its answer is not valid.
    Socks(Box<str>),
}

impl ProxyError {
    /// Returns the status of a proxy that refused `CONNECT`.
    pub fn status(&self) -> Option<StatusCode> {
        match &self.reason {
            ProxyFailure::Refused(response) => Some(response.status()),
            _ => None,
        }
    }

    /// Returns the error of the operating system or of the transport.
    pub(super) const fn io_error(&self) -> Option<&io::Error> {
        match &self.reason {
            ProxyFailure::Io(error) => Some(error),
            _ => None,
        }
    }

    /// Returns whether another attempt may succeed. Credentials and rules of a proxy do not change by themselves.
    pub(super) fn is_retryable(&self) -> bool {
        match &self.reason {
            ProxyFailure::Io(error) => error.kind() != io::ErrorKind::InvalidData,
            ProxyFailure::Closed => true,
            ProxyFailure::Refused(response) => response.status().is_server_error(),
            ProxyFailure::Http(_) => false,
            // Mostly a server that the proxy does not reach.
            ProxyFailure::Socks(_) => false,
        }
    }
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = &self.proxy;
        match &self.reason {
            ProxyFailure::Io(error) => write!(f, "cannot use the proxy {proxy}: {error}"),
            ProxyFailure::Closed => {
                write!(
                    f,
                    "the proxy {proxy} closed the connection before it answered"
                )
            }
            ProxyFailure::Refused(response) => {
                write!(f, "the proxy {proxy} answered {}", response.status())
            }
            ProxyFailure::Http(error) => write!(f, "the answer of the proxy {proxy}: {error}"),
            ProxyFailure::Socks(reason) => write!(f, "the proxy {proxy} refused: {reason}"),
        }
    }
}
