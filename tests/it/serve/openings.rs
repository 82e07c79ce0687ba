//! Requests before their answer: plain HTTP, refusals, and upgrades with options of their own.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, sleep},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Opening, Origins, Policy, ServerBuilder,
    extension::Deflate,
    http::{Request, Response, StatusCode, header},
    net::Stream,
};

use crate::support::{
    served::{Served, answer, get, upgrade},
    soon,
};

/// Routes by path, as a small application does.
async fn route(opening: Opening<Stream>) -> Result<(), Error> {
    match opening.path() {
        "/health" => opening.respond(Response::new("ok\n")).await,
        "/login" => {
            let text = "log in first\n";
            opening.respond_with(StatusCode::UNAUTHORIZED, text).await
        }
        "/old" => {
            let mut response = Response::new(Vec::new());
            *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
            let target = header::HeaderValue::from_static("/new?a=b");
            response.headers_mut().insert(header::LOCATION, target);
            opening.respond(response).await
        }
        "/new" => {
            let user = opening.headers()["user-agent"].to_str().unwrap().to_owned();
            let query = opening.request().uri().query().map(str::to_owned);
            let mut ws = opening.upgrade().await?;
            ws.send(format!("{user} {query:?}")).await
        }
        _ => {
            let text = "no such path\n";
            opening.respond_with(StatusCode::NOT_FOUND, text).await
        }
    }
}

/// Returns the head and the body of an answer.
fn parts(answer: &str) -> (&str, &str) {
    answer.split_once("\r\n\r\n").unwrap()
}

#[tokio::test]
async fn requests_are_routed_and_answered_with_a_body() {
    let server = Served::start_openings(ServerBuilder::new(), route).await;
    for (path, status, text) in [
        ("/health", "200 OK", "ok\n"),
        ("/login", "401 Unauthorized", "log in first\n"),
        ("/other", "404 Not Found", "no such path\n"),
        ("/old", "308 Permanent Redirect", ""),
    ] {
        let answer = server.http(&get(path)).await;
        let (head, body) = parts(&answer);
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{head}"
        );
        assert_eq!(body, text);
        let lines: Vec<String> = head.lines().map(str::to_lowercase).collect();
        let length = format!("content-length: {}", text.len());
        for expected in [length.as_str(), "connection: close"] {
            let count = lines.iter().filter(|line| *line == expected).count();
            assert_eq!(count, 1, "{head}");
        }
        let dates = lines.iter().filter_map(|line| line.strip_prefix("date: "));
        let dates: Vec<&str> = dates.collect();
        assert_eq!(dates.len(), 1, "{head}");
        let date = head
            .lines()
            .find(|line| line.to_lowercase().starts_with("date: "));
        let date = httpdate::parse_http_date(&date.unwrap()["date: ".len()..]).unwrap();
        assert!(date.elapsed().unwrap_or_default() < Duration::from_secs(600));
    }
    let head = server.http(&get("/health").replace("GET", "HEAD")).await;
    assert!(
        head.to_lowercase().contains("content-length: 3\r\n"),
        "{head}"
    );
    assert!(head.ends_with("\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_redirect_leads_a_client_to_an_upgrade() {
    let server = Served::start_openings(ServerBuilder::new(), route).await;
    let error = soon(wsimd::connect(&server.uri("/old"))).await.unwrap_err();
    let location = error.response().unwrap().headers()["location"].clone();
    let offer = wsimd::Offer::new().header("User-Agent", "me").unwrap();
    let client = ClientBuilder::new().offer(offer);
    let uri = server.uri(location.to_str().unwrap());
    let mut ws = soon(client.connect(&uri)).await.unwrap();
    let expected = "me Some(\"a=b\")".into();
    assert_eq!(ws.recv().await.unwrap(), Some(expected));
    assert_eq!(soon(ws.recv()).await.unwrap(), None);
}

#[tokio::test]
async fn an_answer_to_a_body_that_still_arrives_is_not_lost_to_a_reset() {
    let server = Served::start_openings(ServerBuilder::new(), route).await;
    let body = vec![b'x'; 2 << 20];
    for _ in 0..10 {
        let mut tcp = server.tcp().await;
        let length = body.len();
        let head =
            format!("POST /login HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
        tcp.write_all(head.as_bytes()).await.unwrap();
        tcp.write_all(&body).await.expect("the server reads on");
        let answer = answer(&mut tcp).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.ends_with("\r\n\r\nlog in first\n"), "{answer}");
    }
}

#[tokio::test]
async fn an_informational_status_is_refused() {
    let mut server = Served::start_openings(ServerBuilder::new(), async |opening| {
        opening.respond_with(StatusCode::EARLY_HINTS, "").await
    })
    .await;
    let answer = server.http(&get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let (error, _) = server.error().await;
    assert!(error.contains("informational"), "{error}");
}

#[tokio::test]
async fn an_upgrade_has_options_of_its_own() {
    let server = Served::start_openings(ServerBuilder::new(), async |opening: Opening<Stream>| {
        let user = opening.headers().get("x-user").cloned().unwrap();
        let any = Policy::new().origins(Origins::any());
        let opening = opening
            .policy(any)
            .config(Config::new().max_message_size(10))
            .header("X-Hello", user.clone())?
            .subprotocol("chat.v2")?;
        let mut ws = opening.upgrade().await?;
        let text = format!("{} {:?}", user.to_str().unwrap(), ws.subprotocol());
        ws.send(text).await?;
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok(())
    })
    .await;
    let more =
        "X-User: me\r\nOrigin: http://evil.example\r\nSec-WebSocket-Protocol: chat.v1, chat.v2\r\n";
    let mut tcp = server.tcp().await;
    let request = upgrade("/", more);
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(tcp.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    for line in ["x-hello: me", "sec-websocket-protocol: chat.v2", "date: "] {
        assert_eq!(head.matches(&format!("\r\n{line}")).count(), 1, "{head}");
    }
    drop(tcp);

    let offer = wsimd::Offer::new().header("X-User", "you").unwrap();
    let client = ClientBuilder::new().offer(offer);
    let mut ws = soon(client.connect(&server.uri("/"))).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("you None".into()));
    ws.send("0123456789").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("0123456789".into()));
    ws.send("0123456789a").await.unwrap();
    let error = soon(ws.recv()).await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
}

#[tokio::test]
async fn a_handler_that_ends_without_an_answer_answers_500() {
    let mut server = Served::start_openings(ServerBuilder::new(), |opening: Opening<Stream>| {
        assert_ne!(opening.path(), "/call", "as the test asks for");
        async move {
            match opening.path() {
                "/drop" => {
                    drop(opening);
                    sleep(Duration::from_millis(1)).await;
                    Ok(())
                }
                "/keep" => Ok(()),
                "/panic" => panic!("as the test asks for"),
                _ => Err(Error::other("the database is gone")),
            }
        }
    })
    .await;
    for (path, report) in [
        ("/drop", None),
        ("/keep", None),
        ("/err", Some("the database is gone")),
        ("/panic", Some("as the test asks for")),
        ("/call", Some("as the test asks for")),
    ] {
        for request in [get(path), upgrade(path, "")] {
            let answer = server.http(&request).await;
            assert!(answer.starts_with("HTTP/1.1 500 "), "{path}: {answer}");
            if let Some(expected) = report {
                let (error, peer) = server.error().await;
                assert!(error.contains(expected), "{path}: {error}");
                assert!(peer.is_some());
            }
        }
    }
    server.has(0, 0).await;
    assert!(server.errors.try_recv().is_err());
}

#[tokio::test]
async fn the_open_timeout_includes_the_handler() {
    let config = Config::new().open_timeout(Duration::from_millis(100));
    let builder = ServerBuilder::new().config(config);
    let mut server = Served::start_openings(builder, async |opening: Opening<Stream>| {
        sleep(Duration::from_secs(60)).await;
        opening.upgrade().await.map(drop)
    })
    .await;
    let start = Instant::now();
    let answer = server.http(&upgrade("/", "")).await;
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let (error, _) = server.error().await;
    assert!(error.contains("opening handshake"), "{error}");
    server.has(0, 0).await;
}

#[tokio::test(start_paused = true)]
async fn an_opening_of_a_stream_cannot_be_upgraded_after_the_open_timeout() {
    let (near, mut far) = tokio::io::duplex(4096);
    far.write_all(upgrade("/", "").as_bytes()).await.unwrap();
    let builder = ServerBuilder::new().config(Config::new().open_timeout(Duration::from_secs(1)));
    let opening = builder.begin(near).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let error = opening.upgrade().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let answer = answer(&mut far).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn an_opening_is_upgraded_in_another_task() {
    let server = Served::start_openings(ServerBuilder::new(), async |opening: Opening<Stream>| {
        tokio::spawn(async move {
            sleep(Duration::from_millis(20)).await;
            let mut ws = opening.upgrade().await?;
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok::<_, Error>(())
        });
        Ok(())
    })
    .await;
    let mut ws = server.client().await;
    sleep(Duration::from_millis(200)).await;
    ws.send("Hello").await.unwrap();
    assert_eq!(soon(ws.recv()).await.unwrap(), Some("Hello".into()));
    server.has(0, 1).await;
    soon(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    server.has(0, 0).await;
}

#[tokio::test]
async fn a_request_over_a_pipe_is_read_and_upgraded() {
    let (near, far) = tokio::io::duplex(4096);
    let client = tokio::spawn(async { ClientBuilder::new().handshake("ws://test/a", far).await });
    let opening = ServerBuilder::new().begin(near).await.unwrap();
    assert_eq!(opening.path(), "/a");
    let _: &tokio::io::DuplexStream = opening.get_ref();
    let mut ws = opening.subprotocol("x").unwrap().upgrade().await.unwrap();
    let (mut client, _) = client.await.unwrap().unwrap();
    client.send("Hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));

    let (near, mut far) = tokio::io::duplex(4096);
    far.write_all(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
        .await
        .unwrap();
    let error = soon(ServerBuilder::new().begin(near)).await.unwrap_err();
    assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    let answer = answer(&mut far).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_request_of_another_http_server_is_negotiated() {
    let config = Config::new()
        .extension(Deflate::new())
        .ping_interval(Duration::from_secs(7))
        .ping_timeout(Duration::from_secs(3));
    let policy = Policy::new().subprotocols(["chat"]).unwrap();
    let builder = ServerBuilder::new().config(config).policy(policy);
    let request = Request::get("/")
        .header("Host", "test")
        .header("Upgrade", "websocket")
        .header("Connection", "Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Protocol", "chat")
        .header("Sec-WebSocket-Extensions", "permessage-deflate")
        .body("a body of another type")
        .unwrap();
    let (response, _) = builder.negotiate(&request).unwrap();
    let (parts, _) = request.into_parts();
    let (same, accepted) = builder.negotiate(&parts).unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(response.headers(), same.headers());
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat");
    let extensions = response.headers()["sec-websocket-extensions"].to_str();
    assert!(extensions.unwrap().starts_with("permessage-deflate"));
    assert_eq!(accepted.negotiated().subprotocol(), Some("chat"));

    let (near, mut far) = tokio::io::duplex(1 << 16);
    // A masked "Hi", which the HTTP server has read after the request.
    let read = &[0x81, 0x82, 0, 0, 0, 0, b'H', b'i'][..];
    let mut ws = accepted.open_with(near, read);
    assert_eq!(ws.subprotocol(), Some("chat"));
    assert_eq!(ws.recv().await.unwrap(), Some("Hi".into()));
    ws.send("a".repeat(1000)).await.unwrap();
    let mut first = [0; 2];
    far.read_exact(&mut first).await.unwrap();
    // RFC 7692 §6: RSV1 is set on a compressed message.
    assert_eq!(first[0], 0xc1);
    let start = Instant::now();
    let error = ws.recv().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    let waited = start.elapsed();
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
    assert!(waited < Duration::from_secs(15), "{waited:?}");
}
