//! A tunnel by HTTP CONNECT (RFC 9110 §9.3.6).

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    config::Config,
    error::{Error, ProxyFailure},
    net::exchange::exchange,
};

/// Sends the request and reads the answer. After a 2xx the stream leads to the server.
///
/// A 2xx has no body: its `Content-Length` and `Transfer-Encoding` are ignored. A server sends nothing before the
/// client does, so that bytes after the head are those of the proxy, and are refused.
pub(super) async fn open<S>(io: &mut S, request: &[u8], config: &Config) -> Result<(), ProxyFailure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut input = BytesMut::new();
    let answered = exchange(io, request, &mut input, config).await;
    let response = answered.map_err(failure)?;
    if !response.status().is_success() {
        return Err(ProxyFailure::Refused(Box::new(response)));
    }
    if !input.is_empty() {
        return Err(ProxyFailure::EarlyBytes);
    }
    Ok(())
}

fn failure(error: Error) -> ProxyFailure {
    match error {
        Error::ClosedInHandshake(_) => ProxyFailure::Closed,
        Error::Handshake(error) => ProxyFailure::Http(error),
        Error::Io(error) => ProxyFailure::Io(error),
        error => ProxyFailure::Io(io::Error::other(error)),
    }
}
