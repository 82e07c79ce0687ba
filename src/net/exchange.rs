//! [`exchange`]: a request and its response, of the opening handshake or of a proxy.

use std::io;

use bytes::BytesMut;
use http::Response;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::opening::read_head;
use crate::{
    config::Config,
    error::Error,
    frame::Role,
    handshake::{
        client::{MAX_INTERIM_RESPONSES, is_interim},
        head,
    },
};

/// Sends a request and reads the final response. Skips at most [`MAX_INTERIM_RESPONSES`] interim ones.
pub(crate) async fn exchange<S>(
    io: &mut S,
    request: &[u8],
    input: &mut BytesMut,
    config: &Config,
) -> Result<Response<()>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // The peer may refuse before it has read the request, and close the stream.
    let written = write_all(io, request).await;
    match (read_response(io, input, config).await, written) {
        (Err(Error::Io(_) | Error::ClosedInHandshake(_)), Err(error)) => Err(error.into()),
        (read, _) => read,
    }
}

async fn write_all<S: AsyncWrite + Unpin>(io: &mut S, bytes: &[u8]) -> io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

async fn read_response<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut BytesMut,
    config: &Config,
) -> Result<Response<()>, Error> {
    let parse = |bytes: &[u8]| head::parse_response(bytes, config);
    let mut passed = 0;
    loop {
        let response = read_head(io, Role::Server, input, parse).await?;
        if !is_interim(response.status()) || passed == MAX_INTERIM_RESPONSES {
            return Ok(response);
        }
        passed += 1;
    }
}
