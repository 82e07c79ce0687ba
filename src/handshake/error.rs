//! [`HandshakeError`]: the errors of the opening handshake, with one variant for each rule.
//!
//! An error keeps data of the peer as an [`Excerpt`], which has a limited size and is escaped for output.
//! An error can therefore be written to a terminal or a log. It never contains credentials.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::UriError;
use crate::{extension::NegotiationError, frame::Role};

mod text;

/// The maximum number of bytes in an [`Excerpt`].
const EXCERPT_LEN: usize = 128;

/// The beginning of a text that the peer sent, or of a setting that cannot be used.
///
/// Contains at most 128 bytes. A longer text is cut and ends with `...`. `Display` and `Debug` escape all
/// characters except printable ASCII.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(Box<[u8]>);

impl Excerpt {
    pub(super) fn new(bytes: &[u8]) -> Self {
        const MARK: &[u8] = b"...";
        if bytes.len() <= EXCERPT_LEN {
            return Self(bytes.into());
        }
        let kept = bytes.iter().take(EXCERPT_LEN - MARK.len());
        Self(kept.chain(MARK).copied().collect())
    }

    /// Creates an excerpt of a text with an authority. Replaces all bytes before the last `@` with `***`,
    /// because they may contain a password.
    pub(super) fn without_user_info(bytes: &[u8]) -> Self {
        let Some(at) = memchr::memrchr(b'@', bytes) else {
            return Self::new(bytes);
        };
        let host = bytes.get(at..).unwrap_or_default();
        Self::new(&[b"***", host].concat())
    }

    /// Returns the bytes, unescaped.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why an opening handshake failed.
///
/// [`status`](Self::status) returns the status with which a server answers.
/// [`server::refuse`](super::server::refuse) creates the whole response.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The head did not end within the limit, in bytes.
    HeadTooLarge {
        /// [`Config::max_head_size`](crate::Config::max_head_size).
        limit: usize,
    },
    /// The head has more header lines than the limit.
    TooManyHeaders {
        /// [`Config::max_headers`](crate::Config::max_headers), or the capacity of the header map.
        limit: usize,
    },
    /// The first bytes of the peer are not HTTP: a TLS record, or another protocol.
    NotHttp {
        /// The role of the peer.
        sender: Role,
        /// The first bytes, at most 32.
        start: Excerpt,
    },
    /// A line end precedes the start line. One empty line before a request is accepted (RFC 9112 §2.2).
    LeadingBlankLine,
    /// An LF is not preceded by a CR.
    BareLineFeed,
    /// A CR is not followed by an LF (RFC 9112 §2.2).
    BareCarriageReturn,
    /// The head contains a NUL.
    NulInHead,
    /// A line of the head begins with a space or a tab: an obs-fold (RFC 9112 §5.2).
    FoldedHeader,
    /// The start line or a header line is not HTTP.
    MalformedHead {
        /// The invalid part.
        reason: &'static str,
    },
    /// The peer does not speak HTTP/1.1 (RFC 6455 §4.1, §4.2.1).
    HttpVersion,
    /// The request target is neither in origin-form nor an `http` or `https` URI (RFC 9112 §3.2).
    InvalidTarget(Excerpt),
    /// The method is not `GET` (RFC 6455 §4.2.1).
    Method(Excerpt),
    /// A header announces a body: a `Content-Length` other than 0, or `Transfer-Encoding`.
    BodyNotAllowed {
        /// `Content-Length` or `Transfer-Encoding`.
        header: &'static str,
    },
    /// A required header is missing.
    MissingHeader {
        /// Its name.
        header: &'static str,
    },
    /// A header that may appear once appears again.
    DuplicateHeader {
        /// Its name.
        header: &'static str,
    },
    /// The value of a header does not follow its grammar.
    InvalidHeader {
        /// Its name.
        header: &'static str,
        /// Its value, or the invalid element of its list.
        value: Excerpt,
    },
    /// The request target and `Host` name different hosts or ports (RFC 9112 §3.2.2).
    HostMismatch(Excerpt),
    /// The server's list of hosts does not contain `Host`.
    HostNotAllowed(Excerpt),
    /// `Connection` lacks `upgrade`, or `Upgrade` lacks `websocket` (RFC 6455 §4.1, §4.2.1).
    NotUpgrade {
        /// `Connection` or `Upgrade`.
        header: &'static str,
    },
    /// `Sec-WebSocket-Version` is not 13 (RFC 6455 §4.4).
    UnsupportedVersion {
        /// Its value, or `None` when the header is missing.
        got: Option<Excerpt>,
    },
    /// The server does not accept the origin of the browser page (RFC 6455 §10.2).
    OriginNotAllowed(Excerpt),
    /// The request has no `Origin`, and the server requires one
    /// ([`Origins::required`](super::Origins::required)).
    OriginRequired,
    /// The server requires a subprotocol, and selects none of those that the request offers
    /// ([`Policy::require_subprotocol`](super::server::Policy::require_subprotocol)).
    SubprotocolRequired {
        /// The subprotocols of the server, separated by commas.
        supported: Box<str>,
    },
    /// The server cannot accept a connection now, because it is full or stopping. It answers with 503 and
    /// `Retry-After: 1`, in seconds.
    Unavailable {
        /// The reason, which the answer contains.
        reason: &'static str,
    },
    /// `Sec-WebSocket-Protocol` offers the same subprotocol twice (RFC 6455 §4.1).
    DuplicateSubprotocol(Excerpt),
    /// The server answered with a status other than 101. Contains the status, the headers and the part of
    /// the body that was read.
    Refused(Box<Response<Bytes>>),
    /// The server redirected, and the redirect is not followed, although
    /// [`max_redirects`](crate::ClientBuilder::max_redirects) allows redirects.
    Redirect {
        /// The target of the redirect, without user info.
        to: Excerpt,
        /// The reason.
        reason: &'static str,
    },
    /// `Sec-WebSocket-Accept` does not match our key (RFC 6455 §4.1).
    AcceptMismatch {
        /// The value that matches the key of the request.
        expected: Excerpt,
        /// The value that the server sent.
        got: Excerpt,
    },
    /// The server chose a subprotocol that was not offered (RFC 6455 §4.1).
    SubprotocolNotOffered(Excerpt),
    /// The server chose an extension that was not offered (RFC 6455 §4.1).
    ExtensionNotOffered(Excerpt),
    /// The server accepted an extension twice.
    DuplicateExtension(Excerpt),
    /// The server accepted two extensions that use the same reserved bit (RFC 6455 §9.1).
    ReservedBitsTaken(Excerpt),
    /// The server's parameters for an extension are not a valid response to the offer.
    Extension {
        /// The extension.
        name: Excerpt,
        /// The reason.
        error: Box<NegotiationError>,
    },
    /// The URI is invalid.
    Uri(UriError),
    /// The handshake sets this header itself or requires its absence, so the application cannot add it.
    ReservedHeader(Excerpt),
    /// A setting of this side cannot be used.
    InvalidSetting {
        /// The name of the setting.
        setting: &'static str,
        /// Its value. For a header, only the name of the header. For credentials, only the name of the user.
        value: Excerpt,
        /// The rule that the value breaks.
        reason: &'static str,
    },
    /// The operating system provided no random bytes for the key.
    NoRandomness,
}

// `Error` boxes this type, and the box should stay small.
const _: () = assert!(size_of::<HandshakeError>() <= 56);

impl HandshakeError {
    /// Creates a [`Refused`](Self::Refused) from the head and the body of a response.
    pub fn refused(head: Response<()>, body: Bytes) -> Self {
        Self::Refused(Box::new(head.map(|()| body)))
    }

    /// Returns the response of a server that refused, with the start of its body.
    pub fn response(&self) -> Option<&Response<Bytes>> {
        match self {
            Self::Refused(response) => Some(response),
            _ => None,
        }
    }

    /// Returns the status with which a server answers the request that failed: 400 unless a more precise
    /// status exists, and 500 for an error that does not concern a request.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::HeadTooLarge { .. } | Self::TooManyHeaders { .. } => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::HostNotAllowed(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::NotUpgrade { .. } | Self::UnsupportedVersion { .. } => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::OriginNotAllowed(_) | Self::OriginRequired => StatusCode::FORBIDDEN,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused(_)
            | Self::Redirect { .. }
            | Self::AcceptMismatch { .. }
            | Self::SubprotocolNotOffered(_)
            | Self::ExtensionNotOffered(_)
            | Self::DuplicateExtension(_)
            | Self::ReservedBitsTaken(_)
            | Self::Extension { .. }
            | Self::Uri(_)
            | Self::ReservedHeader(_)
            | Self::InvalidSetting { .. }
            | Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns whether the peer broke a rule of HTTP or of RFC 6455, or exceeded a limit.
    ///
    /// Returns `false` for a refusal by a policy (origin, host, subprotocol, or the server's refusal), for a server that is
    /// unavailable, and for a fault of this side.
    pub fn is_peer_fault(&self) -> bool {
        !matches!(
            self,
            Self::HostNotAllowed(_)
                | Self::OriginNotAllowed(_)
                | Self::OriginRequired
                | Self::SubprotocolRequired { .. }
                | Self::Unavailable { .. }
                | Self::Refused(_)
                | Self::Redirect { .. }
                | Self::Uri(_)
                | Self::ReservedHeader(_)
                | Self::InvalidSetting { .. }
                | Self::NoRandomness
        )
    }
}

// `Display` has the text of the errors within.
impl Error for HandshakeError {}

impl From<UriError> for HandshakeError {
    fn from(error: UriError) -> Self {
        Self::Uri(error)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{CONTENT_TYPE, LOCATION};

    use super::*;

    #[test]
    fn control_characters_and_bidi_marks_are_escaped() {
        let value = Excerpt::new("a\x1b[31m\r\nb\0\u{202e}\"".as_bytes());
        let shown = HandshakeError::OriginNotAllowed(value).to_string();
        assert!(
            shown.contains(r#""a\x1b[31m\r\nb\x00\xe2\x80\xae\"""#),
            "{shown}"
        );
        assert!(shown.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
    }

    #[test]
    fn debug_escapes_as_well() {
        let error = HandshakeError::Method(Excerpt::new(b"\x1b\n"));
        assert_eq!(format!("{error:?}"), r#"Method("\x1b\n")"#);
    }

    #[test]
    fn an_excerpt_keeps_128_bytes_and_marks_the_cut() {
        assert_eq!(Excerpt::new(&[b'x'; 128]).as_bytes(), [b'x'; 128]);
        let cut = Excerpt::new(&[b'x'; 129]);
        assert_eq!(cut.as_bytes().len(), 128);
        assert!(cut.as_bytes().ends_with(b"xx..."));
    }

    #[test]
    fn user_info_is_replaced_in_an_excerpt() {
        let excerpt = Excerpt::without_user_info(b"http://user:secret@host/");
        assert_eq!(excerpt.as_bytes(), b"***@host/");
    }

    #[test]
    fn a_refusal_names_its_status() {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::FORBIDDEN;
        let error = HandshakeError::refused(head, Bytes::from_static(b"why"));
        assert_eq!(
            error.to_string(),
            "the server answered 403 Forbidden, not 101"
        );
        assert!(!error.is_peer_fault());
    }

    #[test]
    fn a_refusal_shows_the_first_line_of_a_text_escaped() {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::NOT_FOUND;
        let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
        head.headers_mut().insert(CONTENT_TYPE, kind);
        let error = HandshakeError::refused(head, Bytes::from_static(b"\r\nno \x1b route\nmore"));
        assert_eq!(
            error.to_string(),
            r#"the server answered 404 Not Found, not 101: "no \x1b route""#
        );
    }

    #[test]
    fn a_page_is_not_shown() {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::BAD_GATEWAY;
        let kind = http::HeaderValue::from_static("text/html");
        head.headers_mut().insert(CONTENT_TYPE, kind);
        let error = HandshakeError::refused(head, Bytes::from_static(b"<html>"));
        assert!(error.to_string().ends_with("502 Bad Gateway, not 101"));
    }

    #[test]
    fn a_redirect_names_its_target_without_user_info() {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::MOVED_PERMANENTLY;
        let target = http::HeaderValue::from_static("wss://user:secret@example.com/");
        head.headers_mut().insert(LOCATION, target);
        let error = HandshakeError::refused(head, Bytes::new());
        assert_eq!(
            error.to_string(),
            r#"the server answered 301 Moved Permanently to "***@example.com/", not 101; redirects are not followed (ClientBuilder::max_redirects)"#
        );
    }
}
