//! The choice between a proxy and none, and proxies that are not reached.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::io::BufStream;
use wsimd::{ClientBuilder, Error, Fault, Proxy, ProxyFailure};

use super::*;
use crate::support::opening::error_of;

#[tokio::test]
async fn the_addresses_of_the_server_take_precedence_over_a_proxy() {
    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let server: SocketAddr = "192.0.2.9:81".parse().unwrap();
    let client = ClientBuilder::new().proxy(proxy).addresses([server]);
    let mut net = Net::new(client, 4096);
    let client = net.client.clone();
    let far = async {
        let (addr, io) = net.accept().await;
        assert_eq!(addr, server);
        serve_one(io).await;
    };
    let near = async {
        let mut ws = client.connect("ws://example.com/").await.unwrap();
        ws.send("direct").await.unwrap();
        assert!(ws.recv().await.unwrap().is_some());
    };
    tokio::join!(near, far);
}

#[tokio::test]
async fn a_proxy_can_be_unset() {
    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let client = ClientBuilder::new().proxy(proxy).proxy(None);
    let mut net = Net::new(client, 4096);
    let client = net.client.clone();
    let (connected, addr) = tokio::join!(client.connect("ws://192.0.2.9/"), async {
        net.accept().await.0
    });
    assert_eq!(addr, "192.0.2.9:80".parse().unwrap());
    assert!(matches!(
        connected,
        Err(Error::ClosedInHandshake(_)) | Err(Error::Io(_))
    ));
}

#[tokio::test]
async fn a_name_of_the_server_is_not_resolved_here() {
    let proxy = Proxy::parse("proxy.example:3128").unwrap();
    let client = ClientBuilder::new().proxy(proxy);
    let resolved = Arc::new(Mutex::new(Vec::new()));
    let names = Arc::clone(&resolved);
    let client = client.resolve_with(move |host, port| {
        names.lock().unwrap().push((host, port));
        async { Ok(vec![PROXY.parse().unwrap()]) }
    });
    let net = Net::new(client, 4096);
    let (_, request) = net
        .connect("wss://server.invalid/", async |mut io| {
            read_head(&mut io).await
        })
        .await;
    assert!(request.starts_with("CONNECT server.invalid:443 HTTP/1.1\r\n"));
    assert_eq!(
        *resolved.lock().unwrap(),
        [("proxy.example".to_owned(), 3128)]
    );
}

#[tokio::test]
async fn allow_addresses_judges_the_proxy_and_not_the_server() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let addresses = Arc::clone(&seen);
    let proxy = Proxy::parse(HTTP_PROXY).unwrap();
    let client = ClientBuilder::new()
        .proxy(proxy)
        .allow_addresses(move |addr| {
            addresses.lock().unwrap().push(addr);
            false
        });
    let error = error_of(client.connect("ws://192.0.2.9/").await);
    assert_eq!(*seen.lock().unwrap(), [PROXY.parse().unwrap()]);
    assert_eq!(
        error.to_string(),
        "cannot use the proxy 192.0.2.1:3128: ClientBuilder::allow_addresses allows none of its addresses"
    );
    let ProxyFailure::Io(error) = failure(Err(error)) else {
        panic!("no error of the address");
    };
    assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_proxy_that_is_not_found_or_not_reached_is_named_in_place_of_the_server() {
    let proxy = Proxy::parse("socks5h://user:sesame@proxy.example").unwrap();
    let client = ClientBuilder::new().proxy(proxy);
    let not_found = client.clone().resolve_with(|_, _| async { Ok(Vec::new()) });
    let refused = client
        .resolve_with(|_, _| async { Ok(vec![PROXY.parse().unwrap()]) })
        .connect_with(|_| async { Err(io::ErrorKind::ConnectionRefused.into()) });
    for (client, kind) in [
        (not_found, io::ErrorKind::NotFound),
        (refused, io::ErrorKind::ConnectionRefused),
    ] {
        let error = error_of(client.connect("ws://example.com/").await);
        let of_system = error.io_error().unwrap();
        assert_eq!(of_system.kind(), kind);
        assert_eq!(
            error.to_string(),
            format!("cannot use the proxy proxy.example:1080: {of_system}")
        );
        assert_eq!(
            (error.fault(), error.is_retryable()),
            (Fault::Transport, true)
        );
        assert!(!format!("{error:?}").contains("sesame"));
    }
}

#[tokio::test]
async fn a_redirect_gets_a_tunnel_of_its_own() {
    let proxy = Proxy::parse("http://user:sesame@192.0.2.1:3128").unwrap();
    let mut net = Net::new(ClientBuilder::new().proxy(proxy).max_redirects(1), 4096);
    let client = net.client.clone();
    let far = async {
        let (_, mut io) = net.accept().await;
        let first = answer(&mut io, OPEN).await;
        let redirect = "HTTP/1.1 302 Found\r\nLocation: ws://other.example:81/x\r\n\r\n";
        answer(&mut io, redirect).await;
        let (_, mut io) = net.accept().await;
        let second = answer(&mut io, OPEN).await;
        serve_one(io).await;
        (first, second)
    };
    let near = async {
        let mut ws = client.connect("ws://example.com/").await.unwrap();
        ws.send("redirected").await.unwrap();
        assert!(ws.recv().await.unwrap().is_some());
    };
    let ((first, second), ()) = tokio::join!(far, near);
    for (request, authority) in [(first, "example.com:80"), (second, "other.example:81")] {
        assert!(
            request.starts_with(&format!("CONNECT {authority} ")),
            "{request}"
        );
        assert!(request.contains("proxy-authorization: Basic "), "{request}");
    }
}

#[tokio::test]
async fn a_stream_that_needs_a_flush_is_flushed() {
    for (proxy, answers) in [
        (HTTP_PROXY, &[OPEN.as_bytes()][..]),
        (
            "socks5h://192.0.2.1:3128",
            &[&[5, 0], &[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]],
        ),
    ] {
        let client = ClientBuilder::new().proxy(Proxy::parse(proxy).unwrap());
        let (near, mut far) = duplex(4096);
        let near = Mutex::new(Some(BufStream::new(near)));
        let client = client.connect_with(move |_| {
            let near = near.lock().unwrap().take().unwrap();
            async { Ok(Stream::new(near)) }
        });
        let (connected, ()) = tokio::join!(client.connect("ws://example.com/"), async {
            for answer in answers {
                assert!(far.read(&mut [0; 4096]).await.unwrap() > 0);
                far.write_all(answer).await.unwrap();
            }
            tokio::spawn(serve_one(far));
        });
        connected.unwrap();
    }
}

/// `make features` runs this test.
#[cfg(not(feature = "rustls"))]
#[tokio::test]
async fn a_proxy_over_tls_names_the_features_that_it_needs() {
    let proxy = Proxy::parse("https://192.0.2.1").unwrap();
    let client = ClientBuilder::new().proxy(proxy);
    let error = error_of(client.connect("ws://example.com/").await);
    assert_eq!(
        error.to_string(),
        "a proxy with https:// needs TLS: enable the features `ring` and `rustls-platform-verifier` of wsimd, or set \
         ClientBuilder::tls"
    );
}
