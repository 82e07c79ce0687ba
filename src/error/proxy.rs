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
    /// The proxy sent bytes of its own after the head of a 2xx. They could pass for the answer of the server.
    EarlyBytes,
    /// The proxy refused by SOCKS5.
    Socks {
        /// The reply code, from 1 to 8 (RFC 1928 §6).
        code: u8,
    },
    /// The proxy needs credentials, or did not accept those of [`Proxy::credentials`](crate::proxy::Proxy::credentials).
    /// Contains the reason. An HTTP proxy answers 407 instead.
    SocksAuth(&'static str),
    /// The answer of the proxy is not SOCKS5. Contains the reason.
    InvalidSocks(&'static str),
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
            // A failure of the proxy, and a server that it does not reach.
            ProxyFailure::Socks { code } => matches!(code, 1 | 3..=6),
            ProxyFailure::Http(_) | ProxyFailure::EarlyBytes => false,
            ProxyFailure::SocksAuth(_) | ProxyFailure::InvalidSocks(_) => false,
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
            ProxyFailure::Http(error) => fmt_http(proxy, error, f),
            ProxyFailure::EarlyBytes => {
                write!(
                    f,
                    "the proxy {proxy} sent bytes of its own after its answer"
                )
            }
            ProxyFailure::Socks { code } => {
                let reason = socks_reason(*code);
                write!(
                    f,
                    "the proxy {proxy} refused: {reason} (SOCKS reply {code})"
                )
            }
            ProxyFailure::SocksAuth(reason) => write!(f, "the proxy {proxy} refused: {reason}"),
            ProxyFailure::InvalidSocks(reason) => {
                write!(f, "the answer of the proxy {proxy} is not SOCKS5: {reason}")
            }
        }
    }
}

/// Writes the fault of an answer to `CONNECT`. The text of an answer that is not HTTP would name the server.
fn fmt_http(proxy: &str, error: &HandshakeError, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match error {
        HandshakeError::NotHttp { start, .. } => write!(
            f,
            "the proxy {proxy} does not speak HTTP: it began with {start}"
        ),
        error => write!(f, "the answer of the proxy {proxy}: {error}"),
    }
}

/// Returns the meaning of a reply code (RFC 1928 §6).
const fn socks_reason(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "its rules do not allow the connection",
        3 => "it does not reach the network of the server",
        4 => "it does not reach the host of the server",
        5 => "the server refuses the connection",
        6 => "the time to live of a packet expired",
        7 => "it does not support CONNECT",
        8 => "it does not support the type of the address",
        _ => "unknown reply",
    }
}
