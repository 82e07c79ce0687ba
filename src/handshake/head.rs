//! Reading and writing an HTTP/1.1 head (RFC 9112 §2 to §5).
//!
//! Reading has two steps. [`HeadReader`] finds the end of the head while bytes arrive, looks at
//! each byte once, and refuses as early as the byte that proves it: too many bytes, too many
//! headers, a blank line first, a bare CR or LF, a NUL, a folded header. Then [`parse_request`] or
//! [`parse_response`] parses the complete head. Bytes after the head are not touched: they are
//! frames, or the body of a refusal.
//!
//! A request target is taken in origin-form, or as an `http` or `https` URI, which
//! [`server::accept`](super::server::accept) then compares with `Host`. Authority-form and `*`
//! are for other methods than `GET`, and refused.

use bytes::BytesMut;
use http::uri::{PathAndQuery, Scheme};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};

use super::{Excerpt, HandshakeError, headers};

/// How much of a head is read before it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadLimits {
    /// The most bytes of a head, its closing blank line included. 16 KiB by default.
    pub max_bytes: usize,
    /// The most header lines, the start line not counted. 64 by default.
    pub max_headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            max_bytes: 16 * 1024,
            max_headers: 64,
        }
    }
}

/// Finds where a head ends, as its bytes arrive. One reader serves one head.
#[derive(Debug, Clone)]
pub struct HeadReader {
    limits: HeadLimits,
    /// Bytes that need not be looked at again.
    scanned: usize,
    /// Whether `scanned` is where a line begins.
    at_line_start: bool,
    /// Complete lines, the start line included.
    lines: usize,
}

impl HeadReader {
    /// Makes a reader for one head.
    pub fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            scanned: 0,
            at_line_start: true,
            lines: 0,
        }
    }

    /// Returns the length of the head at the start of `input`, or `None` if more bytes are needed.
    ///
    /// `input` is everything received so far, from the first byte of the head; each call goes on
    /// where the last one stopped. What follows the head is not looked at.
    ///
    /// # Errors
    ///
    /// The first rule broken, in the order of the bytes. How they were split does not matter.
    pub fn find(&mut self, input: &[u8]) -> Result<Option<usize>, HandshakeError> {
        let window = input.get(..self.limits.max_bytes).unwrap_or(input);
        while let Some(rest) = window.get(self.scanned..) {
            if self.at_line_start
                && let Some(first) = rest.first()
            {
                self.check_line_start(*first)?;
                if *first != b'\r' {
                    self.at_line_start = false;
                }
            }
            let Some(offset) = memchr::memchr3(b'\r', b'\n', b'\0', rest) else {
                self.scanned = window.len();
                break;
            };
            self.scanned += offset;
            let mut found = window.iter().skip(self.scanned);
            match (found.next(), found.next()) {
                (Some(b'\r'), Some(b'\n')) if self.at_line_start => {
                    return Ok(Some(self.scanned + 2));
                }
                (Some(b'\r'), Some(b'\n')) => self.end_line(),
                (Some(b'\r'), Some(_)) => return Err(HandshakeError::BareCarriageReturn),
                (Some(b'\n'), _) => return Err(HandshakeError::BareLineFeed),
                (Some(b'\0'), _) => return Err(HandshakeError::NulInHead),
                _ => break,
            }
        }
        if input.len() >= self.limits.max_bytes {
            return Err(HandshakeError::HeadTooLarge {
                limit: self.limits.max_bytes,
            });
        }
        Ok(None)
    }

    fn end_line(&mut self) {
        self.scanned += 2;
        self.lines += 1;
        self.at_line_start = true;
    }

    fn check_line_start(&self, first: u8) -> Result<(), HandshakeError> {
        if self.lines == 0 {
            return match first {
                b'\r' | b'\n' => Err(HandshakeError::LeadingBlankLine),
                _ => Ok(()),
            };
        }
        match first {
            b'\r' => Ok(()),
            b' ' | b'\t' => Err(HandshakeError::FoldedHeader),
            _ if self.lines > self.limits.max_headers => Err(HandshakeError::TooManyHeaders {
                limit: self.limits.max_headers,
            }),
            _ => Ok(()),
        }
    }
}

/// Parses a request head: exactly the bytes up to and with its closing blank line.
///
/// # Errors
///
/// Whatever [`HeadReader::find`] refuses, [`IncompleteHead`](HandshakeError::IncompleteHead) if
/// the bytes are less or more than one head, a malformed line, another version than HTTP/1.1, or a
/// target in another form than the module describes.
pub fn parse_request(head: &[u8], limits: &HeadLimits) -> Result<Request<()>, HandshakeError> {
    let mut lines = header_buffer(head, limits)?;
    let mut parsed = httparse::Request::new(&mut lines);
    check_parsed(parsed.parse(head))?;
    if parsed.version != Some(1) {
        return Err(HandshakeError::HttpVersion);
    }
    let method = parsed.method.unwrap_or_default().as_bytes();
    let method = Method::from_bytes(method).map_err(|_| malformed("method"))?;
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = parse_target(parsed.path.unwrap_or_default())?;
    *request.headers_mut() = collect(parsed.headers, limits)?;
    Ok(request)
}

/// Parses a response head: exactly the bytes up to and with its closing blank line.
///
/// The reason phrase is checked and dropped. HTTP/1.0 is let pass: old servers refuse in it, and
/// [`client::verify`](super::client::verify) does not take a 101 of it.
///
/// # Errors
///
/// Whatever [`HeadReader::find`] refuses, [`IncompleteHead`](HandshakeError::IncompleteHead) if
/// the bytes are less or more than one head, a malformed line, or a version other than 1.0 and 1.1.
pub fn parse_response(head: &[u8], limits: &HeadLimits) -> Result<Response<()>, HandshakeError> {
    let mut lines = header_buffer(head, limits)?;
    let mut parsed = httparse::Response::new(&mut lines);
    check_parsed(parsed.parse(head))?;
    let code = parsed.code.unwrap_or_default();
    let status = StatusCode::from_u16(code).map_err(|_| malformed("status code"))?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = match parsed.version {
        Some(0) => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    *response.headers_mut() = collect(parsed.headers, limits)?;
    Ok(response)
}

/// Checks that the bytes are one head within the limits, and makes room for its header lines.
fn header_buffer<'a>(
    head: &[u8],
    limits: &HeadLimits,
) -> Result<Vec<httparse::Header<'a>>, HandshakeError> {
    let mut reader = HeadReader::new(*limits);
    if reader.find(head)? != Some(head.len()) {
        return Err(HandshakeError::IncompleteHead);
    }
    Ok(vec![httparse::EMPTY_HEADER; reader.lines.saturating_sub(1)])
}

fn check_parsed(
    outcome: Result<httparse::Status<usize>, httparse::Error>,
) -> Result<(), HandshakeError> {
    match outcome {
        Ok(httparse::Status::Complete(_)) => Ok(()),
        Ok(httparse::Status::Partial) => Err(HandshakeError::IncompleteHead),
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
    // `http::Uri` would drop a fragment, and let DEL and UTF-8 pass.
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

fn collect(
    lines: &[httparse::Header<'_>],
    limits: &HeadLimits,
) -> Result<HeaderMap, HandshakeError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes());
        let name = name.map_err(|_| malformed("header name"))?;
        let value = HeaderValue::from_bytes(line.value.trim_ascii());
        let mut value = value.map_err(|_| malformed("header value"))?;
        value.set_sensitive(headers::is_secret(&name));
        // The map has a capacity of its own, below what the limits can be set to.
        let appended = headers.try_append(name, value);
        appended.map_err(|_| HandshakeError::TooManyHeaders {
            limit: limits.max_headers,
        })?;
    }
    Ok(headers)
}

/// Writes a request head: the target in origin-form, `Host` first, the other headers in the order
/// of the map.
///
/// Nothing can be injected, for the types of `http` hold no line end.
pub fn write_request(request: &Request<()>, output: &mut BytesMut) {
    let method = request.method().as_str();
    // Not `path_and_query`, which lacks the `/` of `ws://host?query`.
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
/// Nothing can be injected, for the types of `http` hold no line end.
pub fn write_response(response: &Response<()>, output: &mut BytesMut) {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    for part in ["HTTP/1.1 ", status.as_str(), " ", reason, "\r\n"] {
        output.extend_from_slice(part.as_bytes());
    }
    write_headers(response.headers(), output);
}

fn write_headers(map: &HeaderMap, output: &mut BytesMut) {
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

/// Returns a name as RFC 6455 spells it, for old peers that compare case; others in lower case.
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
