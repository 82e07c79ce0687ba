use proptest::prelude::*;

use super::*;

const REQUEST: &[u8] =
    b"GET /chat?q=1 HTTP/1.1\r\nHost: example.com\r\nX-A:  one \r\nx-a: two\r\n\r\n";

fn limits(max_bytes: usize, max_headers: usize) -> Config {
    Config::new()
        .max_head_size(max_bytes)
        .max_headers(max_headers)
}

fn defaults() -> Config {
    Config::new()
}

/// Returns the length of the head.
fn find(input: &[u8], config: &Config) -> Result<Option<usize>, HandshakeError> {
    let head = Head::find(Role::Client, input, config)?;
    Ok(head.map(|head| head.len))
}

/// Feeds one more byte at a time, and returns the outcome with the number of bytes that led to it.
fn find_bytewise(input: &[u8], config: &Config) -> (usize, Result<Option<usize>, HandshakeError>) {
    for len in 0..input.len() {
        match find(&input[..len], config) {
            Ok(None) => {}
            outcome => return (len, outcome),
        }
    }
    (input.len(), find(input, config))
}

/// Asserts that a head is refused, split or not, at its byte number `at`.
fn refused(input: &[u8], config: &Config, at: usize) -> HandshakeError {
    let whole = find(input, config).unwrap_err();
    let (fed, split) = find_bytewise(input, config);
    assert_eq!(split.unwrap_err().to_string(), whole.to_string());
    assert_eq!(fed, at, "{whole}");
    whole
}

/// Parses a whole head.
fn parse(input: &[u8]) -> Result<Request<()>, HandshakeError> {
    let (request, len) = parse_request(input, &defaults())?.expect("a whole head");
    assert_eq!(len, input.len());
    Ok(request)
}

/// Parses a whole head.
fn response(input: &[u8]) -> Result<Response<()>, HandshakeError> {
    let (response, len) = parse_response(input, &defaults())?.expect("a whole head");
    assert_eq!(len, input.len());
    Ok(response)
}

fn parse_line(line: &str) -> Result<Request<()>, HandshakeError> {
    parse(format!("{line}\r\nHost: h\r\n\r\n").as_bytes())
}

#[test]
fn the_default_limits_are_16_kib_and_128_headers() {
    let head = |len: usize, headers: usize| {
        let line = "a: ".len() + "\r\n".len();
        let padding = "x".repeat(len - "GET / HTTP/1.1\r\n\r\n".len() - headers * line);
        let more = "a: \r\n".repeat(headers - 1);
        format!("GET / HTTP/1.1\r\na: {padding}\r\n{more}\r\n")
    };
    for (len, headers) in [(16384, 1), (16384, 128)] {
        let found = find(head(len, headers).as_bytes(), &defaults());
        assert_eq!(found.unwrap(), Some(len));
    }
    find(head(16385, 1).as_bytes(), &defaults()).unwrap_err();
    find(head(1000, 129).as_bytes(), &defaults()).unwrap_err();
}

#[test]
fn the_end_is_found_whole_and_byte_by_byte() {
    let len = REQUEST.len();
    assert_eq!(find(REQUEST, &defaults()).unwrap(), Some(len));
    let (fed, found) = find_bytewise(REQUEST, &defaults());
    assert_eq!((fed, found.unwrap()), (len, Some(len)));
}

#[test]
fn bytes_after_the_head_are_left() {
    let input = [REQUEST, b"\x81\x00\0\r\n"].concat();
    for len in 0..=input.len() {
        let found = find(&input[..len], &defaults()).unwrap();
        let is_there = len >= REQUEST.len();
        assert_eq!(found, is_there.then_some(REQUEST.len()));
    }
    let (request, len) = parse_request(&input, &defaults()).unwrap().unwrap();
    assert_eq!((request.uri().path(), len), ("/chat", REQUEST.len()));
}

#[test]
fn a_head_of_exactly_the_limit_is_accepted_and_one_byte_more_refused() {
    let len = REQUEST.len();
    assert_eq!(find(REQUEST, &limits(len, 64)).unwrap(), Some(len));
    assert_eq!(
        find_bytewise(REQUEST, &limits(len, 64)).1.unwrap(),
        Some(len)
    );
    let error = refused(REQUEST, &limits(len - 1, 64), len - 1);
    assert!(matches!(error, HandshakeError::HeadTooLarge { limit } if limit == len - 1));
    assert_eq!(error.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[test]
fn a_line_that_never_ends_is_refused_at_the_limit() {
    let input = [b"GET /", &[b'a'; 100][..]].concat();
    let error = refused(&input, &limits(50, 64), 50);
    assert!(matches!(error, HandshakeError::HeadTooLarge { limit: 50 }));
    refused(b"", &limits(0, 0), 0);
}

#[test]
fn as_many_headers_as_the_limit_are_accepted_and_one_more_refused_at_its_first_byte() {
    let input = b"GET / HTTP/1.1\r\na: 1\r\nb: 2\r\n\r\n";
    assert_eq!(find(input, &limits(100, 2)).unwrap(), Some(input.len()));
    assert_eq!(parse(input).unwrap().headers().len(), 2);
    let error = refused(input, &limits(100, 1), 23);
    assert!(matches!(error, HandshakeError::TooManyHeaders { limit: 1 }));
    let error = refused(input, &limits(100, 0), 17);
    assert!(matches!(error, HandshakeError::TooManyHeaders { limit: 0 }));
    assert!(parse_request(b"GET / HTTP/1.1\r\n\r\n", &limits(100, 0)).is_ok());
}

#[test]
fn line_ends_other_than_crlf_are_refused_at_once() {
    let all = &defaults();
    for (input, at) in [
        (&b"GET / HTTP/1.1\nX"[..], 15),
        (b"GET / HTTP/1.1\r\nA: b\n\r\n", 21),
        (b"GET / HTTP/1.1\r\n\nX", 17),
    ] {
        assert!(matches!(
            refused(input, all, at),
            HandshakeError::BareLineFeed
        ));
    }
    for (input, at) in [
        (&b"GET /\rX"[..], 7),
        (b"GET /\r\r\n", 7),
        (b"GET / HTTP/1.1\r\nA: b\r\n\rX", 24),
    ] {
        assert!(matches!(
            refused(input, all, at),
            HandshakeError::BareCarriageReturn
        ));
    }
}

#[test]
fn one_empty_line_before_a_request_is_skipped() {
    let input = [b"\r\n", REQUEST].concat();
    let (fed, found) = find_bytewise(&input, &defaults());
    assert_eq!((fed, found.unwrap()), (input.len(), Some(input.len())));
    let (request, len) = parse_request(&input, &defaults()).unwrap().unwrap();
    assert_eq!((request.uri().path(), len), ("/chat", input.len()));
    // The limit of the head includes the line.
    let error = find(&input, &limits(input.len() - 1, 64)).unwrap_err();
    assert!(matches!(error, HandshakeError::HeadTooLarge { .. }));
}

#[test]
fn more_empty_lines_or_other_line_ends_are_refused_at_once() {
    for (input, at) in [
        (&b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"[..], 3),
        (b"\nGET / HTTP/1.1\r\n\r\n", 1),
        (b"\rGET / HTTP/1.1\r\n\r\n", 2),
        (b"\r\n\n", 3),
    ] {
        let error = refused(input, &defaults(), at);
        assert!(matches!(error, HandshakeError::LeadingBlankLine));
    }
    for len in 1..3 {
        let input = &b"\r\nHTTP/1.1 101 x\r\n\r\n"[..len];
        let error = parse_response(input, &defaults()).unwrap_err();
        assert!(matches!(error, HandshakeError::LeadingBlankLine));
    }
}

#[test]
fn a_nul_is_refused_wherever_it_stands() {
    for (input, at) in [
        (&b"GET /\0"[..], 6),
        (b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 21),
    ] {
        let error = refused(input, &defaults(), at);
        assert!(matches!(error, HandshakeError::NulInHead));
    }
}

#[test]
fn a_folded_header_is_refused() {
    for fold in [" ", "\t"] {
        let input = format!("GET / HTTP/1.1\r\nA: b\r\n{fold}c\r\n\r\n");
        let error = refused(input.as_bytes(), &defaults(), 23);
        assert!(matches!(error, HandshakeError::FoldedHeader));
    }
}

#[test]
fn a_request_is_parsed_with_its_repeated_headers_trimmed_and_in_order() {
    let request = parse(REQUEST).unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri(), "/chat?q=1");
    assert_eq!(request.uri().query(), Some("q=1"));
    assert_eq!(request.headers()["host"], "example.com");
    let values: Vec<_> = request.headers().get_all("x-a").iter().collect();
    assert_eq!(values, ["one", "two"]);
}

#[test]
fn only_a_whole_head_is_parsed() {
    for len in 0..REQUEST.len() {
        let parsed = parse_request(&REQUEST[..len], &defaults());
        assert!(parsed.unwrap().is_none(), "{len}");
    }
}

#[test]
fn parsing_applies_the_rules_of_heads() {
    let error = parse(b"GET / HTTP/1.1\nHost: h\r\n\r\n").unwrap_err();
    assert!(matches!(error, HandshakeError::BareLineFeed));
    let error = parse_request(REQUEST, &limits(10, 64)).unwrap_err();
    assert!(matches!(error, HandshakeError::HeadTooLarge { limit: 10 }));
}

#[test]
fn other_versions_are_505() {
    for version in ["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.2"] {
        let error = parse_line(&format!("GET / {version}")).unwrap_err();
        assert!(
            matches!(error, HandshakeError::HttpVersion),
            "{version}: {error}"
        );
        assert_eq!(error.status(), StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    }
    let error = response(b"HTTP/2.0 101 x\r\n\r\n").unwrap_err();
    assert!(matches!(error, HandshakeError::HttpVersion));
}

#[test]
fn a_refusal_in_http_1_0_is_read() {
    let head = b"HTTP/1.0 503 Busy\r\nRetry-After: 5\r\n\r\n";
    let response = response(head).unwrap();
    assert_eq!(response.version(), Version::HTTP_10);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
}

#[test]
fn malformed_lines_are_refused() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "G\x01T / HTTP/1.1",
        "x",
        "\x7f",
    ] {
        assert!(parse_line(line).is_err(), "{line}");
    }
    for line in [
        "A b: c", "A : b", ": b", "A", "A\x01: b", "A: \x01", "A: \x7f", "é: b",
    ] {
        let input = format!("GET / HTTP/1.1\r\n{line}\r\n\r\n");
        let error = parse(input.as_bytes()).unwrap_err();
        assert!(
            matches!(error, HandshakeError::MalformedHead { .. }),
            "{line}: {error}"
        );
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn other_targets_than_origin_form_and_http_uris_are_refused() {
    for target in [
        "/",
        "/a%20b?c",
        "//h/x",
        "http://h",
        "HTTPS://h:8443/x?y",
        "/a/../b",
    ] {
        assert!(
            parse_line(&format!("GET {target} HTTP/1.1")).is_ok(),
            "{target}"
        );
    }
    let bad = [
        "*",
        "h:80",
        "h",
        "ws://h/",
        "ftp://h/",
        "http://",
        "/#f",
        "http://h/#f",
        "/é",
        "/\x7f",
    ];
    for target in bad {
        let error = parse_line(&format!("GET {target} HTTP/1.1")).unwrap_err();
        let expected = matches!(
            error,
            HandshakeError::InvalidTarget(_) | HandshakeError::MalformedHead { .. }
        );
        assert!(expected, "{target}: {error}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_password_in_a_target_is_not_shown() {
    let error = parse_line("GET ftp://user:secret@h/ HTTP/1.1").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

#[test]
fn a_response_is_parsed_with_or_without_a_reason() {
    for reason in [" Switching Protocols", " ", "", " \u{e9}"] {
        let input = format!("HTTP/1.1 101{reason}\r\nUpgrade: websocket\r\n\r\n");
        let response = response(input.as_bytes()).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["upgrade"], "websocket");
    }
}

#[test]
fn a_malformed_status_line_is_refused() {
    for line in [
        "HTTP/1.1 99 x",
        "HTTP/1.1 1010 x",
        "HTTP/1.1 000 x",
        "HTTP/1.1 abc",
        "SSH-2.0",
    ] {
        let input = format!("{line}\r\n\r\n");
        assert!(response(input.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn a_limit_beyond_the_header_map_is_an_error_not_a_panic() {
    let mut input = b"GET / HTTP/1.1\r\n".to_vec();
    for number in 0..40_000 {
        input.extend_from_slice(format!("h{number}: x\r\n").as_bytes());
    }
    input.extend_from_slice(b"\r\n");
    let error = parse_request(&input, &limits(usize::MAX, usize::MAX)).unwrap_err();
    assert!(matches!(error, HandshakeError::TooManyHeaders { .. }));
}

#[test]
fn a_request_is_written_host_first_and_spelled_as_in_the_rfc() {
    let mut request = Request::new(());
    *request.uri_mut() = Uri::from_static("ws://h?q");
    for (name, value) in [
        ("x-a", "1"),
        ("sec-websocket-key", "k"),
        ("host", "h"),
        ("x-a", "2"),
    ] {
        request
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    let mut output = BytesMut::new();
    write_request(&request, &mut output);
    let expected =
        "GET /?q HTTP/1.1\r\nHost: h\r\nx-a: 1\r\nx-a: 2\r\nSec-WebSocket-Key: k\r\n\r\n";
    assert_eq!(output, expected);
}

#[test]
fn a_response_is_written_with_its_reason() {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::UPGRADE_REQUIRED;
    response
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("0"));
    let mut output = BytesMut::new();
    write_response(&response, &mut output);
    assert_eq!(
        output,
        "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n"
    );
    let parsed = parse_response(&output, &defaults()).unwrap();
    let (parsed, _) = parsed.unwrap();
    assert_eq!(parsed.status(), 426);
}

/// Returns the outcome without the bytes that an error shows, which are those that have arrived.
fn judgement(outcome: Result<Option<usize>, HandshakeError>) -> String {
    match outcome {
        Err(HandshakeError::NotHttp { sender, .. }) => format!("{sender:?} does not speak HTTP"),
        outcome => format!("{outcome:?}"),
    }
}

/// Returns byte strings that resemble a head, so that the parser gets beyond the first bytes.
fn head_like() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 11] = [
        b"GET / HTTP/1.1\r\n",
        b"HTTP/1.1 101 x\r\n",
        b"Host: h\r\n",
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"\0",
        b": ",
        b"abc",
        b"\xff",
    ];
    let piece = prop::sample::select(pieces.to_vec());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..80),
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_are_judged_alike_when_they_trickle_in(
        input in head_like(),
        max_bytes in 0_usize..100,
        max_headers in 0_usize..4,
    ) {
        let config = limits(max_bytes, max_headers);
        let whole = judgement(find(&input, &config));
        let (_, bytewise) = find_bytewise(&input, &config);
        prop_assert_eq!(whole, judgement(bytewise));
        let request = parse_request(&input, &config);
        let response = parse_response(&input, &config);
        for error in [request.err(), response.err()].into_iter().flatten() {
            prop_assert!(error.to_string().bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }

    #[test]
    fn a_written_request_parses_back_equal(
        target in "/[!$-;=?-Z_a-z~]{0,20}",
        lines in prop::collection::vec(("[a-z][a-z0-9-]{0,8}", "([!-~]([ -~]{0,9}[!-~])?)?"), 0..8),
    ) {
        let mut request = Request::new(());
        *request.uri_mut() = Uri::try_from(target).unwrap();
        for (name, value) in &lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let mut output = BytesMut::new();
        write_request(&request, &mut output);
        let parsed = parse(&output).unwrap();
        prop_assert_eq!(parsed.method(), request.method());
        prop_assert_eq!(parsed.uri(), request.uri());
        prop_assert_eq!(parsed.headers(), request.headers());
    }
}
