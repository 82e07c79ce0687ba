//! Why an opening handshake failed: one variant per rule.
//!
//! What a peer sent is kept as an [`Excerpt`]: bounded, and escaped whenever it is shown, so an
//! error can go to a terminal or a log as it is. Credentials are never part of an error.

use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::{Response, StatusCode};

use super::UriError;
use crate::extension::NegotiationError;

/// The most bytes an [`Excerpt`] keeps.
const EXCERPT_LEN: usize = 128;

/// The beginning of something a peer sent, or of a setting that cannot be used.
///
/// At most 128 bytes; a longer text is cut and ends with `...`. `Display` and `Debug` escape
/// everything but printable ASCII.
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

    /// The same for a text with an authority: what stands before the last `@` is replaced by
    /// `***`, for it may hold a password.
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
/// [`status`](Self::status) is what a server answers; [`server::refuse`](super::server::refuse)
/// makes the whole response.
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
    /// A line ends before the start line.
    LeadingBlankLine,
    /// A LF is not preceded by a CR.
    BareLineFeed,
    /// A CR is not followed by a LF (RFC 9112 §2.2).
    BareCarriageReturn,
    /// The head contains a NUL.
    NulInHead,
    /// A line of the head begins with a space or a tab: an obs-fold (RFC 9112 §5.2).
    FoldedHeader,
    /// The start line or a header line is not HTTP.
    MalformedHead {
        /// Which part is wrong.
        reason: &'static str,
    },
    /// The peer does not speak HTTP/1.1 (RFC 6455 §4.1, §4.2.1).
    HttpVersion,
    /// The request target is neither in origin-form nor an `http` or `https` URI (RFC 9112 §3.2).
    InvalidTarget(Excerpt),
    /// The method is not `GET` (RFC 6455 §4.2.1).
    Method(Excerpt),
    /// A header that announces a body is present.
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
    /// A header's value is not of the form its definition asks for.
    InvalidHeader {
        /// Its name.
        header: &'static str,
        /// Its value, or the list element at fault.
        value: Excerpt,
    },
    /// The target names another authority than `Host` (RFC 9112 §3.2.2).
    HostMismatch(Excerpt),
    /// `Host` is not in the server's allow-list.
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
    /// The browser page behind the request is not one that the server accepts (RFC 6455 §10.2).
    OriginNotAllowed(Excerpt),
    /// `Sec-WebSocket-Protocol` offers the same subprotocol twice (RFC 6455 §4.1).
    DuplicateSubprotocol(Excerpt),
    /// The server answered, with something else than 101: its status, its headers and as much of
    /// its body as was read.
    Refused(Box<Response<Bytes>>),
    /// `Sec-WebSocket-Accept` does not answer our key (RFC 6455 §4.1).
    AcceptMismatch {
        /// What answers the key that was sent.
        expected: Excerpt,
        /// What the server sent.
        got: Excerpt,
    },
    /// The server chose a subprotocol that was not offered (RFC 6455 §4.1).
    SubprotocolNotOffered(Excerpt),
    /// The server chose an extension that was not offered (RFC 6455 §4.1).
    ExtensionNotOffered(Excerpt),
    /// The server agreed to an extension twice.
    DuplicateExtension(Excerpt),
    /// The server agreed to two extensions that own the same reserved bit (RFC 6455 §9.1).
    ReservedBitsTaken(Excerpt),
    /// The server's parameters for an extension do not follow from what was offered.
    Extension {
        /// The extension.
        name: Excerpt,
        /// What is wrong.
        error: Box<NegotiationError>,
    },
    /// The URI cannot be connected to.
    Uri(UriError),
    /// The handshake owns this header, so it cannot be added by hand.
    ReservedHeader(Excerpt),
    /// A setting given to this side cannot be used.
    InvalidSetting {
        /// Which setting.
        setting: &'static str,
        /// Its value; of a header, only its name.
        value: Excerpt,
    },
    /// The operating system gave no random bytes for the key.
    NoRandomness,
}

// The umbrella error boxes it; keep the box small.
const _: () = assert!(size_of::<HandshakeError>() <= 48);

impl HandshakeError {
    /// Makes [`Refused`](Self::Refused) from the head and the body of a response.
    pub fn refused(head: Response<()>, body: Bytes) -> Self {
        Self::Refused(Box::new(head.map(|()| body)))
    }

    /// Returns the status with which a server answers a request that failed so: 400 unless a more
    /// precise one exists, and 500 for what is not about a request.
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
            Self::OriginNotAllowed(_) => StatusCode::FORBIDDEN,
            Self::Refused(_)
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
    /// `false` for what a policy turned down (origin, host, a refusal by the server) and for what
    /// is wrong on this side.
    pub fn is_peer_fault(&self) -> bool {
        !matches!(
            self,
            Self::HostNotAllowed(_)
                | Self::OriginNotAllowed(_)
                | Self::Refused(_)
                | Self::Uri(_)
                | Self::ReservedHeader(_)
                | Self::InvalidSetting { .. }
                | Self::NoRandomness
        )
    }
}

impl fmt::Display for HandshakeError {
    // One arm for each rule, in the order of the enum: longer than a function should be otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLarge { limit } => write!(f, "the head exceeds {limit} bytes"),
            Self::TooManyHeaders { limit } => write!(f, "the head has more than {limit} headers"),
            Self::LeadingBlankLine => f.write_str("the head begins with a line end"),
            Self::BareLineFeed => f.write_str("a line of the head ends without CR"),
            Self::BareCarriageReturn => f.write_str("a CR in the head is not followed by LF"),
            Self::NulInHead => f.write_str("the head contains a NUL"),
            Self::FoldedHeader => f.write_str("a header is folded over several lines"),
            Self::MalformedHead { reason } => write!(f, "the head is malformed: {reason}"),
            Self::HttpVersion => f.write_str("the peer does not speak HTTP/1.1"),
            Self::InvalidTarget(target) => write!(f, "the request target {target} is invalid"),
            Self::Method(method) => write!(f, "the method is {method}, not GET"),
            Self::BodyNotAllowed { header } => write!(f, "{header} is not allowed in an upgrade"),
            Self::MissingHeader { header } => write!(f, "{header} is missing"),
            Self::DuplicateHeader { header } => write!(f, "{header} appears more than once"),
            Self::InvalidHeader { header, value } => write!(f, "{header} is invalid: {value}"),
            Self::HostMismatch(host) => write!(f, "the request target does not match Host {host}"),
            Self::HostNotAllowed(host) => write!(f, "this server does not serve the host {host}"),
            Self::NotUpgrade { header } => write!(f, "{header} does not ask for WebSocket"),
            Self::UnsupportedVersion { got: None } => {
                f.write_str("Sec-WebSocket-Version is missing; 13 is supported")
            }
            Self::UnsupportedVersion { got: Some(got) } => {
                write!(f, "Sec-WebSocket-Version is {got}; 13 is supported")
            }
            Self::OriginNotAllowed(origin) => write!(
                f,
                "the server's origin rule refuses {origin}: by default only pages of the server's \
                 own host are accepted, others have to be allowed in its list of origins"
            ),
            Self::DuplicateSubprotocol(name) => write!(f, "subprotocol {name} is offered twice"),
            Self::Refused(response) => {
                write!(f, "the server answered {}, not 101", response.status())
            }
            Self::AcceptMismatch { expected, got } => {
                write!(f, "Sec-WebSocket-Accept is {got}, expected {expected}")
            }
            Self::SubprotocolNotOffered(name) => {
                write!(f, "the server chose subprotocol {name}, not offered")
            }
            Self::ExtensionNotOffered(name) => {
                write!(f, "the server chose extension {name}, not offered")
            }
            Self::DuplicateExtension(name) => {
                write!(f, "the server agreed to extension {name} twice")
            }
            Self::ReservedBitsTaken(name) => {
                write!(f, "extension {name} owns a reserved bit that is another's")
            }
            Self::Extension { name, error } => {
                write!(f, "the server's response for extension {name}: {error}")
            }
            Self::Uri(error) => error.fmt(f),
            Self::ReservedHeader(name) => write!(f, "the handshake sets the header {name} itself"),
            Self::InvalidSetting { setting, value } => write!(f, "unusable {setting}: {value}"),
            Self::NoRandomness => f.write_str("the operating system gave no random bytes"),
        }
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Uri(error) => Some(error),
            Self::Extension { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<UriError> for HandshakeError {
    fn from(error: UriError) -> Self {
        Self::Uri(error)
    }
}

#[cfg(test)]
mod tests {
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
}
