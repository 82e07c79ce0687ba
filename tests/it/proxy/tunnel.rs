//! Answers to HTTP CONNECT.

use std::{error::Error as _, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use wsimd::{
    ClientBuilder, Config, Error, Fault, Offer, Proxy, ProxyFailure, Timeout,
    handshake::HandshakeError,
};

use super::*;
use crate::support::{opening::header, secs};

/// The error of a client whose proxy answers with `answer`. The proxy keeps the stream open if it is `silent`.
async fn refused(answer: &str, silent: bool) -> ProxyError {
    let net = Net::with_proxy(HTTP_PROXY);
    let (connected, _io) = net
        .connect("ws://example.com/", async |mut io| {
            super::answer(&mut io, answer).await;
            silent.then_some(io)
        })
        .await;
    let error = connected.as_ref().unwrap_err();
    assert!(error.source().is_none(), "{error:?}");
    assert_eq!(error.fault(), Fault::Transport);
    let error = proxy_error(connected);
    assert_eq!(error.proxy, PROXY);
    error
}

#[tokio::test]
async fn the_request_has_host_credentials_and_nothing_of_the_server() {
    let proxy = Proxy::parse("http://192.0.2.1:3128").unwrap();
    let proxy = proxy.credentials("Aladdin", "open sesame").unwrap();
    let offer = Offer::new()
        .basic_auth("server", "secret")
        .unwrap()
        .header("cookie", "id=1")
        .unwrap();
    let client = ClientBuilder::new().proxy(proxy).offer(offer);
    let net = Net::new(client, 4096);
    let (connected, (to_proxy, to_server)) = net
        .connect("ws://[fe80::1%25eth0]/chat", async |mut io| {
            let to_proxy = answer(&mut io, OPEN).await;
            (to_proxy, read_head(&mut io).await)
        })
        .await;
    let agent = concat!("wsimd/", env!("CARGO_PKG_VERSION"));
    let expected = format!(
        "CONNECT [fe80::1]:80 HTTP/1.1\r\n\
         Host: [fe80::1]:80\r\n\
         proxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\
         user-agent: {agent}\r\n\r\n"
    );
    assert_eq!(to_proxy, expected);
    assert!(
        to_server.starts_with("GET /chat HTTP/1.1\r\n"),
        "{to_server}"
    );
    assert_eq!(header(&to_server, "proxy-authorization"), None);
    assert_eq!(header(&to_server, "cookie"), Some("id=1"));
    assert!(matches!(connected, Err(Error::ClosedInHandshake(_))));
}

#[tokio::test]
async fn any_2xx_opens_the_tunnel() {
    for answer in [
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 299 \r\n\r\n",
        // RFC 9110 §9.3.6: the headers of a body are ignored.
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nX: y\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        // The answer also arrives byte by byte.
        for size in [1, 4096] {
            let proxy = Proxy::parse(HTTP_PROXY).unwrap();
            let net = Net::new(ClientBuilder::new().proxy(proxy), size);
            let (connected, ()) = net
                .connect("ws://example.com/", async |mut io| {
                    super::answer(&mut io, answer).await;
                    tokio::spawn(serve_one(io));
                })
                .await;
            let mut ws = connected.expect(answer);
            ws.send("through").await.unwrap();
            assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("through"));
        }
    }
}

#[tokio::test]
async fn another_status_is_a_refusal_with_its_headers() {
    for (status, is_retryable) in [
        (101, false),
        (301, false),
        (400, false),
        (403, false),
        (407, false),
        (500, true),
        (502, true),
        (504, true),
    ] {
        let answer = format!(
            "HTTP/1.1 {status} X\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 5\r\n\r\nhello"
        );
        for silent in [false, true] {
            let error = refused(&answer, silent).await;
            assert_eq!(error.status().unwrap(), status);
            let shown = error.to_string();
            let start = format!("the proxy {PROXY} answered {status}");
            assert!(shown.starts_with(&start), "{shown}");
            let ProxyFailure::Refused(response) = &error.reason else {
                panic!("{error:?}");
            };
            assert_eq!(
                response.headers()["proxy-authenticate"],
                "Basic realm=\"x\""
            );
            let error = Error::Proxy(Box::new(error));
            assert_eq!(error.is_retryable(), is_retryable, "{status}");
            // The status is not that of the server.
            assert_eq!(error.status(), None);
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_credentials_is_named_without_them() {
    let proxy = Proxy::parse("http://user:sesame@192.0.2.1:3128").unwrap();
    let client = ClientBuilder::new().proxy(proxy);
    let shown = format!("{client:?}");
    assert!(!shown.contains("sesame"), "{shown}");
    let net = Net::new(client, 4096);
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n";
    let (connected, ()) = net
        .connect("ws://example.com/", async |mut io| {
            answer(&mut io, refusal).await;
        })
        .await;
    let error = connected.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the proxy 192.0.2.1:3128 answered 407 Proxy Authentication Required"
    );
    let shown = format!("{error:?}");
    assert!(
        !shown.contains("sesame") && !shown.contains("dXNlcjpzZXNhbWU"),
        "{shown}"
    );
}

#[tokio::test]
async fn few_interim_responses_are_skipped() {
    let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
    let error = refused(
        &format!("{}HTTP/1.1 403 No\r\n\r\n", interim.repeat(4)),
        true,
    )
    .await;
    assert_eq!(error.status().unwrap(), 403);
    let error = refused(&interim.repeat(5), true).await;
    assert_eq!(error.status().unwrap(), 103);
}

#[tokio::test]
async fn bytes_after_the_head_are_refused() {
    for more in [
        "\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "\x16\x03\x03",
    ] {
        for head in [OPEN, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"] {
            let error = refused(&format!("{head}{more}"), true).await;
            assert!(
                matches!(error.reason, ProxyFailure::EarlyBytes),
                "{error:?}"
            );
            assert_eq!(
                error.to_string(),
                "the proxy 192.0.2.1:3128 sent bytes of its own after its answer"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_refused_at_the_first_wrong_byte() {
    for (answer, text) in [
        (
            "SSH-2.0",
            "the proxy 192.0.2.1:3128 does not speak HTTP: it began with \"SSH-2.0\"",
        ),
        (
            "\x15\x03\x03\0\x02",
            "the proxy 192.0.2.1:3128 does not speak HTTP: it began with \"\\x15\\x03\\x03\\x00\\x02\"",
        ),
        (
            "HTTP/1.1 200 OK\n",
            "the answer of the proxy 192.0.2.1:3128: a line of the head ends without CR",
        ),
        (
            "HTTP/2.0 200 OK\r\n\r\n",
            "the answer of the proxy 192.0.2.1:3128: the peer does not speak HTTP/1.1",
        ),
        (
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
            "the answer of the proxy 192.0.2.1:3128: the head is malformed: header name",
        ),
    ] {
        let error = refused(answer, true).await;
        assert!(matches!(error.reason, ProxyFailure::Http(_)), "{error:?}");
        assert_eq!(error.to_string(), text);
        assert!(!Error::Proxy(Box::new(error)).is_retryable());
    }
}

#[tokio::test]
async fn an_endless_answer_is_refused_at_the_limits_of_the_config() {
    let endless = async |mut io: DuplexStream, line: &str| {
        read_head(&mut io).await;
        let mut sent = io.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while sent.is_ok() {
            sent = io.write_all(line.as_bytes()).await;
        }
    };
    let config = Config::new().max_head_size(1000).max_headers(10);
    for line in ["aaaaaaaa", "a: b\r\n"] {
        let proxy = Proxy::parse(HTTP_PROXY).unwrap();
        let client = ClientBuilder::new().proxy(proxy).config(config.clone());
        let net = Net::new(client, 64);
        let (connected, ()) = net
            .connect("ws://example.com/", async |io| endless(io, line).await)
            .await;
        let ProxyFailure::Http(error) = failure(connected) else {
            panic!("no error of HTTP");
        };
        match line.contains('\n') {
            true => assert!(matches!(
                *error,
                HandshakeError::TooManyHeaders { limit: 10 }
            )),
            false => assert!(matches!(
                *error,
                HandshakeError::HeadTooLarge { limit: 1000 }
            )),
        }
    }
}

#[tokio::test]
async fn a_proxy_that_closes_before_it_answers_is_said_to() {
    for part in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        let error = refused(part, false).await;
        assert!(matches!(error.reason, ProxyFailure::Closed), "{error:?}");
        assert_eq!(
            error.to_string(),
            "the proxy 192.0.2.1:3128 closed the connection before it answered"
        );
        assert!(Error::Proxy(Box::new(error)).is_retryable());
    }
}

#[tokio::test]
async fn a_refusal_is_read_even_if_the_request_cannot_be_written() {
    // The stream keeps too few bytes for the request.
    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let net = Net::new(ClientBuilder::new().proxy(proxy), 40);
    let (connected, ()) = net
        .connect("ws://example.com/", async |mut io| {
            io.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
                .await
                .unwrap();
        })
        .await;
    assert_eq!(proxy_error(connected).status().unwrap(), 403);

    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let net = Net::new(ClientBuilder::new().proxy(proxy), 40);
    let (connected, ()) = net.connect("ws://example.com/", async |_| ()).await;
    let ProxyFailure::Io(error) = failure(connected) else {
        panic!("no error of the transport");
    };
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn a_slow_proxy_names_itself_the_time_and_the_setting() {
    for trickles in [false, true] {
        let start = Instant::now();
        let net = Net::with_proxy(HTTP_PROXY);
        let (connected, ()) = net
            .connect("ws://example.com/", async |mut io| {
                read_head(&mut io).await;
                let answer = if trickles { OPEN } else { "" };
                for byte in answer.bytes() {
                    tokio::time::sleep(secs(3)).await;
                    let _ = io.write_all(&[byte]).await;
                }
                let mut rest = Vec::new();
                io.read_to_end(&mut rest).await.unwrap();
            })
            .await;
        let error = connected.unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Proxy { .. })),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            "the proxy opened no way to the server within 10 s (Config::open_timeout)"
        );
        assert!(error.is_timeout() && error.is_retryable());
        assert!(trickles || start.elapsed() == secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_proxy_that_does_not_accept_is_a_timeout_of_the_proxy() {
    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let client = ClientBuilder::new().proxy(proxy);
    let client = client.connect_with(|_| std::future::pending());
    let start = Instant::now();
    let error = client.connect("ws://example.com/").await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Proxy { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), secs(10));
}

#[tokio::test(start_paused = true)]
async fn one_deadline_bounds_the_proxy_and_the_handshake() {
    let start = Instant::now();
    let net = Net::with_proxy(HTTP_PROXY);
    let (connected, _io) = net
        .connect("ws://example.com/", async |mut io| {
            tokio::time::sleep(secs(6)).await;
            answer(&mut io, OPEN).await;
            io
        })
        .await;
    let error = connected.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Open { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), secs(10));
}

#[tokio::test]
async fn a_client_that_gives_up_closes_the_stream_to_the_proxy() {
    let mut net = Net::with_proxy(HTTP_PROXY);
    let client = net.client.clone();
    let connecting = tokio::spawn(async move { client.connect("ws://example.com/").await });
    let (_, mut io) = net.accept().await;
    read_head(&mut io).await;
    connecting.abort();
    assert!(connecting.await.unwrap_err().is_cancelled());
    assert_eq!(io.read(&mut [0]).await.unwrap(), 0);
}
