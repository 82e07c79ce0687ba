//! RFC 6455 §4: the opening handshake of both sides, its bytes, its end and its deadline.

use std::io;

use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Fault, Message, Offer, Policy, Role, ServerBuilder,
    WebSocket, handshake::HandshakeError,
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
        // Python's websockets 6.0 sends "user:None".
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
        assert_eq!(
            without_date(&seen.written()),
            RESPONSE.as_bytes(),
            "{cut:?}"
        );
        assert_eq!(request.uri(), "/chat");
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()), "{cut:?}");
        assert_eq!(ws.recv().await.unwrap(), None);
        assert_eq!(without_date(&seen.written()), expected, "{cut:?}");
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
    // One read has the request, a whole frame, and the start of the next frame.
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
    assert!(
        seen.written()
            .ends_with(&[b"\r\n\r\n", &expected[..]].concat())
    );
}

#[tokio::test]
async fn a_server_leaves_extensions_that_are_offered_alone() {
    let request =
        request_and("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    opened.unwrap();
    assert_eq!(without_date(&seen.written()), RESPONSE.as_bytes());
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
        request_and("content-length: 0"),
        request_and("Sec-WebSocket-Protocol:"),
        request_and("Sec-WebSocket-Extensions: ,"),
        request_with("server.example.com", "[fe80::1%25eth0]:8080"),
        request_and(&"X: 1\r\n".repeat(100)).replacen("\r\n\r\n\r\n", "\r\n\r\n", 1),
        format!("\r\n{REQUEST}"),
        request_and("X-Latin: \u{e9}"),
    ];
    for request in cases {
        let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
        assert!(opened.is_ok(), "{request}");
        assert_eq!(without_date(&seen.written()), RESPONSE.as_bytes());
    }
}

#[tokio::test]
async fn the_example_key_of_the_rfc_is_accepted() {
    // RFC 6455 §4.1. The key has spare bits.
    let request = request_with("dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEC==");
    let (opened, seen) = accept(&ServerBuilder::new(), Script::whole(request.as_bytes())).await;
    opened.unwrap();
    let response = without_date(&seen.written());
    assert_eq!(response, switching(&request, "").as_bytes());
}

#[tokio::test]
async fn responses_that_are_legal_though_unusual_are_accepted() {
    let lines = [
        "Content-Length: 0\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Sec-WebSocket-Protocol:\r\n",
        "Sec-WebSocket-Extensions: \r\n",
    ];
    let many = "X: 1\r\n".repeat(100);
    for line in lines.into_iter().chain([&*many]) {
        let interim = format!("HTTP/1.1 100 Continue\r\n{line}\r\n");
        let (opened, _) = open(&ClientBuilder::new(), |request| {
            let head = format!("{interim}{}", switching(request, line));
            let hello = frame(Role::Server, FIN | TEXT, b"Hello");
            Script::whole(&[head.as_bytes(), &hello].concat())
        })
        .await;
        let (mut ws, _) = opened.unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(ws.subprotocol(), None);
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()), "{line}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_inside_a_request_is_an_error() {
    for len in 0..REQUEST.len() {
        let script = Script::whole(&REQUEST.as_bytes()[..len]);
        let (opened, seen) = accept(&ServerBuilder::new(), script).await;
        let error = error_of(opened);
        assert!(
            matches!(&error, Error::ClosedInHandshake(Role::Client)),
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
        assert!(
            matches!(&error, Error::ClosedInHandshake(Role::Server)),
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
