//! TLS to the server, to the proxy, and to both.

use std::{io, sync::Arc};

use wsimd::{
    ClientBuilder, Error, Proxy, ProxyFailure, ServerBuilder,
    net::Stream,
    tls::{self, rustls::ServerConfig},
};

use super::*;
use crate::{network::certificates::Authority, support::opening::error_of};

const HTTPS_PROXY: &str = "https://192.0.2.1:3128";

/// Returns the configuration of a server or a proxy of this name.
fn server(authority: &Authority, name: &str) -> Arc<ServerConfig> {
    Arc::new(authority.sign(name, |_| {}).server())
}

/// Answers a request for a tunnel on a stream of any kind.
async fn open_tunnel(io: &mut Stream, authority: &str) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(io.read_u8().await.unwrap());
    }
    let start = format!("CONNECT {authority} HTTP/1.1\r\n");
    assert!(head.starts_with(start.as_bytes()));
    io.write_all(OPEN.as_bytes()).await.unwrap();
    io.flush().await.unwrap();
}

async fn serve_stream(io: Stream) {
    let mut ws = ServerBuilder::new().accept(io).await.unwrap();
    let message = ws.recv().await.unwrap().unwrap();
    ws.send(message).await.unwrap();
}

#[tokio::test]
async fn tls_runs_to_the_server_to_the_proxy_and_to_both() {
    let authority = Authority::new("ours");
    let to_proxy = server(&authority, "192.0.2.1");
    let to_server = server(&authority, "example.com");
    for (proxy, uri) in [
        (HTTP_PROXY, "wss://example.com/"),
        (HTTPS_PROXY, "ws://example.com:443/"),
        (HTTPS_PROXY, "wss://example.com/"),
    ] {
        let client = ClientBuilder::new()
            .proxy(Proxy::parse(proxy).unwrap())
            .tls(authority.client());
        let net = Net::new(client, 4096);
        let (connected, ()) = net
            .connect(uri, async |io| {
                let mut io = Stream::new(io);
                if proxy == HTTPS_PROXY {
                    io = tls::accept(io, Arc::clone(&to_proxy)).await.unwrap();
                }
                open_tunnel(&mut io, "example.com:443").await;
                if uri.starts_with("wss") {
                    io = tls::accept(io, Arc::clone(&to_server)).await.unwrap();
                    assert_eq!(tls::server_name(&io).as_deref(), Some("example.com"));
                }
                tokio::spawn(serve_stream(io));
            })
            .await;
        let mut ws = connected.unwrap();
        ws.send("through").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().as_text(), Some("through"));
    }
}

#[tokio::test]
async fn tls_runs_to_the_server_through_socks5() {
    let authority = Authority::new("ours");
    let to_server = server(&authority, "example.com");
    let client = ClientBuilder::new()
        .proxy(Proxy::parse("socks5h://192.0.2.1:3128").unwrap())
        .tls(authority.client());
    let net = Net::new(client, 4096);
    let (connected, ()) = net
        .connect("wss://example.com/", async |mut io| {
            read(&mut io, 3).await;
            io.write_all(&[5, 0]).await.unwrap();
            read(&mut io, 18).await;
            io.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            let io = tls::accept(Stream::new(io), to_server).await.unwrap();
            tokio::spawn(serve_stream(io));
        })
        .await;
    let mut ws = connected.unwrap();
    ws.send("through").await.unwrap();
    assert!(ws.recv().await.unwrap().is_some());
}

#[tokio::test]
async fn a_proxy_with_an_invalid_certificate_gets_no_request() {
    let authority = Authority::new("ours");
    let other = Authority::new("another");
    for to_proxy in [server(&other, "192.0.2.1"), server(&authority, "192.0.2.2")] {
        let client = ClientBuilder::new()
            .proxy(Proxy::parse("https://user:sesame@192.0.2.1:3128").unwrap())
            .tls(authority.client());
        let net = Net::new(client, 4096);
        let (connected, accepted) = net
            .connect("wss://example.com/", async |io| {
                tls::accept(Stream::new(io), to_proxy).await
            })
            .await;
        assert!(accepted.is_err());
        let error = error_of(connected);
        assert!(!error.is_retryable());
        let shown = error.to_string();
        assert!(
            shown.starts_with("cannot use the proxy 192.0.2.1:3128: invalid peer certificate"),
            "{shown}"
        );
        let ProxyFailure::Io(error) = failure(Err(error)) else {
            panic!("no error of TLS");
        };
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn a_server_with_an_invalid_certificate_is_named_and_not_the_proxy() {
    let authority = Authority::new("ours");
    let to_server = server(&authority, "other.example");
    let client = ClientBuilder::new()
        .proxy(Proxy::parse(HTTP_PROXY).unwrap())
        .tls(authority.client());
    let net = Net::new(client, 4096);
    let (connected, accepted) = net
        .connect("wss://example.com/", async |io| {
            let mut io = Stream::new(io);
            open_tunnel(&mut io, "example.com:443").await;
            tls::accept(io, to_server).await
        })
        .await;
    assert!(accepted.is_err());
    let error = error_of(connected);
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("example.com:443"), "{error}");
}

#[tokio::test]
async fn a_proxy_that_speaks_no_tls_is_named() {
    let authority = Authority::new("ours");
    let client = ClientBuilder::new()
        .proxy(Proxy::parse(HTTPS_PROXY).unwrap())
        .tls(authority.client());
    let net = Net::new(client, 4096);
    let (connected, ()) = net
        .connect("ws://example.com/", async |mut io| {
            let _ = io.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        })
        .await;
    let error = error_of(connected);
    let shown = error.to_string();
    assert!(
        shown.starts_with("cannot use the proxy 192.0.2.1:3128: "),
        "{shown}"
    );
    assert!(matches!(failure(Err(error)), ProxyFailure::Io(_)));
}
