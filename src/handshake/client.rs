//! The client's side of the handshake: creating a request and verifying the response (RFC 6455 §4.1).
//!
//! [`request`] creates the request for a [`Target`] and an [`Offer`], and [`verify`] checks the response.
//! Up to [`MAX_INTERIM_RESPONSES`] interim responses may precede the final one; the caller skips them. A
//! final response other than 101 is [`HandshakeError::Refused`]. A [`BodyReader`](super::BodyReader) reads
//! its body. Redirects are not followed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};

mod offer;
mod target;

pub use self::{offer::Offer, target::IntoTarget};
use super::{
    Excerpt, HandshakeError, Negotiated, PRODUCT, Target, UriError, VERSION, accept_key, basic,
    check_connection, extensions, headers,
};
use crate::config::Config;

/// The maximum number of interim responses that a client skips.
pub const MAX_INTERIM_RESPONSES: usize = 4;

/// Returns whether another response follows one with this status: 1xx, but not 101 (RFC 9110 §15.2).
pub fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// Creates the request that opens a connection, with a fresh key (RFC 6455 §4.1).
///
/// Its URI is the resource name in origin-form. User info becomes Basic `Authorization`.
///
/// # Errors
///
/// - [`NoRandomness`](HandshakeError::NoRandomness) if the system has no random bytes for the key.
/// - [`InvalidSetting`](HandshakeError::InvalidSetting) for a host that is not a valid header value, for an
///   extension whose name or parameters are not tokens, and for two extensions of one name.
pub fn request(
    target: &Target,
    offer: &Offer,
    config: &Config,
) -> Result<Request<()>, HandshakeError> {
    let mut nonce = [0; 16];
    getrandom::fill(&mut nonce).map_err(|_| HandshakeError::NoRandomness)?;
    request_with_nonce(target, offer, config, nonce)
}

fn request_with_nonce(
    target: &Target,
    offer: &Offer,
    config: &Config,
    nonce: [u8; 16],
) -> Result<Request<()>, HandshakeError> {
    let mut fields = HeaderMap::new();
    fields.insert(HOST, headers::value("host", &target.host_header())?);
    if let Some((name, password)) = target.credentials() {
        let credentials = basic::authorization(name, password);
        fields.insert(AUTHORIZATION, credentials.ok_or(UriError::InvalidUserInfo)?);
    }
    if let Some(origin) = &offer.origin {
        fields.insert(ORIGIN, origin.clone());
    }
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(
        SEC_WEBSOCKET_KEY,
        headers::value("key", &STANDARD.encode(nonce))?,
    );
    fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    if !offer.subprotocols.is_empty() {
        let list = offer.subprotocols.join(", ");
        fields.insert(
            SEC_WEBSOCKET_PROTOCOL,
            headers::value("subprotocol", &list)?,
        );
    }
    if let Some(offers) = extensions::offer(config.extensions())? {
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, offers);
    }
    fields.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    // Replaces the default headers of the same names.
    fields.extend(offer.headers.clone());
    if fields.get(USER_AGENT).is_some_and(HeaderValue::is_empty) {
        fields.remove(USER_AGENT);
    }
    let mut request = Request::new(());
    let uri = Uri::try_from(target.path_and_query());
    *request.uri_mut() = uri.map_err(|_| UriError::InvalidPath)?;
    *request.headers_mut() = fields;
    Ok(request)
}

/// Verifies the response to the request `sent`, which was created from `offer` (RFC 6455 §4.1).
///
/// The checks, in this order:
///
/// 1. The version is HTTP/1.1 and the status is 101.
/// 2. `Upgrade` appears once and is `websocket`, and the `Connection` list contains `upgrade`. Case is
///    ignored.
/// 3. `Sec-WebSocket-Accept` appears once and matches the key of the request.
/// 4. `Sec-WebSocket-Extensions`, unless absent or empty, names extensions of `offer`, each at most once.
///    Their parameters are valid responses to the offer, and no two use the same reserved bit.
/// 5. `Sec-WebSocket-Protocol`, unless absent or empty, appears once and names an offered subprotocol.
///
/// `Content-Length` and `Transfer-Encoding` are ignored, because a 101 has no body (RFC 9112 §6.3).
///
/// # Errors
///
/// The error of the first check that failed. For a status other than 101, it is
/// [`Refused`](HandshakeError::Refused) with the headers and an empty body. A caller that reads the body
/// checks the status first, and creates the error with [`HandshakeError::refused`].
pub fn verify(
    sent: &Request<()>,
    config: &Config,
    response: &Response<()>,
) -> Result<Negotiated, HandshakeError> {
    if response.version() != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(HandshakeError::refused(response.clone(), Bytes::new()));
    }
    let fields = response.headers();
    check_upgrade(fields)?;
    check_connection(fields)?;
    check_accept(sent, fields)?;
    let extensions = extensions::confirm(fields, config.extensions())?;
    let subprotocol = check_subprotocol(sent, fields)?;
    Ok(Negotiated {
        subprotocol,
        extensions,
    })
}

/// Checks `Upgrade`. A request contains a list of protocols, but a response exactly the chosen one.
fn check_upgrade(fields: &HeaderMap) -> Result<(), HandshakeError> {
    let header = headers::UPGRADE;
    match headers::singleton(fields, header)? {
        Some(protocol) if protocol.eq_ignore_ascii_case(b"websocket") => Ok(()),
        _ => Err(HandshakeError::NotUpgrade { header }),
    }
}

fn check_accept(sent: &Request<()>, fields: &HeaderMap) -> Result<(), HandshakeError> {
    let got = headers::required(fields, headers::ACCEPT)?;
    let expected = accept_key(headers::required(sent.headers(), headers::KEY)?);
    if got == expected {
        return Ok(());
    }
    Err(HandshakeError::AcceptMismatch {
        expected: Excerpt::new(&expected),
        got: Excerpt::new(got),
    })
}

fn check_subprotocol(
    sent: &Request<()>,
    fields: &HeaderMap,
) -> Result<Option<String>, HandshakeError> {
    let chosen = headers::singleton(fields, headers::PROTOCOL)?;
    let Some(chosen) = chosen.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let offered = headers::subprotocols(sent.headers())?;
    let found = offered.into_iter().find(|name| name.as_bytes() == chosen);
    match found {
        Some(name) => Ok(Some(name.to_owned())),
        None => Err(HandshakeError::SubprotocolNotOffered(Excerpt::new(chosen))),
    }
}

#[cfg(test)]
mod tests;
