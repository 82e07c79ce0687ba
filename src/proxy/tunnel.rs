//! A tunnel by HTTP CONNECT (RFC 9110 §9.3.6).

use std::io;

use bytes::BytesMut;
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::{
    config::Config,
    error::{Error, ProxyFailure},
    frame::Role,
    handshake::{
        client::{MAX_INTERIM_RESPONSES, is_interim},
        head,
    },
    net::opening::read_head,
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
    // A proxy may refuse before it has read the request, and close the stream.
    let written = write(io, request).await;
    let response = match (read_response(io, &mut input, config).await, written) {
        (Err(ProxyFailure::Io(_) | ProxyFailure::Closed), Err(error)) => {
            return Err(ProxyFailure::Io(error));
        }
        (read, _) => read?,
    };
    if !response.status().is_success() {
        return Err(ProxyFailure::Refused(Box::new(response)));
    }
    if !input.is_empty() {
        return Err(ProxyFailure::EarlyBytes);
    }
    Ok(())
}

async fn write<S: AsyncWrite + Unpin>(io: &mut S, request: &[u8]) -> io::Result<()> {
    io.write_all(request).await?;
    io.flush().await
}

/// Reads the final response. Skips at most [`MAX_INTERIM_RESPONSES`] interim ones.
async fn read_response<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
    config: &Config,
) -> Result<Response<()>, ProxyFailure> {
    let parse = |bytes: &[u8]| head::parse_response(bytes, config);
    let mut passed = 0;
    loop {
        let read = read_head(io, Role::Server, input, parse).await;
        let response = read.map_err(failure)?;
        if !is_interim(response.status()) || passed == MAX_INTERIM_RESPONSES {
            return Ok(response);
        }
        passed += 1;
    }
}

fn failure(error: Error) -> ProxyFailure {
    match error {
        Error::ClosedInHandshake(_) => ProxyFailure::Closed,
        Error::Handshake(error) => ProxyFailure::Http(error),
        Error::Io(error) => ProxyFailure::Io(error),
        error => ProxyFailure::Io(io::Error::other(error)),
    }
}
