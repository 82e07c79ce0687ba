//! Errors before a connection is open.

use std::{error::Error as _, io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::{TcpListener, TcpSocket},
    task::JoinSet,
    time::Instant,
};
use wsimd::{ClientBuilder, Config, Error, Fault, ServerBuilder, Timeout};

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

/// Returns a socket that does not listen. It is bound, so that the port stays free, and its port.
fn deaf_socket(addr: &str) -> Option<(TcpSocket, u16)> {
    let addr: SocketAddr = addr.parse().unwrap();
    let socket = match addr.is_ipv4() {
        true => TcpSocket::new_v4(),
        false => TcpSocket::new_v6(),
    };
    let socket = socket.ok()?;
    socket.bind(addr).ok()?;
    let port = socket.local_addr().ok()?.port();
    Some((socket, port))
}

#[tokio::test]
async fn a_closed_port_names_the_address() {
    let (_socket, port) = deaf_socket("127.0.0.1:0").unwrap();
    for host in ["127.0.0.1", "localhost"] {
        let error = connect_error(&format!("ws://{host}:{port}/")).await;
        let of_system = error.io_error().unwrap();
        assert_eq!(of_system.kind(), io::ErrorKind::ConnectionRefused);
        // On Linux: Connection refused (os error 111).
        check(
            &error,
            &format!("cannot connect to {host}:{port}: {of_system}"),
        );
        assert!(matches!(error, Error::Connect(_)));
        assert_eq!(
            (error.fault(), error.is_retryable()),
            (Fault::Transport, true)
        );
    }
}

#[tokio::test]
async fn a_closed_port_of_an_ipv6_address_has_brackets() {
    let Some((_socket, port)) = deaf_socket("[::1]:0") else {
        // This system has no IPv6.
        return;
    };
    let error = connect_error(&format!("ws://[::1]:{port}/")).await;
    let of_system = error.io_error().unwrap();
    check(
        &error,
        &format!("cannot connect to [::1]:{port}: {of_system}"),
    );
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    // A system without a network may take its time to find no name.
    let client = ClientBuilder::new().config(Config::new().open_timeout(secs(60)));
    let error = error_of(client.connect("ws://nosuchhost.invalid/").await);
    let of_system = error.io_error().unwrap();
    check(
        &error,
        &format!("cannot resolve nosuchhost.invalid: {of_system}"),
    );
    assert!(matches!(error, Error::Resolve(_)));
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Transport, true)
    );
}

/// `make features` runs this test.
#[cfg(not(feature = "rustls"))]
#[tokio::test]
async fn wss_names_the_features_that_it_needs() {
    let error = connect_error("wss://localhost/").await;
    assert_eq!(error.fault(), Fault::Local);
    check(
        &error,
        "wss:// needs TLS: enable the features `ring` and `rustls-platform-verifier` of wsimd, or \
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
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let server = async {
        let (mut tcp, _) = listener.accept().await.unwrap();
        // Read the request, so that the end is no reset.
        assert!(tcp.read(&mut [0; 4096]).await.unwrap() > 0);
    };
    let (error, ()) = tokio::join!(connect_error(&uri), server);
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

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere a full queue refuses the connection"
)]
async fn a_host_that_does_not_accept_names_the_time_and_the_setting() {
    let (socket, port) = deaf_socket("127.0.0.1:0").unwrap();
    let _listener = socket.listen(1).unwrap();
    let config = Config::new().open_timeout(Duration::from_millis(300));
    let client = ClientBuilder::new().config(config);
    // Some connections fill the queue of the listener. Their handshakes have no answer.
    let uri = format!("ws://127.0.0.1:{port}/");
    let clients = (0..8).map(|_| {
        let (client, uri) = (client.clone(), uri.clone());
        async move { error_of(client.connect(&uri).await) }
    });
    let errors = clients.collect::<JoinSet<_>>().join_all().await;
    let is_connect = |error: &&Error| matches!(error, Error::Timeout(Timeout::Connect { .. }));
    let error = errors.iter().find(is_connect).expect("a full queue");
    check(error, "cannot connect within 300 ms (Config::open_timeout)");
    assert!(error.is_timeout() && error.is_retryable());
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
async fn a_port_in_use_names_the_address_as_it_was_given() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = taken.local_addr().unwrap();
    let named = format!("localhost:{}", addr.port());
    let by_addr = wsimd::serve(addr, async |_| Ok(())).await.unwrap_err();
    let by_name = ServerBuilder::new().bind(&named).await.unwrap_err();
    for (error, shown) in [(by_addr, addr.to_string()), (by_name, named)] {
        let of_system = error.io_error().unwrap();
        assert_eq!(of_system.kind(), io::ErrorKind::AddrInUse);
        // On Linux: Address already in use (os error 98).
        check(&error, &format!("cannot listen on {shown}: {of_system}"));
        assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));
    }
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

/// The text of an invalid URI names its fault.
#[tokio::test]
async fn an_invalid_uri_names_its_fault() {
    let cases = [
        ("localhost:8765", "ws://"),
        ("http://localhost", "ws://"),
        ("ws://", "host"),
        ("ws://h:99999", "port"),
        ("ws://h/#part", "fragment"),
        ("ws://h/a b", "byte 8"),
        ("ws://b\u{fc}cher.example/", "punycode"),
    ];
    for (uri, part) in cases {
        let text = connect_error(uri).await.to_string();
        assert!(
            text.starts_with("invalid URI: ") && text.contains(part),
            "{text}"
        );
    }
}

#[test]
fn an_unusable_setting_names_its_value() {
    let offer = || wsimd::Offer::new();
    let twice = offer().subprotocols(["a", "a"]).unwrap_err().to_string();
    assert!(
        twice.contains("\"a\"") && twice.contains("twice"),
        "{twice}"
    );
    let no_token = offer().subprotocols(["a b"]).unwrap_err().to_string();
    assert!(
        no_token.contains("\"a b\"") && no_token.contains("token"),
        "{no_token}"
    );
    let origin = wsimd::Origins::list(["https://example.com/"])
        .unwrap_err()
        .to_string();
    assert!(
        origin.contains("https://example.com/") && origin.contains("path"),
        "{origin}"
    );
}
