//! RFC 6455 §4.1: responses that a client refuses, and its errors.

use std::time::Duration;

use tokio::time::Instant;
use wsimd::{
    ClientBuilder, Config, Error, Fault, Offer, Role, ServerBuilder,
    handshake::{HandshakeError, UriError},
};

use crate::support::opening::*;
use crate::support::{
    frames::{FIN, TEXT, frame},
    script::Script,
};

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
                // The client does not wait for the end of the stream if the body has a length.
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
    for status in [200, 204, 301, 304, 401, 403, 426, 429, 500, 503, 599] {
        let error = refused(&ClientBuilder::new(), |_: &str| {
            Script::whole(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes())
                .silent()
        })
        .await;
        // RFC 9110 §15.6: the server is aware that it has erred. RFC 6585 §4: too many requests.
        let is_temporary = status >= 500 || status == 429;
        let fault = if is_temporary {
            Fault::Peer
        } else {
            Fault::Local
        };
        assert_eq!((error.fault(), error.is_retryable()), (fault, is_temporary));
        assert_eq!(error.response().unwrap().status(), status);
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
        // The header announces more bytes than arrive. The client does not wait for them.
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
    // The value in the RFC's example answers another key.
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
    let cases: [(&str, Edit); 15] = [
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
    let offer = Offer::new().subprotocols(["chat", "echo"]).unwrap();
    let offering = ClientBuilder::new().offer(offer);
    let cases = [
        (&offering, "Sec-WebSocket-Protocol: other\r\n"),
        (&offering, "Sec-WebSocket-Protocol: Chat\r\n"),
        (&offering, "Sec-WebSocket-Protocol: chat, echo\r\n"),
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
    // With the right response after it, and without. The client returns no connection, and does not wait.
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
            let error = handshake_error(error);
            assert!(matches!(error, HandshakeError::NotHttp { .. }), "{error:?}");
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
    let invalid = |character, at| UriError::InvalidCharacter { character, at };
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
        ("ws://h/a b", invalid(' ', 8)),
        ("ws://h/\u{e9}", invalid('\u{e9}', 7)),
        ("ws://h/\r\nX: y", invalid('\r', 7)),
        ("ws://\u{e9}/", UriError::HostNotAscii),
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
async fn a_handshake_over_a_stream_of_the_callers_takes_wss() {
    let (_, (_, request)) =
        meet(&ClientBuilder::new(), &ServerBuilder::new(), "wss://h:443/").await;
    assert_eq!(request.headers()["host"], "h");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_speak_http_is_refused_at_its_first_wrong_byte() {
    // The server then waits for the client, and does not close.
    let banners: [(&[u8], &str); 5] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "it began with \"SSH-2.0-"),
        (b"\x15\x03\x03\x00\x02\x02\x16", "(a TLS port? use wss://)"),
        (b"220 mail.example.com ESMTP\r\n", "220 mail"),
        (b"\x00\x00\x12\x04\x00\x00\x00", "\\x12"),
        (b"HTTQ", "HTTQ"),
    ];
    for (banner, text) in banners {
        for cut in [Cut::Whole, Cut::Bytes] {
            let start = Instant::now();
            let answer = |_: &str| cut.script(banner).silent();
            let error = refused(&ClientBuilder::new(), answer).await;
            assert_eq!(
                (start.elapsed(), error.fault()),
                (Duration::ZERO, Fault::Peer)
            );
            if matches!(cut, Cut::Whole) {
                assert!(error.to_string().contains(text), "{error}");
            }
            let error = handshake_error(error);
            assert!(matches!(error, HandshakeError::NotHttp { .. }), "{error:?}");
        }
    }
}
