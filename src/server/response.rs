//! Parts of the responses of a server.

use std::{io, time::SystemTime};

use bytes::{Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, TRANSFER_ENCODING},
    response,
};
use tokio::io::AsyncRead;

use crate::net::opening::read_some;

/// The number of bytes that a client that was not upgraded may send after its request.
const MAX_LINGER: usize = 4 << 20;

/// Creates a response with a text.
pub(super) fn text_response(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Sets the headers that frame a body (RFC 9112 §6). Returns the body, which is empty for a status without one.
pub(super) fn frame_body(head: &mut response::Parts, body: Bytes) -> Bytes {
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.remove(CONTENT_LENGTH);
    if [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status) {
        return Bytes::new();
    }
    let len = HeaderValue::from(body.len());
    head.headers.insert(CONTENT_LENGTH, len);
    body
}

/// Adds `Date` to the headers of a response (RFC 9110 §6.6.1).
pub(super) fn add_date(headers: &mut HeaderMap) {
    let now = httpdate::fmt_http_date(SystemTime::now());
    if let Ok(now) = HeaderValue::try_from(now) {
        headers.entry(DATE).or_insert(now);
    }
}

/// Reads until the peer closes the stream, or has sent too much.
pub(super) async fn drain<S: AsyncRead + Unpin>(io: &mut S) -> io::Result<()> {
    let mut left = MAX_LINGER;
    let mut bytes = BytesMut::new();
    while left > 0 {
        let len = read_some(io, &mut bytes).await?;
        if len == 0 {
            break;
        }
        left = left.saturating_sub(len);
        bytes.clear();
    }
    Ok(())
}
