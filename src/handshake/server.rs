//! The server's side of the handshake: checking a request and answering it (RFC 6455 §4.2).
//!
//! [`accept`] returns the 101 response to a valid request, and [`refuse`] the response to an invalid one. A
//! [`Policy`] contains the decisions of the application: origins, hosts, subprotocols and additional headers.
//! [`unauthorized`] asks for the [credentials](super::Credentials) of Basic authentication.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use super::authority::{Authority, default_port};
use super::{
    Excerpt, HandshakeError, Negotiated, VERSION, accept_key, check_connection, extensions, headers,
};
use crate::{config::Config, extension::Params};

mod policy;
mod refusal;
mod request;

pub use policy::Policy;
pub use refusal::{refuse, unauthorized};
pub use request::RequestHead;

/// Base64 that ignores the spare bits of the last character. The example key of RFC 6455 §4.1 has such bits.
const KEY_ENCODING: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

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
/// 8. `Origin` appears at most once (400), and the policy accepts it or its absence (403).
/// 9. `Sec-WebSocket-Protocol`, unless absent or empty, lists tokens without duplicates (400). If the policy
///    requires a subprotocol, it selects one (400).
/// 10. `Sec-WebSocket-Extensions`, unless absent or empty, follows its grammar (400). Extensions that cannot
///     be negotiated are declined.
///
/// The request may be an [`http::Request`] with any body or its [parts](http::request::Parts), by reference,
/// or a [`RequestHead`].
///
/// # Errors
///
/// The first check that failed. [`refuse`] creates the response.
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
    policy.check_host(&host)?;
    check_connection(fields)?;
    check_upgrade(fields)?;
    check_version(fields)?;
    let key = check_key(fields)?;
    check_origin(fields, &host, policy)?;
    let subprotocol = policy.select(&headers::subprotocols(fields)?)?;
    let extensions = extensions::accept(fields, config.extensions())?;
    let negotiated = Negotiated {
        subprotocol,
        extensions,
    };
    let response = switching_protocols(key, &negotiated, policy)?;
    Ok((response, negotiated))
}

/// Returns the subprotocols that a request offers, in the client's order (RFC 6455 §4.1). The list is empty if
/// the header is absent or empty.
///
/// # Errors
///
/// [`InvalidHeader`](HandshakeError::InvalidHeader) for an element that is not a token, and
/// [`DuplicateSubprotocol`](HandshakeError::DuplicateSubprotocol).
pub fn offered_subprotocols(headers: &HeaderMap) -> Result<Vec<&str>, HandshakeError> {
    headers::subprotocols(headers)
}

/// Returns the names and the parameters of the extensions that a request offers, in the client's order
/// (RFC 6455 §9.1). One name may appear several times. The list is empty if the header is absent or empty.
///
/// # Errors
///
/// [`InvalidHeader`](HandshakeError::InvalidHeader) for an element that does not follow the grammar.
pub fn offered_extensions(headers: &HeaderMap) -> Result<Vec<(String, Params)>, HandshakeError> {
    extensions::read(headers)
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
        let target = Authority::from_bytes(authority.as_str().as_bytes());
        let target = target.map(|it| it.without_default(default));
        if target != Ok(host.clone().without_default(default)) {
            return Err(HandshakeError::HostMismatch(excerpt()));
        }
    }
    Ok(host)
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
        None if policy.origins.is_required() => Err(HandshakeError::OriginRequired),
        _ => Ok(()),
    }
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
    policy.add_headers(fields);
    Ok(response)
}

#[cfg(test)]
mod tests;
