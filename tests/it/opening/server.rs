//! RFC 6455 §4.2: requests that a server refuses, and its answers.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    time::Instant,
};
use wsimd::{
    Config, Error, Origins, Policy, Role, ServerBuilder, handshake::HandshakeError, http::Response,
};

use crate::support::opening::*;
use crate::support::{
    frames::{FIN, TEXT, frame},
    script::Script,
};

const PRODUCT: &str = concat!("wsimd/", env!("CARGO_PKG_VERSION"));

/// The answer to a request that the server refuses.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    /// Parses the bytes, and checks the properties of every refusal.
    fn parse(wire: &[u8], what: &str) -> Self {
        let wire = str::from_utf8(wire).expect("a refusal is text");
        assert!(wire.is_ascii(), "{what}: {wire}");
        let (head, body) = wire
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{what}: {wire:?}"));
        let answer = Self {
            head: head.to_owned(),
            body: body.to_owned(),
        };
        let date = answer.header("date").expect("a date");
        assert_eq!(date.len(), "Sun, 06 Nov 1994 08:49:37 GMT".len(), "{what}");
        let connection = answer.header("connection").unwrap_or_default();
        assert!(
            connection.split(", ").any(|it| it == "close"),
            "{what}: {connection}"
        );
        assert_eq!(
            answer.header("content-length"),
            Some(&*body.len().to_string()),
            "{what}"
        );
        assert!(
            answer
                .header("content-type")
                .unwrap()
                .starts_with("text/plain")
        );
        assert!(
            body.ends_with('\n') && body.lines().count() == 1,
            "{what}: {body}"
        );
        assert_eq!(answer.header("sec-websocket-accept"), None);
        answer
    }

    fn status(&self) -> u16 {
        let code = self
            .head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3));
        code.and_then(|code| code.parse().ok())
            .expect("a status line")
    }

    fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }
}

/// Checks that the request is refused with this status for every way to cut its bytes. Returns the
/// answer.
async fn check_refusal(
    server: &ServerBuilder,
    request: &str,
    status: u16,
) -> (Answer, HandshakeError) {
    let mut last = None;
    for cut in [Cut::Whole, Cut::Bytes] {
        let (opened, seen) = accept(server, cut.script(request.as_bytes())).await;
        let error = handshake_error(error_of(opened));
        let answer = Answer::parse(&seen.written(), request);
        assert_eq!(answer.status(), status, "{request}\n{}", answer.body);
        assert_eq!(error.status(), status, "{request}");
        let text = match error {
            HandshakeError::NotUpgrade { .. } => "This is a WebSocket endpoint. ".to_owned(),
            _ => format!("{error}\n"),
        };
        assert!(answer.body.starts_with(&text), "{}", answer.body);
        assert_eq!(answer.header("server"), Some(PRODUCT));
        assert!(seen.shut_down(), "{request}");
        last = Some((answer, error));
    }
    last.unwrap()
}

#[tokio::test]
async fn a_malformed_request_is_answered_with_400() {
    const KEY_LINE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let cases = [
        request_with("Host: server.example.com\r\n", ""),
        request_with("Host: server.example.com", "Host: a b"),
        request_with("Host: server.example.com", "Host: user@server.example.com"),
        request_and("Host: server.example.com"),
        request_with("GET /chat", "GET *"),
        request_with("GET /chat", "GET chat"),
        request_with("GET /chat", "GET /chat#fragment"),
        request_with("GET /chat", "GET http://other.example.com/chat"),
        request_with("GET /chat", "GET  /chat"),
        request_with("Upgrade: websocket", "Upgrade: web socket"),
        request_with("Connection: Upgrade", "Connection: \"Upgrade\""),
        request_with(&format!("{KEY_LINE}\r\n"), ""),
        request_with(KEY_LINE, "Sec-WebSocket-Key: "),
        request_with(KEY_LINE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"),
        // 15 and 17 bytes.
        request_with(KEY_LINE, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"),
        request_with(KEY_LINE, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="),
        request_and(KEY_LINE),
        request_and("Sec-WebSocket-Version: 13"),
        request_and("Origin: http://server.example.com\r\nOrigin: http://server.example.com"),
        request_and("Content-Length: 0\r\nContent-Length: 0"),
        request_and("Content-Length: 0\r\nTransfer-Encoding: chunked"),
        request_and("Content-Length: 5"),
        request_and("Transfer-Encoding: chunked"),
        request_and("Sec-WebSocket-Protocol: a, a"),
        request_and("Sec-WebSocket-Protocol: a b"),
        request_and("Sec-WebSocket-Extensions: a b"),
        request_and("X-Folded: a\r\n b"),
        request_and("X Space: a"),
        request_and("X-Space : a"),
        request_and("no colon"),
        request_and("X-Nul: a\0b"),
        request_and("X-Cr: a\rb"),
        request_and("X-Control: \u{1b}[31m"),
        request_and("X-Lf: a\nX-Second: b"),
        REQUEST.replace("\r\n", "\n"),
        format!("\r\n\r\n{REQUEST}"),
        format!("\n{REQUEST}"),
        format!(" {REQUEST}"),
    ];
    for request in cases {
        let (_, error) = check_refusal(&ServerBuilder::new(), &request, 400).await;
        assert!(error.is_peer_fault(), "{request}");
    }
}

#[tokio::test]
async fn a_foreign_origin_is_answered_with_403() {
    let refused = [
        "http://evil.example",
        "http://server.example.com:8080",
        "http://server.example.com.evil.example",
        "null",
        "",
    ];
    for origin in refused {
        let request = request_and(&format!("Origin: {origin}"));
        let (answer, error) = check_refusal(&ServerBuilder::new(), &request, 403).await;
        assert!(matches!(error, HandshakeError::OriginNotAllowed(_)));
        assert!(answer.body.contains("list of origins"), "{}", answer.body);
    }
    let admitting = |origins| ServerBuilder::new().policy(Policy::new().origins(origins));
    let listed = admitting(Origins::list(["https://example.com"]).unwrap());
    check_refusal(
        &listed,
        &request_and("Origin: http://server.example.com"),
        403,
    )
    .await;
    for (server, origin) in [
        (admitting(Origins::any()), "null"),
        (listed, "https://example.com:443"),
    ] {
        let request = request_and(&format!("Origin: {origin}"));
        let (opened, _) = accept(&server, Script::whole(request.as_bytes())).await;
        assert!(opened.is_ok(), "{origin}");
    }
}

#[tokio::test]
async fn a_policy_can_require_an_origin_and_a_subprotocol() {
    let origins = Origins::same_host().required();
    let server = ServerBuilder::new().policy(Policy::new().origins(origins));
    let (answer, error) = check_refusal(&server, REQUEST, 403).await;
    assert!(matches!(error, HandshakeError::OriginRequired));
    assert!(answer.body.contains("Origin is missing"), "{}", answer.body);

    let policy = Policy::new().subprotocols(["chat.v2", "chat.v1"]).unwrap();
    let server = ServerBuilder::new().policy(policy.require_subprotocol());
    for request in [
        REQUEST.to_owned(),
        request_and("Sec-WebSocket-Protocol: chat.v3"),
    ] {
        let (answer, error) = check_refusal(&server, &request, 400).await;
        assert!(!error.is_peer_fault());
        assert!(answer.body.contains("chat.v2, chat.v1"), "{}", answer.body);
    }
    let request = request_and("Sec-WebSocket-Protocol: chat.v3, chat.v1");
    let (opened, _) = accept(&server, Script::whole(request.as_bytes())).await;
    assert_eq!(opened.unwrap().0.subprotocol(), Some("chat.v1"));
}

#[tokio::test]
async fn another_method_is_answered_with_405_and_what_is_allowed() {
    for method in ["POST", "OPTIONS", "get", "PURGE"] {
        let request = request_with("GET", method);
        let (answer, _) = check_refusal(&ServerBuilder::new(), &request, 405).await;
        assert_eq!(answer.header("allow"), Some("GET"));
    }
    // The method is judged before the body.
    let post = request_and("Content-Length: 5").replace("GET", "POST") + "hello";
    check_refusal(&ServerBuilder::new(), &post, 405).await;
}

#[tokio::test]
async fn an_answer_to_head_has_no_body() {
    let request = request_with("GET", "HEAD");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    let error = error_of(opened);
    let answer = String::from_utf8(seen.written()).unwrap();
    let head = answer.strip_suffix("\r\n\r\n").expect("a head alone");
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    let len = handshake_error(error).to_string().len() + 1;
    assert_eq!(header(head, "content-length"), Some(&*len.to_string()));
}

#[tokio::test]
async fn the_server_frames_the_body_of_a_response() {
    for (status, body) in [(200, "text"), (204, ""), (304, ""), (500, "text")] {
        let (mut near, far) = duplex(4096);
        near.write_all(REQUEST.as_bytes()).await.unwrap();
        near.shutdown().await.unwrap();
        let response = Response::builder()
            .status(status)
            .header("transfer-encoding", "chunked")
            .header("content-length", "7");
        let opening = ServerBuilder::new().begin(far).await.unwrap();
        opening
            .respond(response.body("text").unwrap())
            .await
            .unwrap();
        let mut answer = String::new();
        near.read_to_string(&mut answer).await.unwrap();
        let (head, rest) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(rest, body, "{answer}");
        assert_eq!(header(head, "transfer-encoding"), None);
        let len = (!body.is_empty()).then_some("4");
        assert_eq!(header(head, "content-length"), len, "{answer}");
    }
}

#[tokio::test]
async fn a_host_that_is_not_served_is_answered_with_421() {
    let policy = Policy::new().hosts(["example.com", "[::1]:8080"]).unwrap();
    let server = ServerBuilder::new().policy(policy);
    check_refusal(&server, REQUEST, 421).await;
    let request = request_with("server.example.com", "[::1]:8081");
    check_refusal(&server, &request, 421).await;
    for host in ["example.com", "EXAMPLE.com:99", "[0::1]:8080"] {
        let request = request_with("server.example.com", host);
        let (opened, _) = accept(&server, Script::whole(request.as_bytes())).await;
        assert!(opened.is_ok(), "{host}");
    }
}

#[tokio::test]
async fn what_asks_for_no_websocket_is_answered_with_426_and_how_to_ask() {
    let cases = [
        request_with("Upgrade: websocket\r\n", ""),
        request_with("Connection: Upgrade\r\n", ""),
        request_with("Upgrade: websocket", "Upgrade: h2c"),
        request_with("Upgrade: websocket", "Upgrade: websockets"),
        request_with("Connection: Upgrade", "Connection: keep-alive"),
        request_with("Sec-WebSocket-Version: 13\r\n", ""),
        request_with("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        request_with("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 013"),
        request_with("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13, 8"),
        "GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned(),
    ];
    for request in cases {
        let (answer, _) = check_refusal(&ServerBuilder::new(), &request, 426).await;
        assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        assert_eq!(answer.header("upgrade"), Some("websocket"));
        let connection = answer.header("connection").unwrap();
        assert!(
            connection.split(", ").any(|it| it == "Upgrade"),
            "{connection}"
        );
    }
}

#[tokio::test]
async fn another_version_of_http_is_answered_with_505() {
    for version in ["HTTP/1.0", "HTTP/2.0", "HTTP/1.2"] {
        let request = request_with("HTTP/1.1", version);
        check_refusal(&ServerBuilder::new(), &request, 505).await;
    }
}

#[tokio::test]
async fn a_head_of_the_limit_is_accepted_and_a_longer_one_answered_with_431() {
    for limit in [200, 1024, 16 << 10] {
        let mut server = ServerBuilder::new();
        if limit != 16 << 10 {
            server = server.config(Config::new().max_head_size(limit));
        }
        let padding = "x".repeat(limit - REQUEST.len() - "X: \r\n".len());
        let exact = request_and(&format!("X: {padding}"));
        assert_eq!(exact.len(), limit);
        // Frames after the head do not count.
        let input = [exact.as_bytes(), &frame(Role::Client, FIN | TEXT, b"Hello")].concat();
        for cut in [Cut::Whole, Cut::Bytes, Cut::At(limit), Cut::At(limit - 1)] {
            let (opened, seen) = accept(&server, cut.script(&input)).await;
            let (mut ws, _) = opened.unwrap();
            assert_eq!(without_date(&seen.written()), RESPONSE.as_bytes());
            assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
        }
        let longer = request_and(&format!("X: {padding}x"));
        let (_, error) = check_refusal(&server, &longer, 431).await;
        assert!(matches!(error, HandshakeError::HeadTooLarge { limit: it } if it == limit));
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_as_soon_as_it_is_too_long() {
    // The stream stays open, so that the end of the head never arrives.
    let config = Config::new().max_head_size(256);
    let (mut near, far) = duplex(64);
    let server = tokio::spawn(async move { ServerBuilder::new().config(config).accept(far).await });
    let head = [b"GET /", &[b'x'; 251][..]].concat();
    near.write_all(&head).await.unwrap();
    let mut wire = Vec::new();
    near.read_to_end(&mut wire).await.unwrap();
    assert_eq!(Answer::parse(&wire, "endless").status(), 431);
    drop(near);
    let error = handshake_error(error_of(server.await.unwrap()));
    assert!(matches!(error, HandshakeError::HeadTooLarge { limit: 256 }));
}

#[tokio::test]
async fn as_many_headers_as_the_limit_are_accepted_and_one_more_answered_with_431() {
    let own = REQUEST.lines().count() - 2;
    let server = ServerBuilder::new().config(Config::new().max_headers(own + 1));
    let request = request_and("X: 1");
    let (opened, _) = accept(&server, Script::whole(request.as_bytes())).await;
    assert!(opened.is_ok());
    let (_, error) = check_refusal(&server, &request_and("X: 1\r\nX: 2"), 431).await;
    assert!(matches!(error, HandshakeError::TooManyHeaders { .. }));
    let many = "X: 1\r\n".repeat(128 - own);
    let (opened, _) = accept(
        &ServerBuilder::new(),
        Script::whole(request_and(many.trim_end()).as_bytes()),
    )
    .await;
    assert!(opened.is_ok());
    check_refusal(
        &ServerBuilder::new(),
        &request_and(&format!("{many}X: 1")),
        431,
    )
    .await;
}

#[tokio::test]
async fn what_the_client_sent_is_escaped_in_the_answer() {
    let request = request_and("Origin: http://\u{202e}evil\"<b>");
    let (answer, error) = check_refusal(&ServerBuilder::new(), &request, 403).await;
    assert!(
        answer.body.contains(r#"\xe2\x80\xaeevil\""#),
        "{}",
        answer.body
    );
    assert!(format!("{error:?}").is_ascii());
}

#[tokio::test]
async fn a_refusal_is_reported_though_the_client_does_not_close() {
    // A client that keeps its connection open must not turn the reason into a timeout.
    let (mut near, far) = duplex(4096);
    tokio::time::pause();
    near.write_all(request_with("GET", "POST").as_bytes())
        .await
        .unwrap();
    let server = ServerBuilder::new();
    let (error, wire) = tokio::join!(server.accept(far), async {
        let mut wire = Vec::new();
        near.read_to_end(&mut wire).await.unwrap();
        wire
    });
    assert_eq!(Answer::parse(&wire, "POST").status(), 405);
    let error = error_of(error);
    assert!(matches!(&error, Error::Handshake(_)), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_speak_http_is_answered_at_its_first_wrong_byte() {
    // The client then waits for the server to speak, and does not close.
    let banners: [(&[u8], &str); 5] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it began with \"SSH-2.0-"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", "TLS"),
        (b"\x00\x01\x02", "\\x00"),
        (b"EHLO example.com\r\n", "EHLO example.com"),
        (b"*1\r\n$4\r\nPING\r\n", "*1"),
    ];
    for (banner, text) in banners {
        let (mut near, far) = duplex(4096);
        near.write_all(banner).await.unwrap();
        let start = Instant::now();
        let server = ServerBuilder::new();
        let (error, wire) = tokio::join!(server.accept(far), async {
            let mut wire = Vec::new();
            near.read_to_end(&mut wire).await.unwrap();
            drop(near);
            wire
        });
        assert_eq!(start.elapsed(), Duration::ZERO);
        let answer = Answer::parse(&wire, text);
        assert_eq!(answer.status(), 400);
        assert!(answer.body.contains(text), "{}", answer.body);
        let error = handshake_error(error_of(error));
        assert!(matches!(error, HandshakeError::NotHttp { .. }), "{error:?}");
    }
}
