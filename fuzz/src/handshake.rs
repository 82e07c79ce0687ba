//! The opening handshake, from both sides.

use bytes::{Bytes, BytesMut};
use http::{Request, Response, header::CONTENT_LENGTH};
use wsimd::Config;
use wsimd::handshake::{
    BodyReader, HandshakeError, Origins, client, head,
    server::{self, Policy},
};

use super::split::splits;

/// The request to which the arbitrary responses answer (RFC 6455 §1.3).
const SENT: &[u8] = b"GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The limit of the body of a refusal, in bytes.
const MAX_BODY: usize = 100;

/// Judges an arbitrary request.
///
/// Input:
/// 1. a byte of flags: 1 heads limited to 300 bytes, 2 to 5 headers, 4 the policy has subprotocols and a
///    header, 8 hosts, 16 origins;
/// 2. the bytes of the wire.
///
/// Properties:
/// - Read whole or byte by byte, the head ends at the same place or fails for the same reason.
/// - A parsed request is the same after it was written and parsed again.
/// - If the server accepts a request, the client accepts the response.
/// - A refusal is a valid response, and all bytes of the peer in it are escaped.
pub fn request(data: &[u8]) {
    let Some((&flags, wire)) = data.split_first() else {
        return;
    };
    let config = config(flags);
    let accepted = parse(wire, &config, head::parse_request).and_then(|parsed| {
        let Some((request, len)) = parsed else {
            return Ok(None);
        };
        assert!(len <= max_head(flags), "a head of {len} bytes");
        check_written_request(&request);
        let (response, negotiated) = server::accept(&request, &policy(flags), &config)?;
        Ok(Some((request, response, negotiated)))
    });
    match accepted {
        Ok(None) => {}
        Ok(Some((request, response, negotiated))) => {
            let response = check_written_response(&response);
            match client::verify(&request, &config, &response) {
                Ok(verified) => assert_eq!(
                    [verified.subprotocol(), Some(verified.extensions().as_str())],
                    [
                        negotiated.subprotocol(),
                        Some(negotiated.extensions().as_str())
                    ],
                    "client (left), server (right)"
                ),
                Err(error) => panic!("the client refuses the server's {response:?}: {error:?}"),
            }
        }
        Err(error) => check_refusal(&error),
    }
}

/// Judges an arbitrary response.
///
/// Input:
/// 1. a byte of flags: 1 heads limited to 300 bytes, 2 to 5 headers;
/// 2. two lengths of pieces;
/// 3. the bytes of the wire.
///
/// Properties:
/// - Read whole or byte by byte, the head ends at the same place or fails for the same reason.
/// - A parsed response is the same after it was written and parsed again.
/// - A negotiated subprotocol was offered.
/// - The body of a refusal does not depend on the pieces, and is bounded.
pub fn response(data: &[u8]) {
    let Some((&[flags, ref lengths @ ..], wire)) = data.split_first_chunk::<3>() else {
        return;
    };
    let config = config(flags);
    let (response, len) = match parse(wire, &config, head::parse_response) {
        Ok(None) => return,
        Ok(Some(parsed)) => parsed,
        Err(error) => return check_shown(&error),
    };
    assert!(len <= max_head(flags), "a head of {len} bytes");
    check_written_response(&response);
    let (sent, _) = parsed(head::parse_request(SENT, &Config::new()));
    match client::verify(&sent, &config, &response) {
        Ok(negotiated) => {
            let subprotocol = negotiated.subprotocol();
            let is_offered = matches!(subprotocol, None | Some("chat" | "superchat"));
            assert!(is_offered, "not offered: {subprotocol:?}");
            assert!(
                !client::is_interim(response.status()),
                "verified an interim response"
            );
        }
        Err(error) => check_shown(&error),
    }
    let [(_, whole), others @ ..] = splits(&wire[len..], *lengths);
    let expected = read_body(&response, &whole);
    for (how, pieces) in others {
        let body = read_body(&response, &pieces);
        assert_eq!(body, expected, "body read {how} (left) and whole (right)");
    }
}

fn config(flags: u8) -> Config {
    let config = Config::new().max_head_size(max_head(flags));
    match flags & 2 {
        0 => config,
        _ => config.max_headers(5),
    }
}

/// The most bytes of a head.
const fn max_head(flags: u8) -> usize {
    match flags & 1 {
        0 => 16 << 10,
        _ => 300,
    }
}

fn policy(flags: u8) -> Policy {
    let mut policy = Policy::default();
    if flags & 4 != 0 {
        let subprotocols = policy.subprotocols(["superchat", "chat"]);
        policy = subprotocols
            .and_then(|it| it.header("Server", "fuzz"))
            .expect("legal settings");
    }
    if flags & 8 != 0 {
        policy = policy
            .hosts(["server.example.com", "[::1]:8080"])
            .expect("legal hosts");
    }
    if flags & 16 != 0 {
        let origins = Origins::list(["https://example.com", "null"]).expect("legal origins");
        policy = policy.origins(origins);
    }
    policy
}

/// Parses a head whole and byte by byte, which must agree.
fn parse<T: std::fmt::Debug>(
    wire: &[u8],
    config: &Config,
    parse: impl Fn(&[u8], &Config) -> Result<Option<(T, usize)>, HandshakeError>,
) -> Result<Option<(T, usize)>, HandshakeError> {
    let whole = parse(wire, config);
    let stepwise = (0..=wire.len())
        .map(|len| (len, parse(&wire[..len], config)))
        .find(|(_, outcome)| !matches!(outcome, Ok(None)));
    let Some((arrived, stepwise)) = stepwise else {
        assert!(
            matches!(whole, Ok(None)),
            "byte by byte nothing, whole {whole:?}"
        );
        return whole;
    };
    assert_eq!(
        judgement(&stepwise),
        judgement(&whole),
        "byte by byte (left), whole (right)"
    );
    if let Ok(Some((_, len))) = whole {
        assert_eq!(len, arrived, "the head was not parsed when it had arrived");
        let head = &wire[..len];
        assert!(
            head.ends_with(b"\r\n\r\n"),
            "not the end: {}",
            head.escape_ascii()
        );
    }
    whole
}

/// Returns the outcome without the bytes that an error shows, which are those that have arrived.
fn judgement<T: std::fmt::Debug>(outcome: &Result<T, HandshakeError>) -> String {
    match outcome {
        Err(HandshakeError::NotHttp { sender, .. }) => format!("{sender:?} does not speak HTTP"),
        outcome => format!("{outcome:?}"),
    }
}

/// Limits with room for the bytes that writing adds to a head.
fn wide_limits() -> Config {
    Config::new().max_head_size(1 << 20)
}

/// Returns a parsed head, which this side has written.
fn parsed<T>(result: Result<Option<(T, usize)>, HandshakeError>) -> (T, usize) {
    match result {
        Ok(Some(parsed)) => parsed,
        Ok(None) => panic!("the written head is not complete"),
        Err(error) => panic!("cannot parse a written head: {error:?}"),
    }
}

fn check_written_request(request: &Request<()>) {
    let mut written = BytesMut::new();
    head::write_request(request, &mut written);
    let (again, _) = parsed(head::parse_request(&written, &wide_limits()));
    assert_eq!(
        again.method(),
        request.method(),
        "method written and parsed (left)"
    );
    let target = |request: &Request<()>| request.uri().path_and_query().map(ToString::to_string);
    assert_eq!(
        target(&again),
        target(request),
        "target written and parsed (left)"
    );
    assert_eq!(
        again.headers(),
        request.headers(),
        "headers written and parsed (left)"
    );
}

fn check_written_response(response: &Response<()>) -> Response<()> {
    let mut written = BytesMut::new();
    head::write_response(response, &mut written);
    let (again, _) = parsed(head::parse_response(&written, &wide_limits()));
    assert_eq!(
        again.status(),
        response.status(),
        "status written and parsed (left)"
    );
    assert_eq!(
        again.headers(),
        response.headers(),
        "headers written and parsed (left)"
    );
    again
}

fn check_refusal(error: &HandshakeError) {
    check_shown(error);
    let (parts, body) = server::refuse(error).into_parts();
    let response = check_written_response(&Response::from_parts(parts, ()));
    assert!(
        !response.status().is_success(),
        "refused with {}",
        response.status()
    );
    assert!(
        !response.status().is_informational(),
        "refused with {}",
        response.status()
    );
    let length = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    assert_eq!(
        length,
        Some(body.len().to_string().as_str()),
        "Content-Length (left)"
    );
    let line = body.strip_suffix('\n').expect("the body ends its line");
    check_printable(line);
}

/// Checks that the bytes of the peer are escaped in texts for a terminal or a log.
fn check_shown(error: &HandshakeError) {
    check_printable(&error.to_string());
}

fn check_printable(text: &str) {
    let is_printable = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    assert!(is_printable, "not escaped: {text:?}");
}

/// Returns the body, whether it was cut and ended early, and the number of bytes after it.
fn read_body(response: &Response<()>, pieces: &[&[u8]]) -> (Bytes, bool, bool, usize) {
    let mut reader = BodyReader::new(response, MAX_BODY);
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        let is_done = reader.read(&mut input);
        assert_eq!(is_done, reader.is_done(), "the answer of `read` (left)");
        assert!(
            is_done || input.is_empty(),
            "{} bytes of the body are left",
            input.len()
        );
    }
    let is_done = reader.is_done();
    reader.receive_eof();
    assert!(
        reader.is_done(),
        "not at its end after the end of the connection"
    );
    let is_truncated = reader.is_truncated();
    let body = reader.into_bytes();
    assert!(body.len() <= MAX_BODY, "a body of {} bytes", body.len());
    (body, is_done, is_truncated, input.len())
}
