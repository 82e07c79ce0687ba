//! Reading and writing an HTTP/1.1 head (RFC 9112 §2 to §5).
//!
//! [`parse_request`] and [`parse_response`] read the head at the start of an input, once it has arrived. They
//! refuse at the first wrong byte: another protocol than HTTP, a bare CR or LF, a NUL, a folded header, too many
//! bytes, too many headers. One empty line may precede a request (RFC 9112 §2.2). Bytes after the head are not
//! touched: they are frames, or the body of a refusal.
//!
//! A request target is in origin-form, or an `http` or `https` URI, which
//! [`server::accept`](super::server::accept) compares with `Host`. Authority-form and `*` are refused, because they
//! are for other methods than `GET`.

use bytes::BytesMut;
use http::uri::{PathAndQuery, Scheme};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};

use super::{Excerpt, HandshakeError, headers, start};
use crate::{config::Config, frame::Role};

/// The head at the start of an input.
struct Head<'a> {
    /// With the closing blank line, without an empty line before the head.
    bytes: &'a [u8],
    /// The number of header lines.
    headers: usize,
    /// The number of bytes of the input that the head ends.
    len: usize,
}

impl<'a> Head<'a> {
    /// Finds the end of a head from a peer with the role `sender`. Returns `None` when more bytes are needed.
    fn find(
        sender: Role,
        input: &'a [u8],
        config: &Config,
    ) -> Result<Option<Self>, HandshakeError> {
        let limit = config.settings.max_head_size;
        let window = input.get(..limit).unwrap_or(input);
        let (_, head) = window.split_at(start::check(sender, window)?);
        let (mut rest, mut lines) = (head, 0);
        while let Some(first) = rest.first() {
            check_line_start(*first, lines, config)?;
            let Some(end) = memchr::memchr3(b'\r', b'\n', b'\0', rest) else {
                break;
            };
            match rest.split_at(end) {
                ([], [b'\r', b'\n', after @ ..]) if lines > 0 => {
                    let (bytes, _) = head.split_at(head.len() - after.len());
                    return Ok(Some(Self {
                        bytes,
                        headers: lines - 1,
                        len: window.len() - after.len(),
                    }));
                }
                (line, [b'\r', b'\n', after @ ..]) => {
                    if lines == 0 {
                        start::check_line(sender, line)?;
                    }
                    rest = after;
                }
                (_, [b'\r', _, ..]) => return Err(HandshakeError::BareCarriageReturn),
                (_, [b'\n', ..]) => return Err(HandshakeError::BareLineFeed),
                (_, [b'\0', ..]) => return Err(HandshakeError::NulInHead),
                _ => break,
            }
            lines += 1;
        }
        if input.len() >= limit {
            return Err(HandshakeError::HeadTooLarge { limit });
        }
        Ok(None)
    }
}

/// Judges the first byte of a line, before which `lines` lines have ended.
fn check_line_start(first: u8, lines: usize, config: &Config) -> Result<(), HandshakeError> {
    let limit = config.settings.max_headers;
    match first {
        b' ' | b'\t' if lines > 0 => Err(HandshakeError::FoldedHeader),
        b'\r' => Ok(()),
        _ if lines > limit => Err(HandshakeError::TooManyHeaders { limit }),
        _ => Ok(()),
    }
}

/// Parses the request head at the start of `input`. Returns the request and the length of its head in bytes, or
/// `None` when more bytes are needed.
///
/// # Errors
///
/// A head that exceeds [`Config::max_head_size`] or [`Config::max_headers`], a malformed line, another version than
/// HTTP/1.1, or a target in another form than the [module](self) describes.
pub fn parse_request(
    input: &[u8],
    config: &Config,
) -> Result<Option<(Request<()>, usize)>, HandshakeError> {
    let Some(head) = Head::find(Role::Client, input, config)? else {
        return Ok(None);
    };
    let mut lines = vec![httparse::EMPTY_HEADER; head.headers];
    let mut parsed = httparse::Request::new(&mut lines);
    check_parsed(parsed.parse(head.bytes))?;
    if parsed.version != Some(1) {
        return Err(HandshakeError::HttpVersion);
    }
    let method = parsed.method.unwrap_or_default().as_bytes();
    let method = Method::from_bytes(method).map_err(|_| malformed("method"))?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = parse_target(parsed.path.unwrap_or_default())?;
    *request.headers_mut() = collect(parsed.headers)?;
    Ok(Some((request, head.len)))
}

/// Parses the response head at the start of `input`. Returns the response and the length of its head in bytes, or
/// `None` when more bytes are needed.
///
/// The reason phrase is checked and dropped. HTTP/1.0 passes, because old servers refuse in it.
/// [`client::verify`](super::client::verify) does not accept a 101 of HTTP/1.0.
///
/// # Errors
///
/// A head that exceeds [`Config::max_head_size`] or [`Config::max_headers`], a malformed line, or a version other
/// than 1.0 and 1.1.
pub fn parse_response(
    input: &[u8],
    config: &Config,
) -> Result<Option<(Response<()>, usize)>, HandshakeError> {
    let Some(head) = Head::find(Role::Server, input, config)? else {
        return Ok(None);
    };
    let mut lines = vec![httparse::EMPTY_HEADER; head.headers];
    let mut parsed = httparse::Response::new(&mut lines);
    check_parsed(parsed.parse(head.bytes))?;
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| malformed("status code"))?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    *response.headers_mut() = collect(parsed.headers)?;
    Ok(Some((response, head.len)))
}

fn check_parsed(
    outcome: Result<httparse::Status<usize>, httparse::Error>,
) -> Result<(), HandshakeError> {
    match outcome {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Ok(httparse::Status::Partial) => Err(malformed("head")),
        Err(httparse::Error::Version) => Err(HandshakeError::HttpVersion),
        Err(httparse::Error::HeaderName) => Err(malformed("header name")),
        Err(httparse::Error::HeaderValue) => Err(malformed("header value")),
        Err(httparse::Error::Status) => Err(malformed("status line")),
        Err(_) => Err(malformed("start line")),
    }
}

fn malformed(reason: &'static str) -> HandshakeError {
    HandshakeError::MalformedHead { reason }
}

fn parse_target(target: &str) -> Result<Uri, HandshakeError> {
    let invalid = || HandshakeError::InvalidTarget(Excerpt::without_user_info(target.as_bytes()));
    // `http::Uri` would drop a fragment, and would accept DEL and UTF-8.
    if target.contains('#') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(invalid());
    }
    if target.starts_with('/') {
        return PathAndQuery::try_from(target)
            .map(Uri::from)
            .map_err(|_| invalid());
    }
    let uri = Uri::try_from(target).map_err(|_| invalid())?;
    let is_http = [Some(&Scheme::HTTP), Some(&Scheme::HTTPS)].contains(&uri.scheme());
    if !is_http || uri.authority().is_none() {
        return Err(invalid());
    }
    Ok(uri)
}

fn collect(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, HandshakeError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| malformed("header name"))?;
        let value = HeaderValue::from_bytes(line.value.trim_ascii());
        let mut value = value.map_err(|_| malformed("header value"))?;
        value.set_sensitive(headers::is_secret(&name));
        // The map holds fewer headers than `Config::max_headers` can allow.
        let appended = headers.try_append(name, value);
        appended.map_err(|_| HandshakeError::TooManyHeaders {
            limit: headers.len(),
        })?;
    }
    Ok(headers)
}

/// Writes a request head with the target in origin-form. `Host` precedes the other headers, which keep the
/// order of the map.
///
/// No line can be injected, because the types of `http` contain no line end.
pub fn write_request(request: &Request<()>, output: &mut BytesMut) {
    let method = request.method().as_str();
    // `path_and_query` would lack the `/` of `ws://host?query`.
    let path = Some(request.uri().path()).filter(|path| !path.is_empty());
    let (mark, query) = request.uri().query().map_or(("", ""), |query| ("?", query));
    for part in [
        method,
        " ",
        path.unwrap_or("/"),
        mark,
        query,
        " HTTP/1.1\r\n",
    ] {
        output.extend_from_slice(part.as_bytes());
    }
    write_headers(request.headers(), output);
}

/// Writes a response head, with the canonical reason phrase of its status.
///
/// No line can be injected, because the types of `http` contain no line end.
pub fn write_response(response: &Response<()>, output: &mut BytesMut) {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        output.extend_from_slice(part.as_bytes());
    }
    write_headers(response.headers(), output);
}

/// Writes header lines and the blank line that ends a head.
pub(super) fn write_headers(map: &HeaderMap, output: &mut BytesMut) {
    // A user agent should send `Host` first (RFC 9110 §7.2).
    for value in map.get_all(headers::HOST) {
        write_header(headers::HOST, value, output);
    }
    for (name, value) in map {
        if name != http::header::HOST {
            write_header(spelling(name), value, output);
        }
    }
    output.extend_from_slice(b"\r\n");
}

fn write_header(name: &str, value: &HeaderValue, output: &mut BytesMut) {
    for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        output.extend_from_slice(part);
    }
}

/// Returns a name as RFC 6455 spells it, for old peers that compare case. Other names are in lower case.
fn spelling(name: &HeaderName) -> &str {
    const SPELLED: [&str; 9] = [
        headers::UPGRADE,
        headers::CONNECTION,
        headers::ORIGIN,
        headers::KEY,
        headers::ACCEPT,
        headers::VERSION,
        headers::PROTOCOL,
        headers::EXTENSIONS,
        headers::CONTENT_LENGTH,
    ];
    let spelled = SPELLED
        .into_iter()
        .find(|own| own.eq_ignore_ascii_case(name.as_str()));
    spelled.unwrap_or(name.as_str())
}

#[cfg(test)]
mod tests;
