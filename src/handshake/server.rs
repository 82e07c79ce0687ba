//! The server's side of the handshake: checking a request and answering it (RFC 6455 §4.2).
//!
//! [`accept`] returns the 101 response to a valid request, and [`refuse`] the response to an invalid one. A
//! [`Policy`] contains the decisions of the application: origins, hosts, subprotocols, extensions and
//! additional headers.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
    request,
};

use super::authority::{Authority, default_port};
use super::{
    Excerpt, HandshakeError, Negotiated, Origins, VERSION, accept_key, check_connection,
    extensions, headers,
};
use crate::config::Config;

/// Base64 that ignores the spare bits of the last character. The example key of RFC 6455 §4.1 has such bits.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The requests that a server accepts, in addition to the rules of the protocol, and its additional
/// headers.
///
/// By default a server accepts pages of its own host, every `Host`, and no subprotocol.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    origins: Origins,
    hosts: Option<Vec<Authority>>,
    subprotocols: Vec<String>,
    headers: HeaderMap,
}

impl Policy {
    /// Creates a policy with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which origins are accepted: by default [`Origins::same_host`].
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Sets the accepted values of `Host`, such as `example.com` or `[::1]:8080`. Default: all.
    ///
    /// An entry without a port accepts every port. Case and a final dot are ignored, and so is the zone of an
    /// IPv6 address. An empty list accepts no host. A list refuses pages that
    /// reach this server under a host name of their own (DNS rebinding), which the same-host rule for
    /// origins cannot detect.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for an entry that is not a host.
    pub fn hosts<I>(mut self, hosts: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut served = Vec::new();
        for host in hosts {
            let host = host.as_ref();
            let parsed = Authority::from_bytes(host.as_bytes());
            let parsed = parsed.map_err(|_| headers::invalid_setting("host", host.as_bytes()))?;
            served.push(parsed.without_final_dot());
        }
        self.hosts = Some(served);
        Ok(self)
    }

    /// Sets the supported subprotocols, the preferred one first. Default: none.
    ///
    /// The server selects the first subprotocol that the client offers too. If there is none, it accepts
    /// the connection without a subprotocol, as RFC 6455 §4.2.2 provides. An application that requires a
    /// subprotocol then closes the connection.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for a name that is not a token or occurs twice.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = headers::check_subprotocols(names)?;
        Ok(self)
    }

    /// Adds a header to the 101 response. At most 256 can be added.
    ///
    /// # Errors
    ///
    /// - [`ReservedHeader`](HandshakeError::ReservedHeader) for a header that the handshake sets itself
    ///   (`Upgrade`, `Connection`, `Sec-WebSocket-*`), or that an upgrade must not have (`Content-Length`,
    ///   `Transfer-Encoding`).
    /// - [`InvalidSetting`](HandshakeError::InvalidSetting) for a malformed header, or for too many.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, HandshakeError>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        headers::add_extra(&mut self.headers, &[], name, value)?;
        Ok(self)
    }
}

/// Checks a request and creates the 101 response to it (RFC 6455 §4.2.1, §4.2.2).
///
/// The checks, in this order. The first that fails determines the status of the refusal:
///
/// 1. The method is `GET` (405), and the version is HTTP/1.1 (505).
/// 2. `Transfer-Encoding` is absent, and `Content-Length` is absent or appears once and is 0 (400).
/// 3. `Host` appears once and is well-formed. A target in absolute form names the same host and port (400).
/// 4. The policy accepts `Host`. The status is 421, "not by this server", because 403 would mean "not to
///    you".
/// 5. The `Connection` list contains `upgrade`, and the `Upgrade` list contains `websocket`. A list may
///    span several lines, and case is ignored. Without these elements, the request is ordinary HTTP (426).
///    A malformed list is an error (400).
/// 6. `Sec-WebSocket-Version` appears at most once (400), and is 13 (426, also if the header is missing).
/// 7. `Sec-WebSocket-Key` appears once, and is the base64 of 16 bytes (400). The spare bits of its last
///    character may have any value, as in the example of RFC 6455 §4.1.
/// 8. `Origin` appears at most once (400), and the policy accepts it (403).
/// 9. `Sec-WebSocket-Protocol`, unless absent or empty, lists tokens without duplicates (400).
/// 10. `Sec-WebSocket-Extensions`, unless absent or empty, follows its grammar (400). Extensions that cannot
///     be negotiated are declined.
///
/// # Errors
///
/// The first check that failed; [`refuse`] makes the response.
pub fn accept<'a>(
    request: impl Into<RequestHead<'a>>,
    policy: &Policy,
    config: &Config,
) -> Result<(Response<()>, Negotiated), HandshakeError> {
    let request = request.into();
    check_request_line(request)?;
    let fields = request.headers;
    check_no_body(fields)?;
    let host = check_host(request)?;
    check_host_is_served(&host, policy)?;
    check_connection(fields)?;
    check_upgrade(fields)?;
    check_version(fields)?;
    let key = check_key(fields)?;
    check_origin(fields, &host, policy)?;
    let subprotocol = select_subprotocol(fields, policy)?;
    let extensions = extensions::accept(fields, config.extensions())?;
    let negotiated = Negotiated {
        subprotocol,
        extensions,
    };
    let response = switching_protocols(key, &negotiated, policy)?;
    Ok((response, negotiated))
}

/// The head of a request. Made of `&Request<B>` or of `&http::request::Parts`.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
}

impl<'a, B> From<&'a Request<B>> for RequestHead<'a> {
    fn from(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
        }
    }
}

impl<'a> From<&'a request::Parts> for RequestHead<'a> {
    fn from(parts: &'a request::Parts) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
        }
    }
}

fn check_request_line(request: RequestHead<'_>) -> Result<(), HandshakeError> {
    let method = request.method;
    if method != Method::GET {
        return Err(HandshakeError::Method(Excerpt::new(
            method.as_str().as_bytes(),
        )));
    }
    if request.version != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !request.uri.path().starts_with('/') {
        let target = request.uri.to_string();
        return Err(HandshakeError::InvalidTarget(Excerpt::without_user_info(
            target.as_bytes(),
        )));
    }
    Ok(())
}

fn check_host(request: RequestHead<'_>) -> Result<Authority, HandshakeError> {
    let value = headers::required(request.headers, headers::HOST)?;
    let excerpt = || Excerpt::without_user_info(value);
    let host = Authority::from_bytes(value);
    let host = host.map_err(|_| HandshakeError::InvalidHeader {
        header: headers::HOST,
        value: excerpt(),
    })?;
    if let Some(authority) = request.uri.authority() {
        let default = default_port(request.uri.scheme_str().unwrap_or_default());
        let target = Authority::parse(authority.as_str()).map(|it| it.without_default(default));
        if target != Ok(host.clone().without_default(default)) {
            return Err(HandshakeError::HostMismatch(excerpt()));
        }
    }
    Ok(host)
}

fn check_host_is_served(host: &Authority, policy: &Policy) -> Result<(), HandshakeError> {
    let Some(served) = &policy.hosts else {
        return Ok(());
    };
    let wanted = host.clone().without_final_dot();
    let matches = |entry: &Authority| match entry.port() {
        Some(_) => *entry == wanted,
        None => entry.host() == wanted.host(),
    };
    if served.iter().any(matches) {
        return Ok(());
    }
    Err(HandshakeError::HostNotAllowed(Excerpt::new(
        host.to_string().as_bytes(),
    )))
}

fn check_upgrade(fields: &HeaderMap) -> Result<(), HandshakeError> {
    let header = headers::UPGRADE;
    if headers::list_contains(fields, header, b"websocket", headers::is_protocol)? {
        return Ok(());
    }
    Err(HandshakeError::NotUpgrade { header })
}

fn check_version(fields: &HeaderMap) -> Result<(), HandshakeError> {
    match headers::singleton(fields, headers::VERSION)? {
        Some(version) if version == VERSION.as_bytes() => Ok(()),
        got => Err(HandshakeError::UnsupportedVersion {
            got: got.map(Excerpt::new),
        }),
    }
}

/// Checks that no header announces a body, because the bytes after the head are frames. A length of zero
/// announces none (RFC 9112 §6.3).
fn check_no_body(fields: &HeaderMap) -> Result<(), HandshakeError> {
    let is_zero = |len: &[u8]| !len.is_empty() && len.iter().all(|digit| *digit == b'0');
    let header = headers::CONTENT_LENGTH;
    if headers::singleton(fields, header)?.is_some_and(|len| !is_zero(len)) {
        return Err(HandshakeError::BodyNotAllowed { header });
    }
    let header = headers::TRANSFER_ENCODING;
    if fields.contains_key(header) {
        return Err(HandshakeError::BodyNotAllowed { header });
    }
    Ok(())
}

/// Returns the key: "a base64-encoded [...] value that, when decoded, is 16 bytes in length".
fn check_key(fields: &HeaderMap) -> Result<&[u8], HandshakeError> {
    let key = headers::required(fields, headers::KEY)?;
    // 24 characters decode to at most 18 bytes. A longer key fails to decode.
    let mut nonce = [0; 18];
    match KEY_ENCODING.decode_slice(key, &mut nonce) {
        Ok(16) => Ok(key),
        _ => Err(headers::invalid(headers::KEY, key)),
    }
}

fn check_origin(
    fields: &HeaderMap,
    host: &Authority,
    policy: &Policy,
) -> Result<(), HandshakeError> {
    match headers::singleton(fields, headers::ORIGIN)? {
        Some(origin) if !policy.origins.accepts(origin, host) => Err(
            HandshakeError::OriginNotAllowed(Excerpt::without_user_info(origin)),
        ),
        _ => Ok(()),
    }
}

fn select_subprotocol(
    fields: &HeaderMap,
    policy: &Policy,
) -> Result<Option<String>, HandshakeError> {
    let offered = headers::subprotocols(fields)?;
    let mut spoken = policy.subprotocols.iter();
    Ok(spoken
        .find(|name| offered.contains(&name.as_str()))
        .cloned())
}

fn switching_protocols(
    key: &[u8],
    negotiated: &Negotiated,
    policy: &Policy,
) -> Result<Response<()>, HandshakeError> {
    let accept = HeaderValue::from_bytes(&accept_key(key));
    let accept = accept.map_err(|_| headers::invalid(headers::KEY, key))?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = negotiated.subprotocol() {
        fields.insert(SEC_WEBSOCKET_PROTOCOL, headers::value("subprotocol", name)?);
    }
    if !negotiated.extensions.is_empty() {
        let value = headers::value("extension", negotiated.extensions.as_str())?;
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, value);
    }
    fields.extend(policy.headers.clone());
    Ok(response)
}

/// Creates the response that refuses a request, with one line of text as its body.
///
/// The response closes the connection. The text escapes the data of the peer. A 405 contains `Allow`, and a
/// 426 contains `Upgrade` and `Sec-WebSocket-Version` (RFC 6455 §4.4), and a 503 `Retry-After` with one second. An error that does not concern a
/// request leads to a 500 without further details.
pub fn refuse(error: &HandshakeError) -> Response<String> {
    let status = error.status();
    let body = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "the opening handshake failed\n".to_owned(),
        _ => format!("{error}\n"),
    };
    let mut fields = HeaderMap::new();
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        // "A sender of Upgrade MUST also send an 'Upgrade' connection option" (RFC 9110 §7.8).
        fields.insert(CONNECTION, HeaderValue::from_static("close, Upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        fields.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

#[cfg(test)]
mod tests;
