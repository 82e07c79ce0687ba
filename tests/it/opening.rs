//! RFC 6455 §4: the opening handshake, against peers whose bytes are written by hand.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex},
    net::TcpStream,
    time::{Instant, sleep},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Fault, Message, Role, ServerBuilder, Timeout,
    WebSocket,
    handshake::{HandshakeError, Origins, UriError, accept_key},
};

use crate::support::{
    frames::{FIN, TEXT, close, frame, key},
    script::{Script, Seen, Write},
};

/// The request of RFC 6455 §1.2, without its subprotocols and its origin.
const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// The response to it, to the byte.
const RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const URI: &str = "ws://server.example.com/chat";

/// How bytes are cut into reads.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Bytes,
    At(usize),
}

impl Cut {
    fn all(len: usize) -> impl Iterator<Item = Self> {
        [Self::Whole, Self::Bytes]
            .into_iter()
            .chain((1..len).map(Self::At))
    }

    fn script(self, bytes: &[u8]) -> Script {
        match self {
            Self::Whole => Script::whole(bytes),
            Self::Bytes => Script::chunks(bytes.chunks(1)),
            Self::At(at) => Script::chunks([&bytes[..at], &bytes[at..]]),
        }
    }
}

/// A server by hand: when it is read from it takes what was written, which has to be a whole
/// request, and goes on with the script that it makes of it.
struct Peer<A> {
    answer: Option<A>,
    script: Script,
}

impl<A: FnOnce(&str) -> Script + Unpin> AsyncRead for Peer<A> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(answer) = self.answer.take() {
            let seen = self.script.seen.clone();
            let request = String::from_utf8(seen.written()).unwrap();
            assert!(request.ends_with("\r\n\r\n"), "half a request: {request:?}");
            assert_eq!(request.matches("\r\n\r\n").count(), 1, "{request:?}");
            self.script = answer(&request);
            self.script.seen = seen;
        }
        Pin::new(&mut self.script).poll_read(cx, buf)
    }
}

impl<A: Unpin> AsyncWrite for Peer<A> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.script).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.script).poll_shutdown(cx)
    }
}

type Opened<S, T> = Result<(WebSocket<S>, T), Error>;

/// Opens a connection to the server that `answer` is. Everything the client writes is seen.
async fn open<A>(client: &ClientBuilder, answer: A) -> (Opened<Peer<A>, Response<()>>, Seen)
where
    A: FnOnce(&str) -> Script + Unpin,
{
    let script = Script::new([]);
    let seen = script.seen.clone();
    let answer = Some(answer);
    let opened = client.handshake(URI, Peer { answer, script }).await;
    (opened, seen)
}

/// The error of a client whose server answers so, whatever was asked. Nothing but a request may
/// have been written.
async fn refused(client: &ClientBuilder, answer: impl FnOnce(&str) -> Script + Unpin) -> Error {
    let (opened, seen) = open(client, answer).await;
    let written = String::from_utf8(seen.written()).unwrap();
    assert!(written.ends_with("\r\n\r\n") && written.matches("\r\n\r\n").count() == 1);
    error_of(opened)
}

async fn accept(server: &ServerBuilder, script: Script) -> (Opened<Script, Request<()>>, Seen) {
    let seen = script.seen.clone();
    (server.accept_request(script).await, seen)
}

fn error_of<T>(result: Result<T, Error>) -> Error {
    match result {
        Ok(_) => panic!("the handshake succeeded"),
        Err(error) => error,
    }
}

fn handshake_error(error: Error) -> HandshakeError {
    match error {
        Error::Handshake(error) => *error,
        error => panic!("not of the handshake: {error:?}"),
    }
}

/// The correct response to a request, with more header lines.
fn switching(request: &str, more: &str) -> String {
    let key = header(request, "sec-websocket-key").expect("the request has a key");
    let accept = accept_key(key.as_bytes());
    RESPONSE
        .replace(
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
            str::from_utf8(&accept).unwrap(),
        )
        .replace("\r\n\r\n", &format!("\r\n{more}\r\n"))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// Replaces a part of [`REQUEST`] that has to be there.
fn request_with(part: &str, by: &str) -> String {
    assert!(REQUEST.contains(part), "{part}");
    REQUEST.replacen(part, by, 1)
}

/// [`REQUEST`] with one more header line.
fn request_and(line: &str) -> String {
    request_with("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
}

async fn read_head(io: &mut DuplexStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

// ---- both sides agree ------------------------------------------------------------------------

async fn meet(
    client: &ClientBuilder,
    server: &ServerBuilder,
    uri: &str,
) -> (
    (WebSocket<DuplexStream>, Response<()>),
    (WebSocket<DuplexStream>, Request<()>),
) {
    let (near, far) = duplex(4096);
    let (client, server) = tokio::join!(client.handshake(uri, near), server.accept_request(far));
    (client.unwrap(), server.unwrap())
}

#[tokio::test]
async fn client_and_server_open_a_connection_over_any_stream() {
    let ((mut client, response), (mut server, request)) =
        meet(&ClientBuilder::new(), &ServerBuilder::new(), URI).await;
    assert_eq!(response.status(), 101);
    assert_eq!(request.uri(), "/chat");
    client.send("ping").await.unwrap();
    assert_eq!(server.recv().await.unwrap(), Some("ping".into()));
    server.send(b"pong".as_slice()).await.unwrap();
    assert_eq!(
        client.recv().await.unwrap(),
        Some(Message::Binary("pong".into()))
    );
    let (closed, ended) = tokio::join!(client.close(CloseCode::NORMAL, "bye"), server.recv());
    closed.unwrap();
    assert_eq!(ended.unwrap(), None);
    assert_eq!(server.closed().unwrap().reason(), "bye");
}

#[tokio::test]
async fn both_sides_name_the_subprotocol_that_the_server_prefers() {
    let cases: [(&[&str], &[&str], Option<&str>); 5] = [
        (&["b", "a"], &["a", "b"], Some("a")),
        (&["c", "b"], &["a", "b"], Some("b")),
        (&["c"], &["a", "b"], None),
        (&[], &["a"], None),
        (&["A"], &["a"], None),
    ];
    for (offered, spoken, expected) in cases {
        let client = ClientBuilder::new()
            .subprotocols(offered.iter().copied())
            .unwrap();
        let server = ServerBuilder::new()
            .subprotocols(spoken.iter().copied())
            .unwrap();
        let ((client, response), (server, request)) = meet(&client, &server, URI).await;
        assert_eq!(client.subprotocol(), expected);
        assert_eq!(server.subprotocol(), expected);
        let name = "sec-websocket-protocol";
        let answered = response
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap());
        assert_eq!(answered, expected);
        assert_eq!(request.headers().contains_key(name), !offered.is_empty());
    }
}

#[tokio::test]
async fn a_subprotocol_stays_with_a_connection_that_is_taken_apart() {
    let client = ClientBuilder::new().subprotocols(["chat"]).unwrap();
    let server = ServerBuilder::new().subprotocols(["chat"]).unwrap();
    let ((client, _), _) = meet(&client, &server, URI).await;
    let client = WebSocket::from_parts(client.into_parts());
    assert_eq!(client.subprotocol(), Some("chat"));
}

#[tokio::test]
async fn the_server_sees_path_query_and_headers() {
    let client = ClientBuilder::new()
        .origin("http://example.com:8080")
        .unwrap()
        .header("X-Twice", "1")
        .unwrap()
        .header("x-twice", "2")
        .unwrap();
    let uri = "ws://example.com:8080/a%20b/%C3%A9?x=1&y=%20&z";
    let (_, (_, request)) = meet(&client, &ServerBuilder::new(), uri).await;
    assert_eq!(request.method(), "GET");
    assert_eq!(request.uri().path(), "/a%20b/%C3%A9");
    assert_eq!(request.uri().query(), Some("x=1&y=%20&z"));
    assert_eq!(request.headers()["host"], "example.com:8080");
    assert_eq!(request.headers()["origin"], "http://example.com:8080");
    let twice: Vec<_> = request.headers().get_all("x-twice").iter().collect();
    assert_eq!(twice, ["1", "2"]);
}

#[tokio::test]
async fn a_uri_without_a_path_asks_for_the_root() {
    for (uri, expected) in [("ws://h", "/"), ("ws://h?q", "/?q"), ("WS://H/", "/")] {
        let (_, (_, request)) = meet(&ClientBuilder::new(), &ServerBuilder::new(), uri).await;
        assert_eq!(request.uri(), expected, "{uri}");
        assert_eq!(request.headers()["host"], "h");
    }
}

#[tokio::test]
async fn the_server_adds_headers_to_its_response() {
    let server = ServerBuilder::new()
        .header("server", "test")
        .unwrap()
        .header("set-cookie", "a=1")
        .unwrap()
        .header("set-cookie", "b=2")
        .unwrap();
    let ((_, response), _) = meet(&ClientBuilder::new(), &server, URI).await;
    assert_eq!(response.headers()["server"], "test");
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
}

#[tokio::test]
async fn user_agent_names_the_crate_or_whatever_it_is_told() {
    let own = concat!("wsimd/", env!("CARGO_PKG_VERSION"));
    for (set, expected) in [
        (None, Some(own)),
        (Some("me/1"), Some("me/1")),
        (Some(""), None),
    ] {
        let mut client = ClientBuilder::new();
        if let Some(agent) = set {
            client = client.header("user-agent", agent).unwrap();
        }
        let (_, (_, request)) = meet(&client, &ServerBuilder::new(), URI).await;
        let mut sent = request.headers().get_all("user-agent").iter();
        assert_eq!(sent.next().map(|value| value.to_str().unwrap()), expected);
        assert_eq!(sent.next(), None);
    }
}

#[tokio::test]
async fn user_info_of_the_uri_becomes_basic_authentication() {
    let cases = [
        (
            "Aladdin:open%20sesame",
            "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        // The seed library sends "user:None".
        ("user", "Basic dXNlcjo="),
        ("user:", "Basic dXNlcjo="),
    ];
    for (user_info, expected) in cases {
        let uri = format!("ws://{user_info}@server.example.com/");
        let (_, (_, request)) = meet(&ClientBuilder::new(), &ServerBuilder::new(), &uri).await;
        assert_eq!(request.headers()["authorization"], expected);
        assert_eq!(request.headers()["host"], "server.example.com");
        assert_eq!(request.uri(), "/");
    }
}

// ---- on the wire -----------------------------------------------------------------------------

#[tokio::test]
async fn the_request_has_what_the_rfc_wants_and_a_fresh_key() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let (opened, seen) = open(&ClientBuilder::new(), |request| {
            Script::whole(switching(request, "").as_bytes())
        })
        .await;
        opened.unwrap();
        let request = String::from_utf8(seen.written()).unwrap();
        let mut lines = request.lines();
        assert_eq!(lines.next(), Some("GET /chat HTTP/1.1"));
        assert_eq!(lines.next(), Some("Host: server.example.com"));
        assert_eq!(header(&request, "upgrade"), Some("websocket"));
        assert_eq!(header(&request, "connection"), Some("Upgrade"));
        assert_eq!(header(&request, "sec-websocket-version"), Some("13"));
        for absent in [
            "origin",
            "sec-websocket-protocol",
            "sec-websocket-extensions",
        ] {
            assert_eq!(header(&request, absent), None);
        }
        let key = header(&request, "sec-websocket-key").unwrap().to_owned();
        assert!(key.len() == 24 && key.ends_with("=="), "{key}");
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
}

#[tokio::test]
async fn the_servers_handshake_is_the_same_however_the_bytes_are_cut() {
    let frames = [
        frame(Role::Client, FIN | TEXT, b"Hello"),
        close(Role::Client, 1000, ""),
    ];
    let input = [REQUEST.as_bytes(), &frames.concat()].concat();
    let expected = [RESPONSE.as_bytes(), &close(Role::Server, 1000, "")].concat();
    for cut in Cut::all(input.len()) {
        let (opened, seen) = accept(&ServerBuilder::new(), cut.script(&input)).await;
        let (mut ws, request) = opened.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(seen.written(), RESPONSE.as_bytes(), "{cut:?}");
        assert_eq!(request.uri(), "/chat");
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()), "{cut:?}");
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(seen.written(), expected, "{cut:?}");
    }
}

#[tokio::test]
async fn the_clients_handshake_is_the_same_however_the_bytes_are_cut() {
    let frames = [
        frame(Role::Server, FIN | TEXT, b"Hello"),
        close(Role::Server, 1000, ""),
    ];
    let frames = frames.concat();
    let client = ClientBuilder::new().config(Config::new().masking_keys(key));
    for cut in Cut::all(RESPONSE.len() + frames.len()) {
        let (opened, seen) = open(&client, |request| {
            let head = switching(request, "");
            assert_eq!(head.len(), RESPONSE.len());
            cut.script(&[head.as_bytes(), &frames].concat())
        })
        .await;
        let (mut ws, response) = opened.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(response.status(), 101);
        let request = seen.written();
        assert!(request.ends_with(b"\r\n\r\n"));
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()), "{cut:?}");
        assert_eq!(ws.recv().await.unwrap(), None);
        let expected = [request, close(Role::Client, 1000, "")].concat();
        assert_eq!(seen.written(), expected, "{cut:?}");
    }
}

#[tokio::test]
async fn bytes_after_the_request_are_frames() {
    // In one read with the request: a whole frame and the beginning of the next.
    let frames = [
        frame(Role::Client, FIN | TEXT, b"one"),
        frame(Role::Client, FIN | TEXT, b"two"),
    ]
    .concat();
    let (now, later) = frames.split_at(frames.len() - 4);
    let first = [REQUEST.as_bytes(), now].concat();
    let script = Script::chunks([&first[..], later]).silent();
    let (opened, _) = accept(&ServerBuilder::new(), script).await;
    let (mut ws, _) = opened.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("one".into()));
    assert_eq!(ws.recv().await.unwrap(), Some("two".into()));
}

#[tokio::test]
async fn bytes_after_the_response_are_frames() {
    let frames = [
        frame(Role::Server, FIN | TEXT, b"one"),
        frame(Role::Server, FIN | TEXT, b"two"),
    ]
    .concat();
    let (now, later) = frames.split_at(frames.len() - 4);
    let (opened, _) = open(&ClientBuilder::new(), |request| {
        let first = [switching(request, "").as_bytes(), now].concat();
        Script::chunks([&first[..], later]).silent()
    })
    .await;
    let (mut ws, _) = opened.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("one".into()));
    assert_eq!(ws.recv().await.unwrap(), Some("two".into()));
}

#[tokio::test]
async fn more_than_one_read_of_frames_after_the_head_is_lost_nowhere() {
    let message = frame(Role::Client, FIN | TEXT, &[b'x'; 1000]);
    let input = [REQUEST.as_bytes(), &message.repeat(50)].concat();
    let (opened, _) = accept(&ServerBuilder::new(), Script::whole(&input).silent()).await;
    let (mut ws, _) = opened.unwrap();
    for _ in 0..50 {
        assert_eq!(ws.recv().await.unwrap().unwrap().len(), 1000);
    }
}

#[tokio::test]
async fn a_violation_right_behind_the_head_is_told_to_the_peer() {
    let unmasked = frame(Role::Server, FIN | TEXT, b"Hello");
    let input = [REQUEST.as_bytes(), &unmasked].concat();
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(&input)).await;
    let (mut ws, _) = opened.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
    let expected = close(Role::Server, 1002, "frame from a client is not masked");
    assert_eq!(seen.written(), [RESPONSE.as_bytes(), &expected].concat());
}

#[tokio::test]
async fn a_server_leaves_extensions_that_are_offered_alone() {
    let request =
        request_and("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    opened.unwrap();
    assert_eq!(seen.written(), RESPONSE.as_bytes());
}

#[tokio::test]
async fn requests_that_are_legal_though_unusual_are_accepted() {
    let cases = [
        request_with("Upgrade: websocket", "UPGRADE:h2c , WebSocket"),
        request_with("Connection: Upgrade", "connection:keep-alive,\tupgrade"),
        request_with(
            "Connection: Upgrade",
            "Connection: keep-alive\r\nConnection: Upgrade",
        ),
        request_with("GET /chat", "GET http://server.example.com/chat"),
        request_with("GET /chat", "GET //chat/../x?a=b"),
        request_and("Origin: http://server.example.com"),
        request_and("X-Empty:"),
        request_and("X-Latin: \u{e9}"),
    ];
    for request in cases {
        let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
        assert!(opened.is_ok(), "{request}");
        assert_eq!(seen.written(), RESPONSE.as_bytes());
    }
}

// ---- the server refuses ----------------------------------------------------------------------

/// What a server answers to a request it refuses.
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    /// Takes the bytes apart and checks what holds for every refusal.
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

/// Checks that the request is refused so, however its bytes are cut, and returns the answer.
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
        assert_eq!(answer.body, format!("{error}\n"));
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
        // 15 and 17 bytes, and bits behind the sixteenth.
        request_with(KEY_LINE, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA"),
        request_with(KEY_LINE, "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA="),
        request_with(KEY_LINE, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR=="),
        request_and(KEY_LINE),
        request_and("Sec-WebSocket-Version: 13"),
        request_and("Origin: http://server.example.com\r\nOrigin: http://server.example.com"),
        request_and("Content-Length: 0"),
        request_and("Content-Length: 5"),
        request_and("Transfer-Encoding: chunked"),
        request_and("Sec-WebSocket-Protocol: a, a"),
        request_and("Sec-WebSocket-Protocol: a b"),
        request_and("Sec-WebSocket-Protocol:"),
        request_and("X-Folded: a\r\n b"),
        request_and("X Space: a"),
        request_and("X-Space : a"),
        request_and("no colon"),
        request_and("X-Nul: a\0b"),
        request_and("X-Cr: a\rb"),
        request_and("X-Control: \u{1b}[31m"),
        request_and("X-Lf: a\nX-Second: b"),
        REQUEST.replace("\r\n", "\n"),
        format!("\r\n{REQUEST}"),
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
    let listed = ServerBuilder::new().origins(Origins::list(["https://example.com"]).unwrap());
    check_refusal(
        &listed,
        &request_and("Origin: http://server.example.com"),
        403,
    )
    .await;
    for (server, origin) in [
        (ServerBuilder::new().origins(Origins::any()), "null"),
        (listed, "https://example.com:443"),
    ] {
        let request = request_and(&format!("Origin: {origin}"));
        let (opened, _) = accept(&server, Script::whole(request.as_bytes())).await;
        assert!(opened.is_ok(), "{origin}");
    }
}

#[tokio::test]
async fn another_method_is_answered_with_405_and_what_is_allowed() {
    for method in ["POST", "HEAD", "OPTIONS", "get", "PURGE"] {
        let request = request_with("GET", method);
        let (answer, _) = check_refusal(&ServerBuilder::new(), &request, 405).await;
        assert_eq!(answer.header("allow"), Some("GET"));
    }
    // The method is judged before the body that may come with it.
    let post = request_and("Content-Length: 5").replace("GET", "POST") + "hello";
    check_refusal(&ServerBuilder::new(), &post, 405).await;
}

#[tokio::test]
async fn a_host_that_is_not_served_is_answered_with_421() {
    let server = ServerBuilder::new()
        .hosts(["example.com", "[::1]:8080"])
        .unwrap();
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
        // Frames do not count.
        let input = [exact.as_bytes(), &frame(Role::Client, FIN | TEXT, b"Hello")].concat();
        for cut in [Cut::Whole, Cut::Bytes, Cut::At(limit), Cut::At(limit - 1)] {
            let (opened, seen) = accept(&server, cut.script(&input)).await;
            let (mut ws, _) = opened.unwrap();
            assert_eq!(seen.written(), RESPONSE.as_bytes());
            assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
        }
        let longer = request_and(&format!("X: {padding}x"));
        let (_, error) = check_refusal(&server, &longer, 431).await;
        assert!(matches!(error, HandshakeError::HeadTooLarge { limit: it } if it == limit));
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_answered_as_soon_as_it_is_too_long() {
    // The stream stays open: waiting for the end of the head would wait for ever.
    let config = Config::new().max_head_size(256);
    let (mut near, far) = duplex(64);
    let server = tokio::spawn(async move { ServerBuilder::new().config(config).accept(far).await });
    near.write_all(&[b'x'; 256]).await.unwrap();
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
    let many = "X: 1\r\n".repeat(64 - own);
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

// ---- the client refuses ----------------------------------------------------------------------

#[tokio::test]
async fn a_refusal_reaches_the_client_with_status_headers_and_body() {
    const BODY: &str = "try again later, please";
    let framings = [
        (format!("Content-Length: {}\r\n\r\n{BODY}", BODY.len()), true),
        (
            "Transfer-Encoding: chunked\r\n\r\n5\r\ntry a\r\n12;x=y\r\ngain later, please\r\n0\r\n\r\n"
                .to_owned(),
            true,
        ),
        (format!("\r\n{BODY}"), false),
    ];
    for (framing, ends_by_itself) in framings {
        let answer = format!("HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nX: a\r\nX: b\r\n{framing}");
        for cut in Cut::all(answer.len()) {
            let error = refused(&ClientBuilder::new(), |_: &str| {
                let script = cut.script(answer.as_bytes());
                // Where the body says where it ends, the end of the stream is not waited for.
                if ends_by_itself {
                    script.silent()
                } else {
                    script
                }
            })
            .await;
            assert_eq!(error.close_code(), None);
            let HandshakeError::Refused(response) = handshake_error(error) else {
                panic!("not a refusal");
            };
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()["retry-after"], "120");
            assert_eq!(response.headers().get_all("x").iter().count(), 2);
            assert_eq!(response.body(), BODY, "{cut:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn every_status_but_101_is_a_refusal() {
    for status in [200, 204, 301, 304, 401, 403, 426, 500, 599] {
        let error = refused(&ClientBuilder::new(), |_: &str| {
            Script::whole(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .silent()
        })
        .await;
        assert_eq!(error.fault(), Fault::Local);
        assert!(error.to_string().contains(&status.to_string()), "{error}");
        let HandshakeError::Refused(response) = handshake_error(error) else {
            panic!("not a refusal");
        };
        assert_eq!(response.status(), status);
        assert!(response.body().is_empty());
    }
}

#[tokio::test]
async fn a_right_looking_answer_with_another_status_is_a_refusal() {
    let error = refused(&ClientBuilder::new(), |request: &str| {
        Script::whole(switching(request, "").replace("101", "200").as_bytes())
    })
    .await;
    assert!(matches!(handshake_error(error), HandshakeError::Refused(_)));
}

#[tokio::test]
async fn the_body_of_a_refusal_is_kept_up_to_64_kib() {
    const KEPT: usize = 64 << 10;
    let body = vec![b'x'; KEPT + 1000];
    let chunk = [b"1000\r\n", &[b'x'; 4096][..], b"\r\n"].concat();
    let answers = [
        [b"Content-Length: 1000000\r\n\r\n", &body[..]].concat(),
        [b"Transfer-Encoding: chunked\r\n\r\n", &chunk.repeat(17)[..]].concat(),
        [b"\r\n", &body[..]].concat(),
    ];
    for answer in answers {
        let answer = [b"HTTP/1.1 403 Forbidden\r\n", &answer[..]].concat();
        // More is announced than comes: the client does not wait for it.
        let error = refused(&ClientBuilder::new(), |_: &str| {
            Script::whole(&answer).silent()
        })
        .await;
        let HandshakeError::Refused(response) = handshake_error(error) else {
            panic!("not a refusal");
        };
        assert_eq!(response.status(), 403);
        assert_eq!(response.body(), &body[..KEPT]);
    }
}

#[tokio::test]
async fn a_refusal_whose_body_breaks_off_keeps_what_came() {
    for framing in [
        "Content-Length: 100\r\n\r\nhal",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhal",
    ] {
        let answer = format!("HTTP/1.1 403 Forbidden\r\n{framing}");
        let error = refused(&ClientBuilder::new(), |_: &str| {
            Script::whole(answer.as_bytes())
        })
        .await;
        let HandshakeError::Refused(response) = handshake_error(error) else {
            panic!("not a refusal");
        };
        assert_eq!(
            (response.status().as_u16(), &response.body()[..]),
            (403, &b"hal"[..])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_whose_body_stalls_is_still_a_refusal() {
    let answer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\nhal";
    let start = Instant::now();
    let error = refused(&ClientBuilder::new(), |_: &str| {
        Script::whole(answer.as_bytes()).silent()
    })
    .await;
    assert!(start.elapsed() <= Duration::from_secs(10));
    assert!(matches!(&error, Error::Handshake(_)), "{error:?}");
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n\
        HTTP/1.1 102 Processing\r\n\r\n\
        HTTP/1.1 103 Early Hints\r\n\r\n";
    for cut in Cut::all(interim.len() + RESPONSE.len() + 7) {
        let (opened, _) = open(&ClientBuilder::new(), |request| {
            let answer = format!("{interim}{}", switching(request, ""));
            let hello = frame(Role::Server, FIN | TEXT, b"Hello");
            cut.script(&[answer.as_bytes(), &hello].concat())
        })
        .await;
        let (mut ws, response) = opened.unwrap_or_else(|error| panic!("{cut:?}: {error}"));
        assert_eq!(response.status(), 101);
        assert!(!response.headers().contains_key("link"));
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
    }
}

#[tokio::test]
async fn too_many_interim_responses_are_an_error() {
    let error = refused(&ClientBuilder::new(), |request: &str| {
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(5);
        Script::whole(format!("{interim}{}", switching(request, "")).as_bytes())
    })
    .await;
    handshake_error(error);
}

#[tokio::test]
async fn an_accept_that_does_not_answer_the_key_is_an_error() {
    // That of the RFC's example, which answers another key.
    let error = refused(&ClientBuilder::new(), |_: &str| {
        Script::whole(RESPONSE.as_bytes())
    })
    .await;
    assert_eq!(error.fault(), Fault::Peer);
    let error = handshake_error(error);
    assert!(
        matches!(error, HandshakeError::AcceptMismatch { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_response_that_breaks_a_rule_is_an_error() {
    type Edit = fn(&str) -> String;
    let cases: [(&str, Edit); 17] = [
        ("accept in another case", |r| {
            let accept = header(r, "sec-websocket-accept").unwrap();
            r.replace(accept, &accept.to_lowercase())
        }),
        ("accept missing", |r| r.replace("Sec-WebSocket-Accept", "X")),
        ("accept twice", |r| {
            let accept = header(r, "sec-websocket-accept").unwrap();
            and(r, &format!("Sec-WebSocket-Accept: {accept}"))
        }),
        ("upgrade missing", |r| {
            r.replace("Upgrade: websocket\r\n", "")
        }),
        ("another upgrade", |r| r.replace(": websocket", ": h2c")),
        ("two upgrades", |r| {
            r.replace(": websocket", ": h2c, websocket")
        }),
        ("connection missing", |r| {
            r.replace("Connection: Upgrade\r\n", "")
        }),
        ("another connection", |r| {
            r.replace("Connection: Upgrade", "Connection: close")
        }),
        ("content-length", |r| and(r, "Content-Length: 0")),
        ("transfer-encoding", |r| {
            and(r, "Transfer-Encoding: chunked")
        }),
        ("HTTP/1.0", |r| r.replace("HTTP/1.1", "HTTP/1.0")),
        ("an extension", |r| {
            and(r, "Sec-WebSocket-Extensions: permessage-deflate")
        }),
        ("a folded line", |r| and(r, "X: a\r\n b")),
        ("LF", |r| r.replace("\r\n", "\n")),
        ("a blank line first", |r| format!("\r\n{r}")),
        ("no status", |r| r.replace(" 101", "")),
        ("four digits", |r| r.replace(" 101", " 1010")),
    ];
    fn and(response: &str, line: &str) -> String {
        response.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"))
    }
    for (what, edit) in cases {
        let error = refused(&ClientBuilder::new(), |request: &str| {
            let right = switching(request, "");
            let wrong = edit(&right);
            assert_ne!(right, wrong, "{what}");
            Script::whole(wrong.as_bytes()).silent()
        })
        .await;
        assert_eq!(error.fault(), Fault::Peer, "{what}: {error:?}");
        let error = handshake_error(error);
        assert!(!matches!(error, HandshakeError::Refused(_)), "{what}");
    }
}

#[tokio::test]
async fn a_subprotocol_that_was_not_offered_is_an_error() {
    let offering = ClientBuilder::new().subprotocols(["chat", "echo"]).unwrap();
    let cases = [
        (&offering, "Sec-WebSocket-Protocol: other\r\n"),
        (&offering, "Sec-WebSocket-Protocol: Chat\r\n"),
        (&offering, "Sec-WebSocket-Protocol: chat, echo\r\n"),
        (&offering, "Sec-WebSocket-Protocol: \r\n"),
        (
            &offering,
            "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: echo\r\n",
        ),
        (&ClientBuilder::new(), "Sec-WebSocket-Protocol: chat\r\n"),
    ];
    for (client, line) in cases {
        let error = refused(client, |request: &str| {
            Script::whole(switching(request, line).as_bytes()).silent()
        })
        .await;
        assert_eq!(error.fault(), Fault::Peer, "{line}: {error:?}");
        handshake_error(error);
    }
    for (line, expected) in [
        ("Sec-WebSocket-Protocol: echo\r\n", Some("echo")),
        ("", None),
    ] {
        let (opened, _) = open(&offering, |request| {
            Script::whole(switching(request, line).as_bytes())
        })
        .await;
        assert_eq!(opened.unwrap().0.subprotocol(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_before_the_response_is_an_error() {
    // With the right response behind it, and without: never a message, never for ever.
    for payload in [&b"Hello"[..], b"Hel\nlo", b"HTTP/1.1 101 X\r\n\r\n"] {
        for right in [true, false] {
            let error = refused(&ClientBuilder::new(), |request: &str| {
                let early = frame(Role::Server, FIN | TEXT, payload);
                let head = if right {
                    switching(request, "")
                } else {
                    String::new()
                };
                Script::whole(&[&early, head.as_bytes()].concat()).silent()
            })
            .await;
            let expected = match error {
                Error::Handshake(_) => true,
                Error::Timeout(Timeout::Open) => !right,
                _ => false,
            };
            assert!(expected, "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_response_head_of_the_limit_is_accepted_and_a_longer_one_is_not() {
    let limit = 512;
    let client = ClientBuilder::new().config(Config::new().max_head_size(limit));
    for (excess, cut) in [
        (0, Cut::Whole),
        (0, Cut::Bytes),
        (1, Cut::Whole),
        (1, Cut::Bytes),
    ] {
        let (opened, seen) = open(&client, |request| {
            let padding = limit - RESPONSE.len() - "X: \r\n".len() + excess;
            let head = switching(request, &format!("X: {}\r\n", "x".repeat(padding)));
            assert_eq!(head.len(), limit + excess);
            let hello = frame(Role::Server, FIN | TEXT, b"Hello");
            cut.script(&[head.as_bytes(), &hello].concat())
        })
        .await;
        if excess == 0 {
            let (mut ws, _) = opened.unwrap();
            assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
            continue;
        }
        let error = handshake_error(error_of(opened));
        assert!(matches!(error, HandshakeError::HeadTooLarge { limit: 512 }));
        assert!(
            seen.written().ends_with(b"\r\n\r\n"),
            "something behind the request"
        );
    }
}

#[tokio::test]
async fn a_uri_that_cannot_be_used_is_refused_before_anything_is_sent() {
    let cases = [
        ("ws://h/#fragment", UriError::Fragment),
        ("ws://h#", UriError::Fragment),
        ("ws://h/?a#b", UriError::Fragment),
        ("http://h/", UriError::Scheme),
        ("h:80/", UriError::Scheme),
        ("", UriError::Scheme),
        ("ws:///path", UriError::MissingHost),
        ("ws://:80/", UriError::MissingHost),
        ("ws://h:0/", UriError::InvalidPort),
        ("ws://h:65536/", UriError::InvalidPort),
        ("ws://[::1/", UriError::InvalidHost),
        ("ws://h/a b", UriError::InvalidCharacter),
        ("ws://h/\u{e9}", UriError::InvalidCharacter),
        ("ws://h/\r\nX: y", UriError::InvalidCharacter),
        ("ws://@h/", UriError::EmptyUserName),
        ("ws://:secret@h/", UriError::EmptyUserName),
        ("ws://a%0d%0a@h/", UriError::InvalidUserInfo),
    ];
    for (uri, expected) in cases {
        let script = Script::new([]);
        let seen = script.seen.clone();
        for error in [
            error_of(ClientBuilder::new().handshake(uri, script).await),
            error_of(wsimd::connect(uri).await),
        ] {
            assert_eq!(error.fault(), Fault::Local);
            let error = handshake_error(error);
            assert!(
                matches!(error, HandshakeError::Uri(it) if it == expected),
                "{uri}: {error:?}"
            );
        }
        assert_eq!((seen.writes(), seen.reads()), (0, 0), "{uri}");
    }
}

#[tokio::test]
async fn wss_says_that_it_needs_tls() {
    let error = error_of(wsimd::connect("wss://localhost/").await);
    assert!(matches!(error, Error::Unsupported(what) if what.contains("TLS")));
    assert!(error.to_string().contains("wss"), "{error}");
    assert_eq!(error.fault(), Fault::Local);
}

#[tokio::test]
async fn a_handshake_over_a_stream_of_the_callers_takes_wss() {
    let (_, (_, request)) =
        meet(&ClientBuilder::new(), &ServerBuilder::new(), "wss://h:443/").await;
    assert_eq!(request.headers()["host"], "h");
}

// ---- the end of the stream, and of patience --------------------------------------------------

#[tokio::test]
async fn a_stream_that_ends_inside_a_request_is_an_error() {
    for len in 0..REQUEST.len() {
        let script = Script::whole(&REQUEST.as_bytes()[..len]);
        let (opened, seen) = accept(&ServerBuilder::new(), script).await;
        let error = error_of(opened);
        let expected = io::ErrorKind::UnexpectedEof;
        assert!(
            matches!(&error, Error::Io(io) if io.kind() == expected),
            "{len}: {error:?}"
        );
        assert_eq!(seen.written(), b"", "{len}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_response_is_an_error() {
    for len in 0..RESPONSE.len() {
        let error = refused(&ClientBuilder::new(), |request: &str| {
            Script::whole(&switching(request, "").as_bytes()[..len])
        })
        .await;
        let expected = io::ErrorKind::UnexpectedEof;
        assert!(
            matches!(&error, Error::Io(io) if io.kind() == expected),
            "{len}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_stream_that_fails_is_an_error() {
    let broken = || Script::new([]).writes([Write::Error(io::ErrorKind::BrokenPipe)]);
    let error = error_of(ClientBuilder::new().handshake(URI, broken()).await);
    assert!(matches!(&error, Error::Io(io) if io.kind() == io::ErrorKind::BrokenPipe));
    let script =
        Script::whole(REQUEST.as_bytes()).writes([Write::Error(io::ErrorKind::BrokenPipe)]);
    let (opened, _) = accept(&ServerBuilder::new(), script).await;
    let error = error_of(opened);
    assert!(matches!(&error, Error::Io(io) if io.kind() == io::ErrorKind::BrokenPipe));
    assert_eq!(error.fault(), Fault::Transport);
}

fn timed_out<T>(result: Result<T, Error>) {
    let error = error_of(result);
    assert!(matches!(error, Error::Timeout(Timeout::Open)), "{error:?}");
    assert!(error.is_timeout() && !error.is_closed());
    assert_eq!(error.fault(), Fault::Transport);
    assert_eq!(error.close_code(), None);
}

const SECONDS: [Option<u64>; 2] = [None, Some(3)];

fn config(seconds: Option<u64>) -> (Config, Duration) {
    let limit = Duration::from_secs(seconds.unwrap_or(10));
    match seconds {
        None => (Config::new(), limit),
        Some(_) => (Config::new().open_timeout(limit), limit),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let start = Instant::now();
        let client = ClientBuilder::new().config(config);
        let (opened, seen) = open(&client, |_| Script::new([]).silent()).await;
        timed_out(opened);
        assert_eq!(start.elapsed(), limit);
        assert!(seen.written().ends_with(b"\r\n\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let start = Instant::now();
        let server = ServerBuilder::new().config(config);
        let (opened, seen) = accept(&server, Script::new([]).silent()).await;
        timed_out(opened);
        assert_eq!(start.elapsed(), limit);
        assert_eq!(seen.written(), b"");
    }
}

/// Writes a byte a second, for longer than anybody should wait.
async fn drip(io: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        sleep(Duration::from_secs(1)).await;
        if io.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let (mut near, far) = duplex(4096);
        let start = Instant::now();
        let server = ServerBuilder::new().config(config);
        let ended = async {
            let opened = server.accept(far).await;
            (opened, start.elapsed())
        };
        let ((opened, elapsed), ()) = tokio::join!(ended, drip(&mut near, REQUEST.as_bytes()));
        timed_out(opened);
        assert_eq!(elapsed, limit);
        let mut wire = Vec::new();
        near.read_to_end(&mut wire).await.unwrap();
        assert_eq!(wire, b"");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drips_is_given_up_after_the_open_timeout() {
    // The response itself, and one behind an interim response.
    for at_once in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let (near, mut far) = duplex(4096);
        let start = Instant::now();
        let client = ClientBuilder::new();
        let ended = async {
            let opened = client.handshake(URI, near).await;
            (opened, start.elapsed())
        };
        let ((opened, elapsed), ()) = tokio::join!(ended, async {
            read_head(&mut far).await;
            far.write_all(at_once.as_bytes()).await.unwrap();
            drip(&mut far, RESPONSE.as_bytes()).await;
        });
        timed_out(opened);
        assert_eq!(elapsed, Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up_after_the_open_timeout() {
    let start = Instant::now();
    let (near, _far) = duplex(16);
    timed_out(ClientBuilder::new().handshake(URI, near).await);
    assert_eq!(start.elapsed(), Duration::from_secs(10));

    let script = Script::whole(REQUEST.as_bytes());
    // Takes a byte and no more.
    let script = script.writes([Write::Some(1), Write::Pending]);
    let server = ServerBuilder::new().config(Config::new().open_timeout(Duration::ZERO));
    timed_out(accept(&server, script).await.0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_within_the_timeout_succeeds_and_the_timeout_ends_with_it() {
    let (mut near, far) = duplex(4096);
    let config = Config::new().open_timeout(Duration::from_secs(200));
    let server = ServerBuilder::new().config(config);
    let (opened, ()) = tokio::join!(server.accept(far), drip(&mut near, REQUEST.as_bytes()));
    let mut ws = opened.unwrap();
    assert_eq!(read_head(&mut near).await, RESPONSE);
    sleep(Duration::from_secs(1000)).await;
    near.write_all(&frame(Role::Client, FIN | TEXT, b"Hello"))
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
}

// ---- secrets, and what the compiler has to grant ---------------------------------------------

#[tokio::test(start_paused = true)]
async fn credentials_are_in_no_error() {
    const URI: &str = "ws://user:sesame@server.example.com/";
    let client = ClientBuilder::new().header("cookie", "id=sesame").unwrap();
    let mut shown = vec![format!("{client:?}")];
    let show = |error: Error| format!("{error} {error:?}");

    let answers = [
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200\n",
        "",
        RESPONSE,
    ];
    for answer in answers {
        let peer = Peer {
            answer: Some(|_: &str| Script::whole(answer.as_bytes())),
            script: Script::new([]),
        };
        shown.push(show(error_of(client.handshake(URI, peer).await)));
    }
    let (near, _far) = duplex(4096);
    shown.push(show(error_of(client.handshake(URI, near).await)));
    for (part, by) in [
        ("ws:", "wss:"),
        ("ws:", "http:"),
        ("com/", "com:x/"),
        ("com/", "com/#f"),
        ("com/", "com/\u{e9}"),
        ("user", ""),
        (":sesame", ":sesame%zz"),
        (":sesame", ":sesame@:sesame"),
        ("server", "[server"),
    ] {
        shown.push(show(error_of(
            client.connect(&URI.replacen(part, by, 1)).await,
        )));
    }
    shown.push(show(error_of(
        ClientBuilder::new().header("authorization", "sesame\r\n"),
    )));

    // A server does not print what it was sent, either.
    let basic = "Authorization: Basic dXNlcjpzZXNhbWU=\r\nCookie: id=sesame";
    let request = request_and(basic).replace("Version: 13", "Version: 8");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    shown.push(show(error_of(opened)));
    shown.push(String::from_utf8(seen.written()).unwrap());
    let origin = request_and("Origin: http://user:sesame@server.example.com");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(origin.as_bytes())).await;
    shown.push(show(error_of(opened)));
    shown.push(String::from_utf8(seen.written()).unwrap());

    for text in shown {
        assert!(!text.contains("sesame"), "{text}");
        assert!(!text.contains("dXNlcjpzZXNhbWU"), "{text}");
    }
}

#[tokio::test]
async fn credentials_are_not_in_the_debug_output_of_a_request() {
    let uri = "ws://user:sesame@h/";
    let client = ClientBuilder::new().header("cookie", "id=sesame").unwrap();
    let (_, (_, request)) = meet(&client, &ServerBuilder::new(), uri).await;
    assert_eq!(request.headers()["authorization"], "Basic dXNlcjpzZXNhbWU=");
    let shown = format!("{request:?}");
    assert!(
        !shown.contains("dXNlcjpzZXNhbWU") && !shown.contains("sesame"),
        "{shown}"
    );
}

#[test]
fn headers_that_the_handshake_owns_cannot_be_set() {
    for name in [
        "Upgrade",
        "connection",
        "Sec-WebSocket-Key",
        "content-length",
        "sec-websocket-x",
    ] {
        for result in [
            ClientBuilder::new().header(name, "x").map(drop),
            ServerBuilder::new().header(name, "x").map(drop),
        ] {
            let error = handshake_error(error_of(result));
            assert!(
                matches!(error, HandshakeError::ReservedHeader(_)),
                "{name}: {error:?}"
            );
        }
    }
    for value in ["a\r\nb", "a\nb", "\0"] {
        assert!(ClientBuilder::new().header("x", value).is_err());
        assert!(ServerBuilder::new().header("x", value).is_err());
        assert!(ClientBuilder::new().origin(value).is_err());
    }
    for names in [["a", "a"], ["a b", "c"], ["", "c"]] {
        assert!(ClientBuilder::new().subprotocols(names).is_err());
        assert!(ServerBuilder::new().subprotocols(names).is_err());
    }
}

/// Compiles only if every future is `Send`; it is never called.
#[expect(dead_code, reason = "the compiler is the test")]
fn futures_are_send(io: TcpStream, again: TcpStream, third: TcpStream) {
    fn send<F: Future + Send>(_: F) {}
    fn connection<S>(ws: &mut WebSocket<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        send(ws.recv());
        send(ws.send("x"));
        send(ws.feed(b"x".as_slice()));
        send(ws.flush());
        send(ws.ping("x"));
        send(ws.pong("x"));
        send(ws.send_close(CloseCode::NORMAL, ""));
        send(ws.close(CloseCode::NORMAL, ""));
    }
    let _ = connection::<TcpStream>;
    let _ = connection::<wsimd::net::Stream>;
    let _ = connection::<DuplexStream>;
    send(wsimd::connect(""));
    send(ClientBuilder::new().connect(""));
    send(ClientBuilder::new().handshake("", io));
    send(wsimd::accept(again));
    send(ServerBuilder::new().accept_request(third));
    send(ServerBuilder::new().bind("127.0.0.1:0"));
    send(wsimd::serve("127.0.0.1:0", async |mut ws| ws.recv().await));
    fn serve(server: wsimd::Server, other: wsimd::Server) {
        send(server.serve(async |mut ws| ws.send("x").await));
        send(other.serve_request(async |mut ws, _| ws.recv().await));
    }
    let _ = serve;
}

#[test]
fn values_of_the_public_api_are_send() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync + 'static>() {}
    send::<WebSocket<TcpStream>>();
    send::<WebSocket<wsimd::net::Stream>>();
    send::<wsimd::Parts<TcpStream>>();
    send::<wsimd::PongWaiter>();
    sync::<Error>();
    sync::<ClientBuilder>();
    sync::<ServerBuilder>();
    sync::<wsimd::Server>();
    sync::<wsimd::net::Stream>();
}
