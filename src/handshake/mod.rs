//! The opening handshake of RFC 6455 §4, without I/O.
//!
//! [`head`] reads bytes into an `http` request or response, and writes them. [`client::request`] creates a
//! request, and [`client::verify`] checks the response. [`server::accept`] checks a request, and
//! [`server::refuse`] creates the response to an invalid one. This module reads no socket, clock or global
//! state. Limits are arguments. Every error is a [`HandshakeError`] that names the rule, the header or the
//! limit.
//!
//! The checks refuse a head that can be read in two ways. A head is HTTP/1.1 with CRLF line ends and without
//! folded lines. Headers that may appear once must not repeat. Lists are compared by their grammar and not by
//! substring. A request with a body is refused. The checks accept the unusual where its meaning is clear, such
//! as `Content-Length: 0`, and an empty list header. Each function documents its checks in their order.
//!
//! [`Config::extension`](crate::Config::extension) adds the extensions of a side. [`Negotiated`] contains the
//! negotiated ones.
//!
//! ```
//! use wsimd::{Config, Offer, Policy, bytes::BytesMut, handshake::{Target, client, head, server}};
//!
//! let config = Config::new();
//! let mut wire = BytesMut::new();
//!
//! let offer = Offer::new().subprotocols(["chat"])?;
//! let sent = client::request(&Target::parse("ws://example.com/room")?, &offer, &config)?;
//! head::write_request(&sent, &mut wire);
//!
//! // The server answers 401, 404 or anything else before `accept`, or the refusal of `accept`.
//! let (request, len) = head::parse_request(&wire, &config)?.expect("a whole head");
//! let policy = Policy::new().subprotocols(["chat"])?;
//! let (response, accepted) = server::accept(&request, &policy, &config)?;
//! assert_eq!((request.uri().path(), len), ("/room", wire.len()));
//! wire.clear();
//! head::write_response(&response, &mut wire);
//!
//! let (response, _) = head::parse_response(&wire, &config)?.expect("a whole head");
//! let verified = client::verify(&sent, &config, &response)?;
//! assert_eq!(verified.subprotocol(), Some("chat"));
//! assert_eq!(accepted.subprotocol(), Some("chat"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Parts`](crate::Parts) and [`Codec::extensions`](crate::Codec::extensions) take the outcome.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha1_smol::Sha1;

use crate::extension::Extensions;

pub(crate) mod authority;
mod basic;
mod body;
pub mod client;
mod error;
mod extensions;
pub mod head;
mod headers;
mod origin;
#[cfg(feature = "proxy")]
pub(crate) mod proxy;
#[cfg(feature = "client")]
pub(crate) mod redirect;
pub mod server;
mod start;
mod uri;

pub use basic::Credentials;
pub use body::BodyReader;
pub use error::{Excerpt, HandshakeError};
pub use origin::Origins;
pub use uri::{Target, UriError};

/// The GUID that is appended to a key before hashing (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The name and the version of this crate, for `User-Agent` and `Server`.
const PRODUCT: &str = concat!("wsimd/", env!("CARGO_PKG_VERSION"));

/// The only version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";

/// Returns the `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`: the base64 of the SHA-1 of the key and a
/// fixed GUID, in ASCII (RFC 6455 §4.2.2).
///
/// `key` is the header value as it was sent, not decoded.
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut accept = [0; 28];
    let written = STANDARD.encode_slice(hash.digest().bytes(), &mut accept);
    debug_assert_eq!(written, Ok(28));
    accept
}

/// The subprotocol and the extensions that the opening handshake negotiated.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Negotiated {
    subprotocol: Option<String>,
    extensions: Extensions,
}

impl Negotiated {
    /// Returns the negotiated subprotocol, or `None` if there is none (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the negotiated extensions, which may be [empty](Extensions::is_empty) (RFC 6455 §9.1).
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns the negotiated extensions by value, for [`Parts::extensions`](crate::Parts::extensions) or
    /// [`Codec::extensions`](crate::Codec::extensions).
    pub fn into_extensions(self) -> Extensions {
        self.extensions
    }
}

/// Checks that the `Connection` list contains `upgrade` (RFC 6455 §4.2.1, §4.1).
fn check_connection(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let name = headers::CONNECTION;
    if headers::list_contains(headers, name, b"upgrade", headers::is_token)? {
        return Ok(());
    }
    Err(HandshakeError::NotUpgrade { header: name })
}

/// Returns the element of `Connection` or `Upgrade` that asks for WebSocket.
fn upgrade_element(header: &str) -> &'static str {
    match header {
        headers::CONNECTION => "Upgrade",
        _ => "websocket",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_section_1_3_is_reproduced() {
        let accept = accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(&accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn nothing_is_negotiated_by_default() {
        assert_eq!(Negotiated::default().subprotocol(), None);
    }
}
