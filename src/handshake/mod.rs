//! The opening handshake of RFC 6455 §4, without I/O.
//!
//! Bytes become a head ([`head`]), a head becomes an `http` request or response, and two pairs of
//! functions judge them: [`client::request`] and [`client::verify`], [`server::accept`] and
//! [`server::refuse`]. Nothing here reads a socket, a clock or a global; limits come in as
//! arguments, and every error is a [`HandshakeError`] that names the rule, the header or the limit.
//!
//! What is checked is stricter than the HTTP parser alone: one HTTP/1.1 head with CRLF line ends
//! and nothing folded, singletons once, lists by grammar rather than by substring, no body on
//! either side of an upgrade. Each function documents its checks in the order they are made.
//! Extensions are those of [`client::Offer`] and [`server::Policy`]: what both sides agree on is part
//! of [`Negotiated`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use sha1_smol::Sha1;

use crate::extension::Extensions;

mod authority;
mod body;
pub mod client;
mod error;
mod extensions;
pub mod head;
mod headers;
mod origin;
pub mod server;
mod uri;

pub use body::BodyReader;
pub use error::{Excerpt, HandshakeError};
pub use origin::Origins;
pub use uri::{Target, UriError};

/// What a key is joined with before it is hashed (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The only version of the protocol (RFC 6455 §4.1).
const VERSION: &str = "13";

/// Returns the `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`: the base64 of the SHA-1
/// of the key and a fixed GUID, in ASCII (RFC 6455 §4.2.2).
///
/// The key is taken as the bytes of the header value; it is not decoded.
pub fn accept_key(key: &[u8]) -> [u8; 28] {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    let mut accept = [0; 28];
    let written = STANDARD.encode_slice(hash.digest().bytes(), &mut accept);
    debug_assert_eq!(written, Ok(28));
    accept
}

/// What both sides agreed on in the opening handshake.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Negotiated {
    subprotocol: Option<String>,
    extensions: Extensions,
}

impl Negotiated {
    /// Returns the subprotocol in use, or `None` when the connection has none (RFC 6455 §1.9).
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the extensions in use, none when [empty](Extensions::is_empty) (RFC 6455 §9.1).
    pub const fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Takes the extensions, for [`Parts::extensions`](crate::Parts::extensions) or
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

/// Checks that neither framing header of a body is present: bytes after the head are frames.
fn check_no_body(headers: &HeaderMap) -> Result<(), HandshakeError> {
    for header in [headers::CONTENT_LENGTH, headers::TRANSFER_ENCODING] {
        if headers.contains_key(header) {
            return Err(HandshakeError::BodyNotAllowed { header });
        }
    }
    Ok(())
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
