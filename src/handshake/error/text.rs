//! The texts of [`HandshakeError`].

use std::fmt;

use bytes::Bytes;
use http::{
    Response,
    header::{CONTENT_TYPE, LOCATION},
};

use super::{Excerpt, HandshakeError};
use crate::{
    frame::Role,
    handshake::{start, upgrade_element},
};

impl fmt::Display for HandshakeError {
    #[expect(
        clippy::too_many_lines,
        reason = "one arm for each rule, in the order of the enum"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HeadTooLarge { limit } => {
                write!(f, "the head exceeds {limit} bytes (Config::max_head_size)")
            }
            Self::TooManyHeaders { limit } => write!(
                f,
                "the head has more than {limit} header lines (Config::max_headers)"
            ),
            Self::NotHttp { sender, start } => fmt_not_http(*sender, start, f),
            Self::LeadingBlankLine => f.write_str("the head begins with a line end"),
            Self::BareLineFeed => f.write_str("a line of the head ends without CR"),
            Self::BareCarriageReturn => f.write_str("a CR in the head is not followed by LF"),
            Self::NulInHead => f.write_str("the head contains a NUL"),
            Self::FoldedHeader => f.write_str("a header is folded over several lines"),
            Self::MalformedHead { reason } => write!(f, "the head is malformed: {reason}"),
            Self::HttpVersion => f.write_str("the peer does not speak HTTP/1.1"),
            Self::InvalidTarget(target) => write!(f, "the request target {target} is invalid"),
            Self::Method(method) => write!(f, "the method is {method}, not GET"),
            Self::BodyNotAllowed { header } => {
                write!(f, "{header} announces a body, which an upgrade cannot have")
            }
            Self::MissingHeader { header } => write!(f, "{header} is missing"),
            Self::DuplicateHeader { header } => write!(f, "{header} appears more than once"),
            Self::InvalidHeader { header, value } => write!(f, "{header} is invalid: {value}"),
            Self::HostMismatch(host) => write!(f, "the request target does not match Host {host}"),
            Self::HostNotAllowed(host) => write!(f, "this server does not serve the host {host}"),
            Self::NotUpgrade { header } => {
                let element = upgrade_element(header);
                write!(f, "the head has no `{header}: {element}`")
            }
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
            Self::OriginRequired => f.write_str("Origin is missing, and this server requires it"),
            Self::SubprotocolRequired { supported } if supported.is_empty() => f.write_str(
                "this server requires a subprotocol, and the request offers none that it supports",
            ),
            Self::SubprotocolRequired { supported } => {
                write!(
                    f,
                    "this server requires one of the subprotocols {supported}"
                )
            }
            Self::Unavailable { reason } => write!(f, "the server is unavailable: {reason}"),
            Self::DuplicateSubprotocol(name) => write!(f, "subprotocol {name} is offered twice"),
            Self::Refused(response) => fmt_refusal(response, f),
            Self::Redirect { to, reason } => {
                write!(f, "the server redirects to {to}: {reason}")
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
            Self::ReservedHeader(name) => fmt_reserved(name, f),
            Self::InvalidSetting {
                setting,
                value,
                reason,
            } => write!(f, "invalid {setting} {value}: {reason}"),
            Self::NoRandomness => f.write_str("the operating system gave no random bytes"),
        }
    }
}

/// Writes the setting of a header that the handshake sets itself.
fn fmt_reserved(name: &Excerpt, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the handshake sets the header {name} itself")?;
    let name = name.as_bytes().to_ascii_lowercase();
    match &*name {
        b"origin" => f.write_str(": use Offer::origin"),
        b"sec-websocket-protocol" => {
            f.write_str(": use Offer::subprotocols or Policy::subprotocols")
        }
        b"sec-websocket-extensions" => f.write_str(": use Config::extension"),
        _ => Ok(()),
    }
}

/// Writes the status, the target of a redirect, and the first line of a text.
fn fmt_refusal(response: &Response<Bytes>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the server answered {}", response.status())?;
    let location = response.headers().get(LOCATION);
    match location.filter(|_| response.status().is_redirection()) {
        Some(target) => write!(
            f,
            " to {}, not 101; redirects are not followed (ClientBuilder::max_redirects)",
            Excerpt::without_user_info(target.as_bytes())
        )?,
        None => f.write_str(", not 101")?,
    }
    let kind = response.headers().get(CONTENT_TYPE);
    let is_text = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let lines = response.body().split(|byte| *byte == b'\n');
    let mut lines = lines.map(<[u8]>::trim_ascii);
    match lines.find(|line| is_text && !line.is_empty()) {
        Some(line) => write!(f, ": {}", Excerpt::new(line)),
        None => Ok(()),
    }
}

/// Writes the protocol of a peer that does not speak HTTP.
fn fmt_not_http(sender: Role, start: &Excerpt, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (sender, start::is_tls(start.as_bytes())) {
        (Role::Client, true) => f.write_str(
            "the client speaks TLS, not HTTP (a TLS client? use ws://, or accept TLS on this port)",
        ),
        (Role::Server, true) => {
            f.write_str("the server speaks TLS, not HTTP (a TLS port? use wss://)")
        }
        (Role::Client, false) => write!(f, "the client does not speak HTTP: it began with {start}"),
        (Role::Server, false) => write!(f, "the server does not speak HTTP: it began with {start}"),
    }
}
