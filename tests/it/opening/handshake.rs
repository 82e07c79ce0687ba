//! RFC 6455 §4: the opening handshake of both sides, its bytes, its end and its deadline.

use std::{future::Future, io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex},
    net::TcpStream,
    time::{Instant, sleep},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Fault, Message, Offer, Policy, Role, ServerBuilder,
    Timeout, WebSocket, handshake::HandshakeError,
};

use crate::support::opening::*;
use crate::support::{
    frames::{FIN, TEXT, close, frame, key},
    script::{Script, Write},
};

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

fn speaking_client(subprotocols: &[&str]) -> ClientBuilder {
    let offer = Offer::new().subprotocols(subprotocols.iter().copied());
    ClientBuilder::new().offer(offer.unwrap())
}

fn speaking_server(subprotocols: &[&str]) -> ServerBuilder {
    let policy = Policy::new().subprotocols(subprotocols.iter().copied());
    ServerBuilder::new().policy(policy.unwrap())
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
        let client = speaking_client(offered);
        let server = speaking_server(spoken);
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
    let client = speaking_client(&["chat"]);
    let server = speaking_server(&["chat"]);
    let ((client, _), _) = meet(&client, &server, URI).await;
    let client = WebSocket::from_parts(client.into_parts());
    assert_eq!(client.subprotocol(), Some("chat"));
}

#[tokio::test]
async fn the_server_sees_path_query_and_headers() {
    let offer = Offer::new()
        .origin("http://example.com:8080")
        .unwrap()
        .header("X-Twice", "1")
        .unwrap()
        .header("x-twice", "2")
        .unwrap();
    let client = ClientBuilder::new().offer(offer);
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
    let policy = Policy::new()
        .header("server", "test")
        .unwrap()
        .header("set-cookie", "a=1")
        .unwrap()
        .header("set-cookie", "b=2")
        .unwrap();
    let server = ServerBuilder::new().policy(policy);
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
            client = client.offer(Offer::new().header("user-agent", agent).unwrap());
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

#[tokio::test(start_paused = true)]
async fn credentials_are_in_no_error() {
    const URI: &str = "ws://user:sesame@server.example.com/";
    let offer = Offer::new().header("cookie", "id=sesame").unwrap();
    let client = ClientBuilder::new().offer(offer);
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
    let refused = Offer::new().header("authorization", "sesame\r\n");
    shown.push(show(refused.unwrap_err().into()));

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
    let offer = Offer::new().header("cookie", "id=sesame").unwrap();
    let client = ClientBuilder::new().offer(offer);
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
            Offer::new().header(name, "x").map(drop),
            Policy::new().header(name, "x").map(drop),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(error, HandshakeError::ReservedHeader(_)),
                "{name}: {error:?}"
            );
        }
    }
    for value in ["a\r\nb", "a\nb", "\0"] {
        assert!(Offer::new().header("x", value).is_err());
        assert!(Policy::new().header("x", value).is_err());
        assert!(Offer::new().origin(value).is_err());
    }
    for names in [["a", "a"], ["a b", "c"], ["", "c"]] {
        assert!(Offer::new().subprotocols(names).is_err());
        assert!(Policy::new().subprotocols(names).is_err());
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
        send(ws.ping_with("x"));
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
    send(ServerBuilder::new().accept_with_request(third));
    send(ServerBuilder::new().bind("127.0.0.1:0"));
    send(wsimd::serve("127.0.0.1:0", async |mut ws| ws.recv().await));
    fn serve(server: wsimd::Server, other: wsimd::Server) {
        send(server.serve(async |mut ws| ws.send("x").await));
        send(other.serve_with_request(async |mut ws, _| ws.recv().await));
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
