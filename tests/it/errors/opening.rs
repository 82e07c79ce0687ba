//! Errors before a connection is open.

use std::{error::Error as _, io, time::Duration};

use tokio::{
    io::{AsyncWriteExt, duplex},
    net::{TcpListener, TcpSocket, TcpStream},
    time::Instant,
};
use wsimd::{ClientBuilder, Config, Error, Fault, ServerBuilder};

use crate::support::{
    opening::{REQUEST, URI, error_of, read_head, refused},
    script::{Read, Script},
    secs,
};

async fn connect_error(uri: &str) -> Error {
    error_of(wsimd::connect(uri).await)
}

/// Checks a text, and that the chain of sources does not repeat it.
#[track_caller]
fn check(error: &Error, text: &str) {
    assert_eq!(error.to_string(), text);
    assert!(error.source().is_none(), "{error:?}");
}

/// Listens on loopback, and lets `serve` have the first client.
async fn with_server<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    uri
}

#[tokio::test]
async fn a_closed_port_names_the_address() {
    // The socket is bound, so that the port stays free, and does not listen.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = deaf.local_addr().unwrap().port();
    let refused = "Connection refused (os error 111)";
    for host in ["127.0.0.1", "localhost"] {
        let error = connect_error(&format!("ws://{host}:{port}/")).await;
        let text = format!("cannot connect to {host}:{port}: {refused}");
        check(&error, &text);
        assert_eq!(
            error.io_error().unwrap().kind(),
            io::ErrorKind::ConnectionRefused
        );
        assert_eq!(
            (error.fault(), error.is_retryable()),
            (Fault::Transport, true)
        );
    }
}

#[tokio::test]
async fn a_closed_port_of_an_ipv6_address_has_brackets() {
    let Ok(deaf) = TcpListener::bind("[::1]:0").await else {
        // This system has no IPv6.
        return;
    };
    let port = deaf.local_addr().unwrap().port();
    drop(deaf);
    let error = connect_error(&format!("ws://[::1]:{port}/")).await;
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot connect to [::1]:{port}: ")),
        "{text}"
    );
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let error = connect_error("ws://nosuchhost.invalid/").await;
    let text = error.to_string();
    assert!(
        text.starts_with("cannot resolve nosuchhost.invalid: "),
        "{text}"
    );
    assert!(error.io_error().is_some() && error.source().is_none());
    assert!(matches!(error, Error::Resolve(_)));
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Transport, true)
    );
}

#[tokio::test]
async fn wss_names_the_guide() {
    check(
        &connect_error("wss://localhost/").await,
        "wss:// needs TLS, which this version of wsimd does not have: \
         run ClientBuilder::handshake over a TLS stream, as wsimd::guides::tls shows",
    );
}

#[tokio::test]
async fn an_invalid_uri_is_no_failed_handshake() {
    for uri in [
        "http://h/",
        "ws://h/a b",
        "ws://h:99999/",
        "ws://h/#f",
        "ws:///",
    ] {
        let error = connect_error(uri).await;
        let text = error.to_string();
        let reason = text.strip_prefix("invalid URI: ").expect(&text);
        assert!(!reason.is_empty() && error.source().is_none(), "{text}");
        assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));
    }
}

#[tokio::test]
async fn an_unusable_setting_is_no_failed_handshake() {
    let error = Error::from(wsimd::Offer::new().header("a b", "x").unwrap_err());
    assert!(!error.to_string().contains("handshake failed"), "{error}");
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_server_that_closes_before_it_answers_is_said_to() {
    let uri = with_server(|mut tcp| async move {
        // Read the request, so that the end is no reset.
        tokio::io::AsyncReadExt::read(&mut tcp, &mut [0; 4096])
            .await
            .unwrap();
    })
    .await;
    let error = connect_error(&uri).await;
    check(
        &error,
        "the server closed the connection before it answered",
    );
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Transport, true)
    );
}

#[tokio::test]
async fn a_client_that_closes_before_its_request_ends_is_said_to() {
    let (near, mut far) = duplex(4096);
    far.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    drop(far);
    let error = error_of(ServerBuilder::new().accept(near).await);
    check(
        &error,
        "the client closed the connection before its request ended",
    );
}

#[tokio::test]
async fn the_end_of_tls_without_close_notify_is_an_end() {
    let end = || Script::new([Read::Error(io::ErrorKind::UnexpectedEof)]);
    let error = refused(&ClientBuilder::new(), |_: &str| end()).await;
    check(
        &error,
        "the server closed the connection before it answered",
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_names_the_time_and_the_setting() {
    for (config, text) in [
        (
            Config::new(),
            "no answer to the opening handshake within 10 s (Config::open_timeout)",
        ),
        (
            Config::new().open_timeout(Duration::from_millis(1500)),
            "no answer to the opening handshake within 1500 ms (Config::open_timeout)",
        ),
    ] {
        let client = ClientBuilder::new().config(config);
        let (near, _far) = duplex(4096);
        check(&error_of(client.handshake(URI, near).await), text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_names_the_time_and_the_setting() {
    let (near, mut far) = duplex(4096);
    far.write_all(&REQUEST.as_bytes()[..10]).await.unwrap();
    check(
        &error_of(ServerBuilder::new().accept(near).await),
        "no end of the opening handshake within 10 s (Config::open_timeout)",
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_an_end_is_reported_after_a_second() {
    for framing in ["\r\nno such", "Content-Length: 100\r\n\r\nno such"] {
        let (near, mut far) = duplex(4096);
        let start = Instant::now();
        let client = ClientBuilder::new();
        let answer = async {
            read_head(&mut far).await;
            let answer = format!("HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n{framing}");
            far.write_all(answer.as_bytes()).await.unwrap();
        };
        let (opened, ()) = tokio::join!(client.handshake(URI, near), answer);
        let error = error_of(opened);
        assert_eq!(start.elapsed(), secs(1));
        assert_eq!(error.status().unwrap(), 404);
        check(
            &error,
            "opening handshake failed: the server answered 404 Not Found, not 101: \"no such\"",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_reported_at_the_open_timeout_if_that_is_sooner() {
    let client =
        ClientBuilder::new().config(Config::new().open_timeout(Duration::from_millis(300)));
    let start = Instant::now();
    let error = refused(&client, |_: &str| {
        Script::whole(b"HTTP/1.1 404 Not Found\r\n\r\n").silent()
    })
    .await;
    assert_eq!(error.status().unwrap(), 404);
    assert_eq!(start.elapsed(), Duration::from_millis(300));
}

#[tokio::test]
async fn a_port_in_use_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let in_use = "Address already in use (os error 98)";
    let error = wsimd::serve(addr, async |_| Ok(())).await.unwrap_err();
    check(&error, &format!("cannot listen on {addr}: {in_use}"));
    assert_eq!(error.io_error().unwrap().kind(), io::ErrorKind::AddrInUse);
    assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));

    let text = format!("localhost:{}", addr.port());
    let error = ServerBuilder::new().bind(&text).await.unwrap_err();
    check(&error, &format!("cannot listen on {text}: {in_use}"));
}

#[tokio::test]
async fn an_address_without_a_port_is_shown_as_it_was_given() {
    let listen = async |addr: &str| ServerBuilder::new().bind(addr).await.unwrap_err();
    check(
        &listen("localhost").await,
        "cannot listen on \"localhost\": needs host:port",
    );
    let error = listen("localhost:99999").await;
    check(
        &error,
        "cannot listen on localhost:99999: invalid port value",
    );
}
