//! SOCKS5 (RFC 1928) and its user names and passwords (RFC 1929).

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::Instant,
};
use wsimd::{ClientBuilder, Error, Fault, Proxy, ProxyFailure, Timeout};

use super::*;
use crate::support::{opening::error_of, secs};

const SOCKS5: &str = "socks5://192.0.2.1:3128";
const SOCKS5H: &str = "socks5h://192.0.2.1:3128";
const WITH_PASSWORD: &str = "socks5h://user:sesame@192.0.2.1:3128";
/// The reply of success, with the address 0.0.0.0:0.
const SUCCESS: [u8; 10] = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];
/// The reply that the method "no authentication" was chosen.
const NO_AUTH: [u8; 2] = [5, 0];

/// Writes the answers one after the other. Reads all that the client sends, up to the end.
async fn converse(io: DuplexStream, answers: &[&[u8]]) -> Vec<u8> {
    let (mut reading, mut writing) = tokio::io::split(io);
    let mut sent = Vec::new();
    for answer in answers {
        // The client speaks first.
        reading.read_buf(&mut sent).await.unwrap();
        if writing.write_all(answer).await.is_err() {
            break;
        }
    }
    // The end of the answers is the end of the stream.
    writing.shutdown().await.unwrap();
    reading.read_to_end(&mut sent).await.unwrap();
    sent
}

/// Returns the error of a client, and the bytes that it sent.
async fn refused(proxy: &str, answers: &[&[u8]]) -> (Error, Vec<u8>) {
    let net = Net::with_proxy(proxy);
    let (connected, sent) = net
        .connect("ws://example.com/", async |io| converse(io, answers).await)
        .await;
    (error_of(connected), sent)
}

/// Accepts a request of the length `len` without authentication, and returns it.
async fn accept(io: &mut DuplexStream, len: usize) -> Vec<u8> {
    assert_eq!(read(io, 3).await, [5, 1, 0]);
    io.write_all(&NO_AUTH).await.unwrap();
    let request = read(io, len).await;
    io.write_all(&SUCCESS).await.unwrap();
    request
}

#[tokio::test]
async fn socks5h_sends_a_name_as_a_name_and_an_address_as_an_address() {
    let name = [&[5, 1, 0, 3, 11][..], b"example.com", &[0, 80]].concat();
    let ipv4 = vec![5, 1, 0, 1, 198, 51, 100, 7, 0, 81];
    let mut ipv6 = vec![5, 1, 0, 4, 0xfe, 0x80];
    ipv6.extend([0; 13]);
    ipv6.extend([1, 0, 80]);
    for (uri, request) in [
        ("ws://example.com/", name),
        ("ws://198.51.100.7:81/", ipv4),
        // The zone of an address means nothing to the proxy.
        ("ws://[fe80::1%25eth0]/", ipv6),
    ] {
        let net = Net::with_proxy(SOCKS5H);
        let (connected, ()) = net
            .connect(uri, async |mut io| {
                assert_eq!(accept(&mut io, request.len()).await, request);
                tokio::spawn(serve_one(io));
            })
            .await;
        let mut ws = connected.unwrap();
        ws.send("through").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("through"));
    }
}

#[tokio::test]
async fn socks5_sends_the_first_allowed_address_of_the_name() {
    let judged = Arc::new(Mutex::new(Vec::new()));
    let addresses = Arc::clone(&judged);
    let proxy = Proxy::parse(SOCKS5).unwrap();
    let client = ClientBuilder::new()
        .proxy(proxy)
        .resolve_with(async |host, port| {
            assert_eq!((&*host, port), ("example.com", 80));
            let resolved = ["10.0.0.1:80", "[2001:db8::1]:80", "198.51.100.7:80"];
            Ok(resolved.map(|addr| addr.parse().unwrap()).to_vec())
        })
        .allow_addresses(move |addr| {
            addresses.lock().unwrap().push(addr.to_string());
            addr.ip() != Ipv4Addr::new(10, 0, 0, 1)
        })
        // The family of the way to the proxy is not that of the way to the server.
        .local_addr("127.0.0.1".parse::<std::net::IpAddr>().unwrap());
    let net = Net::new(client, 4096);
    let (connected, request) = net
        .connect("ws://example.com/", async |mut io| {
            let request = accept(&mut io, 22).await;
            tokio::spawn(serve_one(io));
            request
        })
        .await;
    connected.unwrap();
    let mut expected = vec![5, 1, 0, 4, 0x20, 0x01, 0x0d, 0xb8];
    expected.extend([0; 11]);
    expected.extend([1, 0, 80]);
    assert_eq!(request, expected);
    let judged = judged.lock().unwrap();
    assert_eq!(
        judged[..3],
        ["10.0.0.1:80", "[2001:db8::1]:80", "198.51.100.7:80"]
    );
    assert_eq!(judged[3..], [PROXY]);
}

#[tokio::test]
async fn a_server_that_socks5_may_not_reach_is_refused_before_the_proxy_is_asked() {
    let proxy = Proxy::parse(SOCKS5).unwrap();
    let client = ClientBuilder::new()
        .proxy(proxy)
        .connect_with(|_| async { panic!("the client connects") });
    let private = client
        .clone()
        .allow_addresses(|addr| addr.ip() != Ipv4Addr::new(10, 0, 0, 1));
    let error = error_of(private.connect("ws://10.0.0.1/").await);
    assert!(matches!(error, Error::Connect(_)));
    assert_eq!(
        error.to_string(),
        "cannot connect to 10.0.0.1:80: ClientBuilder::allow_addresses allows none of its addresses"
    );
    let unknown = client.resolve_with(|_, _| async { Ok(Vec::new()) });
    let error = error_of(unknown.connect("ws://example.com/").await);
    assert!(matches!(error, Error::Resolve(_)));
    assert!(
        error
            .to_string()
            .starts_with("cannot resolve example.com: "),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_that_is_too_long_is_refused_before_the_proxy_is_asked() {
    for proxy in [SOCKS5, SOCKS5H] {
        let proxy = Proxy::parse(proxy).unwrap();
        let client = ClientBuilder::new()
            .proxy(proxy)
            .connect_with(|_| async { panic!("the client connects") });
        let error = error_of(client.connect(format!("ws://{}/", "a".repeat(256))).await);
        assert_eq!(error.fault(), Fault::Local);
        let shown = error.to_string();
        assert!(shown.starts_with("invalid host \"aaa"), "{shown}");
        assert!(
            shown.ends_with("SOCKS5 can carry at most 255 bytes"),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_user_name_and_the_password_are_sent_if_the_proxy_asks() {
    let auth = [&[1, 4][..], b"user", &[6], b"sesame"].concat();
    for asks in [false, true] {
        let net = Net::with_proxy(WITH_PASSWORD);
        let (connected, ()) = net
            .connect("ws://example.com/", async |mut io| {
                assert_eq!(read(&mut io, 4).await, [5, 2, 0, 2]);
                io.write_all(&[5, if asks { 2 } else { 0 }]).await.unwrap();
                if asks {
                    assert_eq!(read(&mut io, auth.len()).await, auth);
                    io.write_all(&[1, 0]).await.unwrap();
                }
                read(&mut io, 18).await;
                // The bound address may be a name, or an IPv6 address.
                let bound: &[u8] = match asks {
                    true => &[5, 0, 0, 3, 2, b'h', b'x', 0, 80],
                    false => &[
                        5, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 80,
                    ],
                };
                io.write_all(bound).await.unwrap();
                tokio::spawn(serve_one(io));
            })
            .await;
        let mut ws = connected.unwrap();
        ws.send("through").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("through"));
    }
}

#[tokio::test]
async fn a_password_of_255_bytes_is_sent_whole() {
    let (user, password) = ("u".repeat(255), "p".repeat(255));
    let proxy = Proxy::parse(SOCKS5H).unwrap();
    let proxy = proxy.credentials(&user, &password).unwrap();
    let net = Net::new(ClientBuilder::new().proxy(proxy), 4096);
    let expected = [&[1, 255], user.as_bytes(), &[255], password.as_bytes()].concat();
    let (_, sent) = net
        .connect("ws://example.com/", async |mut io| {
            read(&mut io, 4).await;
            io.write_all(&[5, 2]).await.unwrap();
            read(&mut io, 513).await
        })
        .await;
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn each_reply_code_has_a_text() {
    for (code, text, is_retryable) in [
        (1, "general failure", true),
        (2, "its rules do not allow the connection", false),
        (3, "it does not reach the network of the server", true),
        (4, "it does not reach the host of the server", true),
        (5, "the server refuses the connection", true),
        (6, "the time to live of a packet expired", true),
        (7, "it does not support CONNECT", false),
        (8, "it does not support the type of the address", false),
    ] {
        let reply = [5, code, 0, 1, 0, 0, 0, 0, 0, 0];
        let (error, _) = refused(SOCKS5H, &[&NO_AUTH, &reply]).await;
        let shown = error.to_string();
        assert_eq!(
            shown,
            format!("the proxy {PROXY} refused: {text} (SOCKS reply {code})")
        );
        assert_eq!(
            (error.fault(), error.is_retryable()),
            (Fault::Transport, is_retryable)
        );
        let reason = failure(Err(error));
        assert!(matches!(reason, ProxyFailure::Socks { code: other } if other == code));
    }
}

#[tokio::test]
async fn refused_credentials_are_not_in_the_error() {
    let password: &[&[u8]] = &[&[5, 2], &[1, 1]];
    for (proxy, answers, text) in [
        (
            SOCKS5H,
            &[&[5, 0xff][..]][..],
            "it accepts none of the offered methods of authentication",
        ),
        (
            WITH_PASSWORD,
            &[&[5, 0xff]],
            "it accepts none of the offered methods of authentication",
        ),
        (SOCKS5H, &[&[5, 2]], "it needs a user name and a password"),
        (
            WITH_PASSWORD,
            password,
            "it does not accept the user name and the password",
        ),
    ] {
        let (error, _) = refused(proxy, answers).await;
        assert_eq!(
            error.to_string(),
            format!("the proxy {PROXY} refused: {text}")
        );
        assert!(!format!("{error:?}").contains("sesame"), "{error:?}");
        assert!(!error.is_retryable());
        assert!(matches!(failure(Err(error)), ProxyFailure::SocksAuth(_)));
    }
}

#[tokio::test]
async fn an_answer_that_is_not_socks5_is_refused() {
    let version = "its version is not that of SOCKS5";
    let unknown = "its method or reply code is unknown";
    let cases: [(&str, &[&[u8]], &str); 9] = [
        (SOCKS5H, &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], version),
        (SOCKS5H, &[&[4, 0]], version),
        (SOCKS5H, &[&[5, 1]], unknown),
        (WITH_PASSWORD, &[&[5, 2], &[5, 0]], version),
        (SOCKS5H, &[&NO_AUTH, &[4, 0, 0, 1]], version),
        (SOCKS5H, &[&NO_AUTH, &[5, 9, 0, 1]], unknown),
        (
            SOCKS5H,
            &[&NO_AUTH, &[5, 0, 1, 1]],
            "its reserved byte is not 0",
        ),
        (
            SOCKS5H,
            &[&NO_AUTH, &[5, 0, 0, 2]],
            "its type of address is unknown",
        ),
        (
            SOCKS5H,
            &[&NO_AUTH, &[5, 0, 0, 3, 1, 0xff, 0, 80]],
            "its address is malformed",
        ),
    ];
    for (proxy, answers, text) in cases {
        let (error, _) = refused(proxy, answers).await;
        let shown = error.to_string();
        assert_eq!(
            shown,
            format!("the answer of the proxy {PROXY} is not SOCKS5: {text}")
        );
        assert!(!error.is_retryable());
        assert!(matches!(failure(Err(error)), ProxyFailure::InvalidSocks(_)));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_end() {
    let mut cases: Vec<(&str, Vec<&[u8]>)> = vec![
        (SOCKS5H, vec![]),
        (SOCKS5H, vec![&[5]]),
        (WITH_PASSWORD, vec![&[5, 2]]),
        (WITH_PASSWORD, vec![&[5, 2], &[1]]),
    ];
    for len in 0..SUCCESS.len() {
        cases.push((SOCKS5H, vec![&NO_AUTH, &SUCCESS[..len]]));
    }
    for (proxy, answers) in cases {
        let (error, _) = refused(proxy, &answers).await;
        assert_eq!(
            error.to_string(),
            format!("the proxy {PROXY} closed the connection before it answered"),
            "{answers:?}"
        );
        assert!(error.is_retryable());
        assert!(matches!(failure(Err(error)), ProxyFailure::Closed));
    }
}

#[tokio::test]
async fn the_bytes_after_the_reply_belong_to_the_tunnel() {
    for size in [1, 4096] {
        let proxy = Proxy::parse(SOCKS5H).unwrap();
        let net = Net::new(ClientBuilder::new().proxy(proxy), size);
        let (connected, ()) = net
            .connect("ws://example.com/", async |mut io| {
                read(&mut io, 3).await;
                io.write_all(&NO_AUTH).await.unwrap();
                read(&mut io, 18).await;
                let reply = [
                    &SUCCESS[..],
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
                ];
                let (mut reading, mut writing) = tokio::io::split(io);
                // The client reads the answer after its request.
                let mut request = Vec::new();
                let all = reply.concat();
                let reads = reading.read_to_end(&mut request);
                let (written, read) = tokio::join!(writing.write_all(&all), reads);
                written.unwrap();
                read.unwrap();
                assert!(request.starts_with(b"GET / HTTP/1.1\r\n"));
            })
            .await;
        assert_eq!(error_of(connected).status().unwrap(), 404);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_proxy_is_a_timeout_of_the_proxy() {
    for answers in [&[][..], &NO_AUTH[..1], &NO_AUTH] {
        let start = Instant::now();
        let net = Net::with_proxy(SOCKS5H);
        let (connected, ()) = net
            .connect("ws://example.com/", async |mut io| {
                io.write_all(answers).await.unwrap();
                let mut sent = Vec::new();
                io.read_to_end(&mut sent).await.unwrap();
            })
            .await;
        let error = error_of(connected);
        assert!(
            matches!(error, Error::Timeout(Timeout::Proxy { .. })),
            "{error:?}"
        );
        assert_eq!(start.elapsed(), secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_resolved_in_time_is_no_fault_of_the_proxy() {
    let proxy = Proxy::parse(SOCKS5).unwrap();
    let client = ClientBuilder::new()
        .proxy(proxy)
        .resolve_with(|_, _| std::future::pending());
    let error = error_of(client.connect("ws://example.com/").await);
    assert!(
        matches!(error, Error::Timeout(Timeout::Connect { .. })),
        "{error:?}"
    );
}
