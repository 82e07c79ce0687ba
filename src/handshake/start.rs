//! The start of a head: whether the peer speaks HTTP, judged as its first bytes arrive (RFC 9112 §3, §4).
//!
//! A peer of another protocol may wait for an answer and never complete a head. Without these checks, it
//! would be refused only by the deadline, and the error would be a timeout.

use super::{Excerpt, HandshakeError, headers};
use crate::frame::Role;

/// The maximum length of a method. The longest registered method has 17 bytes.
const MAX_METHOD: usize = 32;

/// The maximum number of bytes that an error shows of a peer that does not speak HTTP.
const SHOWN: usize = 32;

/// Checks the bytes of a start line that have arrived from a peer with the role `sender`. Returns the length
/// of the empty line before it.
///
/// One empty line may precede a request (RFC 9112 §2.2), and none a response.
pub(super) fn check(sender: Role, input: &[u8]) -> Result<usize, HandshakeError> {
    let (skipped, line) = match (sender, input) {
        (Role::Client, [b'\r']) => return Ok(0),
        (Role::Client, [b'\r', b'\n', line @ ..]) => (2, line),
        _ => (0, input),
    };
    let is_http = match (sender, line) {
        (_, [b'\r' | b'\n', ..]) => return Err(HandshakeError::LeadingBlankLine),
        (Role::Client, _) => begins_request(line),
        (Role::Server, _) => line.iter().zip(b"HTTP/").all(|(byte, own)| byte == own),
    };
    if is_http {
        return Ok(skipped);
    }
    Err(not_http(sender, line))
}

/// Checks a complete start line, without its line end. A request contains its version, which the parser of the
/// head checks if the line has another form.
pub(super) fn check_line(sender: Role, line: &[u8]) -> Result<(), HandshakeError> {
    if sender == Role::Server {
        return Ok(());
    }
    match line.rsplit(|byte| *byte == b' ').next() {
        Some(b"HTTP/1.1") => Ok(()),
        Some(version) if version.starts_with(b"HTTP/") => Err(HandshakeError::HttpVersion),
        _ if memchr::memmem::find(line, b" HTTP/").is_some() => Ok(()),
        _ => Err(not_http(sender, line)),
    }
}

/// Returns whether the bytes begin with a method and a space, or with a part of them.
fn begins_request(input: &[u8]) -> bool {
    let window = input.get(..=MAX_METHOD).unwrap_or(input);
    match memchr::memchr(b' ', window).and_then(|space| window.get(..space)) {
        Some(method) => headers::is_token(method),
        None if window.is_empty() => true,
        None => window.len() <= MAX_METHOD && headers::is_token(window),
    }
}

fn not_http(sender: Role, input: &[u8]) -> HandshakeError {
    let start = Excerpt::new(input.get(..SHOWN).unwrap_or(input));
    HandshakeError::NotHttp { sender, start }
}

/// Returns whether the bytes begin with a record of TLS (RFC 8446 §5.1): a content type, and the major
/// version 3 if it has arrived.
pub(super) fn is_tls(start: &[u8]) -> bool {
    matches!(start, [20..=23] | [20..=23, 3, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, handshake::head};

    /// Feeds one more byte at a time. Returns the number of bytes that led to the error.
    fn fed(sender: Role, input: &[u8]) -> (usize, HandshakeError) {
        let config = Config::new();
        let parse = |bytes: &[u8]| match sender {
            Role::Client => head::parse_request(bytes, &config).map(|head| head.is_some()),
            Role::Server => head::parse_response(bytes, &config).map(|head| head.is_some()),
        };
        let whole = parse(input).unwrap_err();
        for len in 0..=input.len() {
            match parse(&input[..len]) {
                Ok(complete) => assert!(!complete, "{input:?}"),
                Err(error) => {
                    assert_eq!(error.status(), whole.status());
                    return (len, whole);
                }
            }
        }
        unreachable!("the whole input is refused");
    }

    #[test]
    fn a_client_that_does_not_speak_http_is_refused_at_its_first_wrong_byte() {
        let cases: [(&[u8], usize, &str); 11] = [
            (b"SSH-2.0-OpenSSH_9.6\r\n", 20, "SSH-2.0-OpenSSH_9.6\\r\\n"),
            (b"\x16\x03\x01\x02\x00\x01", 1, "TLS"),
            (b"\x00\x00\x00\x24", 1, "\\x00\\x00\\x00$"),
            (b"\x81\x85abcdhello", 1, "\\x81\\x85abcdhello"),
            (b" GET / HTTP/1.1\r\n", 1, " GET / HTTP/1.1\\r\\n"),
            (b"G\x01T / HTTP/1.1\r\n", 2, "G\\x01T"),
            (b"*1\r\n$4\r\nPING\r\n", 3, "*1\\r\\n$4"),
            (b"EHLO example.com\r\n", 18, "EHLO example.com"),
            (b"OPTIONS / RTSP/1.0\r\n", 20, "OPTIONS / RTSP/1.0"),
            (b"GET /\r\n", 7, "GET /"),
            (&[b'x'; 100], 33, "xxxx"),
        ];
        for (input, at, text) in cases {
            let (len, error) = fed(Role::Client, input);
            assert_eq!(len, at, "{error}");
            assert!(matches!(error, HandshakeError::NotHttp { .. }), "{error}");
            assert_eq!(error.status(), 400);
            assert!(error.is_peer_fault());
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_client_that_begins_http_2_is_told_the_version_at_the_end_of_its_first_line() {
        let (len, error) = fed(Role::Client, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        assert_eq!(len, 16);
        assert!(matches!(error, HandshakeError::HttpVersion));
    }

    #[test]
    fn a_malformed_line_with_a_version_is_no_other_protocol() {
        let parsed = head::parse_request(b"GET / HTTP/1.1 \r\nHost: h\r\n\r\n", &Config::new());
        assert!(matches!(
            parsed,
            Err(HandshakeError::MalformedHead { .. } | HandshakeError::HttpVersion)
        ));
    }

    #[test]
    fn a_server_that_does_not_speak_http_is_refused_at_its_first_wrong_byte() {
        let cases: [(&[u8], usize, &str); 8] = [
            (b"SSH-2.0-OpenSSH_9.6\r\n", 1, "SSH-2.0-OpenSSH_9.6\\r\\n"),
            (b"\x15\x03\x01\x00\x02\x02\x46", 1, "wss://"),
            (b"\x00\x00\x12\x04\x00", 1, "\\x00\\x00\\x12"),
            (b"\x81\x05hello", 1, "\\x81"),
            (b"220 mail ESMTP\r\n", 1, "220 mail"),
            (b"HTTPS", 5, "HTTPS"),
            (b"http/1.1 101 x\r\n\r\n", 1, "http/1.1"),
            (b"ICY 200 OK\r\n", 1, "ICY 200 OK"),
        ];
        for (input, at, text) in cases {
            let (len, error) = fed(Role::Server, input);
            assert_eq!(len, at, "{error}");
            assert!(matches!(error, HandshakeError::NotHttp { .. }), "{error}");
            assert!(error.is_peer_fault());
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn the_text_about_tls_depends_on_the_side() {
        let shown = |sender| not_http(sender, b"\x16\x03\x01").to_string();
        assert!(shown(Role::Client).contains("use ws://"));
        assert!(shown(Role::Server).contains("use wss://"));
        // The second byte is no version of TLS.
        let other = not_http(Role::Server, b"\x16\x04").to_string();
        assert_eq!(
            other,
            r#"the server does not speak HTTP: it began with "\x16\x04""#
        );
    }

    #[test]
    fn a_method_of_32_bytes_is_read() {
        let line = format!("{} / HTTP/1.1\r\nHost: h\r\n\r\n", "M".repeat(MAX_METHOD));
        let parsed = head::parse_request(line.as_bytes(), &Config::new()).unwrap();
        assert_eq!(parsed.unwrap().0.method().as_str().len(), MAX_METHOD);
    }
}
