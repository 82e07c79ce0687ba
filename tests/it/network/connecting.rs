//! The way to the server: resolution, addresses, hooks, and the one deadline.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, duplex},
    net::UnixListener,
    time::{Instant, sleep},
};
use wsimd::{ClientBuilder, Config, Error, ServerBuilder, Timeout, WebSocket, net::Stream};

use crate::support::serve::Running;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// A stream to an echo server in memory.
fn pipe() -> Stream {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(async move { echo(ServerBuilder::new().accept(Stream::new(far)).await?).await });
    Stream::new(near)
}

fn v4() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 80))
}

fn v6() -> SocketAddr {
    "[2001:db8::1]:80".parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_ipv6_address_that_swallows_the_syn_delays_the_client_by_250_ms() {
    let start = Instant::now();
    let log = Arc::new(Mutex::new(Vec::new()));
    let attempts = Arc::clone(&log);
    let client = ClientBuilder::new()
        .resolve_with(async |_, _| Ok(vec![v6(), v4()]))
        .connect_with(move |addr| {
            attempts.lock().unwrap().push((addr, start.elapsed()));
            async move {
                match addr.is_ipv6() {
                    true => std::future::pending().await,
                    false => Ok(pipe()),
                }
            }
        });
    let mut ws = client.connect("ws://example.com/").await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    assert_eq!(start.elapsed(), Duration::from_millis(250));
    assert_eq!(
        *log.lock().unwrap(),
        [(v6(), Duration::ZERO), (v4(), Duration::from_millis(250)),]
    );
}

#[tokio::test]
async fn names_are_resolved_by_the_function_and_addresses_are_not() {
    let server = Running::start(Config::new(), echo).await;
    let address = server.address;
    let asked = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&asked);
    let client = ClientBuilder::new().resolve_with(move |host, port| {
        names.lock().unwrap().push((host, port));
        async move { Ok(vec![address]) }
    });
    client.connect("ws://Example.com:81/").await.unwrap();
    client.connect("ws://example.org").await.unwrap();
    client.connect(server.uri()).await.unwrap();
    // An address with a zone is none of the function's either.
    let error = client.connect("ws://[fe80::1%25none]/").await.unwrap_err();
    assert!(
        matches!(error, Error::Resolve(_) | Error::Connect(_)),
        "{error:?}"
    );
    assert_eq!(
        *asked.lock().unwrap(),
        [
            ("example.com".to_owned(), 81),
            ("example.org".to_owned(), 80),
        ]
    );
}

#[tokio::test]
async fn a_name_without_an_address_is_an_error_that_names_it() {
    let none = ClientBuilder::new().resolve_with(async |_, _| Ok(Vec::new()));
    let error = none.connect("ws://example.com/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot resolve example.com: entity not found"
    );
    let failing = ClientBuilder::new().resolve_with(async |_, _| Err(io::Error::other("no DNS")));
    let error = failing.connect("ws://example.com/").await.unwrap_err();
    assert!(matches!(error, Error::Resolve(_)), "{error:?}");
    assert_eq!(error.to_string(), "cannot resolve example.com: no DNS");
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_connected_to() {
    let server = Running::start(Config::new(), echo).await;
    let address = server.address;
    let strict = ClientBuilder::new().allow_addresses(|addr| !addr.ip().is_loopback());
    let error = strict.connect(server.uri()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot connect to {address}: ClientBuilder::allow_addresses allows none of its addresses"
        )
    );
    // The others are still tried.
    let tried = Arc::new(Mutex::new(Vec::new()));
    let attempts = Arc::clone(&tried);
    let client = ClientBuilder::new()
        .resolve_with(async |_, _| Ok(vec![v6(), v4()]))
        .allow_addresses(|addr| addr.is_ipv4())
        .connect_with(move |addr| {
            attempts.lock().unwrap().push(addr);
            async { Ok(pipe()) }
        });
    client.connect("ws://example.com/").await.unwrap();
    assert_eq!(*tried.lock().unwrap(), [v4()]);
    // The IPv6 form of the address.
    let mapped = format!("ws://[::ffff:127.0.0.1]:{}/", address.port());
    assert!(strict.connect(&mapped).await.is_err());
    ClientBuilder::new().connect(&mapped).await.unwrap();
    // Explicit addresses are judged as well.
    let client = strict.addresses([address]);
    assert!(client.connect("ws://example.com/").await.is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_may_choose_its_own_address() {
    let (sender, mut peers) = tokio::sync::mpsc::unbounded_channel();
    let handler = move |ws: WebSocket<Stream>| {
        let _ = sender.send(ws.get_ref().peer_addr().unwrap().ip());
        echo(ws)
    };
    let server = Running::start(Config::new(), handler).await;
    let local: IpAddr = [127, 0, 0, 7].into();
    let client = ClientBuilder::new().local_addr(local);
    let ws = client.connect(server.uri()).await.unwrap();
    assert_eq!(ws.get_ref().local_addr().unwrap().ip(), local);
    assert_eq!(peers.recv().await.unwrap(), local);
    let error = client.connect("ws://[::1]:9/").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot connect to [::1]:9: it has no address of the family of ClientBuilder::local_addr"
    );
}

#[tokio::test]
async fn explicit_addresses_replace_those_of_the_host() {
    let server = Running::start(Config::new(), echo).await;
    let closed = SocketAddr::from(([127, 0, 0, 1], 1));
    let client = ClientBuilder::new()
        .resolve_with(async |_, _| panic!("the name is not resolved"))
        .addresses([closed, server.address]);
    let mut ws = client.connect("ws://example.invalid/").await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");

    let error = ClientBuilder::new()
        .addresses([closed])
        .connect("ws://example.invalid/")
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect to example.invalid:80: "),
        "{text}"
    );
    let none = ClientBuilder::new().addresses([]);
    let error = none.connect("ws://example.invalid/").await.unwrap_err();
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_connects_to_a_unix_socket() {
    let folder = std::env::temp_dir().join(format!("wsimd-connecting-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    let served = tokio::spawn(ServerBuilder::new().listen(listener).serve(echo));
    let client = ClientBuilder::new().unix_socket(&path);
    let mut ws = client.connect("ws://localhost/").await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    served.abort();
    let missing = ClientBuilder::new().unix_socket(folder.join("missing"));
    let error = missing.connect("ws://localhost/").await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect to ") && text.contains("missing: "),
        "{text}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn one_deadline_bounds_all_steps() {
    let start = Instant::now();
    let silent = || {
        let (near, far) = duplex(1 << 16);
        std::mem::forget(far);
        Stream::new(near)
    };
    let slow = || sleep(Duration::from_secs(4));
    let client = ClientBuilder::new()
        .resolve_with(move |_, _| async move {
            slow().await;
            Ok(vec![v4()])
        })
        .connect_with(move |_| async move {
            slow().await;
            Ok(silent())
        });
    let error = client.connect("ws://example.com/").await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Open { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(10));

    let start = Instant::now();
    let client = ClientBuilder::new().resolve_with(async |_, _| std::future::pending().await);
    let error = client.connect("ws://example.com/").await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Connect { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_connect_drops_its_attempts() {
    let token = Arc::new(());
    let kept = Arc::clone(&token);
    let client = ClientBuilder::new()
        .resolve_with(async |_, _| Ok(vec![v6(), v4()]))
        .connect_with(move |_| {
            let kept = Arc::clone(&kept);
            async move {
                let _kept = kept;
                std::future::pending().await
            }
        });
    let connect = tokio::time::timeout(Duration::from_secs(1), client.connect("ws://example.com/"));
    assert!(connect.await.is_err());
    // Those of this test and of the function are left.
    assert_eq!(Arc::strong_count(&token), 2);
}

#[test]
fn the_future_of_connect_is_small() {
    let client = ClientBuilder::new();
    let size = size_of_val(&client.connect("ws://example.com/"));
    assert!(size <= 1024, "{size} bytes");
}

#[tokio::test]
async fn a_refusal_that_precedes_the_request_is_read() {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nfull")
        .await
        .unwrap();
    drop(far);
    let refused = ClientBuilder::new()
        .handshake("ws://localhost/", near)
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.status().map(|status| status.as_u16()), Some(503));
    assert_eq!(error.response().unwrap().body(), "full");
}

#[tokio::test]
async fn the_longest_timeout_is_no_timeout() {
    let config = Config::new().open_timeout(Duration::MAX);
    let server = ServerBuilder::new().config(config.clone());
    let (near, far) = duplex(1 << 12);
    let accepted = tokio::spawn(async move { server.accept(far).await.map(drop) });
    let client = ClientBuilder::new().config(config);
    client.handshake("ws://localhost/", near).await.unwrap();
    accepted.await.unwrap().unwrap();
}
