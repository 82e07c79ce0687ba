//! `wss://` between a client and a server of ours: versions, certificates, and the text of each error.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
};
use wsimd::{
    ClientBuilder, Config, Error, Fault, ServerBuilder, Timeout, WebSocket,
    net::Stream,
    tls::{
        self,
        rustls::{
            HandshakeKind, ProtocolVersion, ServerConfig,
            crypto::CryptoProvider,
            version::{TLS12, TLS13},
        },
    },
};

use super::certificates::{Authority, expired};
use crate::support::serve::Running;

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Starts an echo server with TLS. Returns the URI of `localhost`.
async fn serve(config: ServerConfig) -> (Running, String) {
    let server = Running::start_with(ServerBuilder::new().tls(config), echo).await;
    let uri = format!("wss://localhost:{}/", server.address.port());
    (server, uri)
}

/// Returns the error of a client that trusts `authority`.
async fn error_of(authority: &Authority, uri: &str) -> Error {
    let client = ClientBuilder::new().tls(authority.client());
    client.connect(uri).await.unwrap_err()
}

#[tokio::test]
async fn both_versions_of_tls_carry_messages_and_a_clean_end() {
    let authority = Authority::new("tests");
    let (_server, uri) = serve(authority.server()).await;
    for (version, number) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let client = ClientBuilder::new().tls(authority.client_of(&[version]));
        let mut ws = client.connect(&uri).await.unwrap();
        let state = tls::inspect(ws.get_ref(), |state| {
            let alpn = state.alpn_protocol().map(<[u8]>::to_vec);
            (state.protocol_version(), alpn)
        });
        assert_eq!(state, Some((Some(number), Some(b"http/1.1".to_vec()))));
        for payload in [0, 1, 4096, 1 << 20] {
            ws.send(vec![7; payload]).await.unwrap();
            let echoed = ws.recv().await.unwrap().unwrap();
            assert_eq!(echoed.into_bytes().len(), payload);
        }
        ws.close(1000, "").await.unwrap();
        assert!(ws.recv().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn the_stream_of_tls_shows_its_socket_and_its_state() {
    let authority = Authority::new("tests");
    let (sender, mut seen) = mpsc::unbounded_channel();
    let handler = move |ws: WebSocket<Stream>| {
        let stream = ws.get_ref();
        let is_no_delay = stream.with_tcp(|tcp| tcp.nodelay().unwrap()).unwrap();
        let peer = stream.peer_addr().unwrap();
        let _ = sender.send((peer, tls::server_name(stream), is_no_delay));
        echo(ws)
    };
    let builder = ServerBuilder::new().tls(authority.server());
    let server = Running::start_with(builder, handler).await;
    let uri = format!("wss://localhost:{}/", server.address.port());
    let client = ClientBuilder::new().tls(authority.client());
    let ws = client.connect(&uri).await.unwrap();
    let stream = ws.get_ref();
    let local = stream.local_addr().unwrap();
    assert_eq!(stream.peer_addr().unwrap(), server.address);
    assert_eq!(tls::server_name(stream), None);
    assert_eq!(
        seen.recv().await.unwrap(),
        (local, Some("localhost".to_owned()), true)
    );
    let plain = Running::start(Config::new(), echo).await;
    let ws = plain.client().await;
    assert_eq!(tls::inspect(ws.get_ref(), |_| ()), None);
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_is_refused_with_its_reason() {
    let authority = Authority::new("tests");
    let old = authority.sign("localhost", expired);
    let (_server, expired_uri) = serve(old.server()).await;
    let (other, other_uri) = serve(authority.server()).await;
    let wrong_host = format!("wss://127.0.0.1:{}/", other.address.port());
    for (authority, uri, text) in [
        (&authority, &expired_uri, "certificate expired"),
        (
            &authority,
            &wrong_host,
            "certificate not valid for name \"127.0.0.1\"",
        ),
        (&Authority::new("others"), &other_uri, "UnknownIssuer"),
    ] {
        let error = error_of(authority, uri).await;
        let address = uri.trim_start_matches("wss://").trim_end_matches('/');
        let start = format!("the TLS handshake with {address} failed: invalid peer certificate: ");
        let shown = error.to_string();
        assert!(shown.starts_with(&start) && shown.contains(text), "{shown}");
        assert!(matches!(&error, Error::Tls(_)), "{error:?}");
        assert_eq!((error.is_retryable(), error.fault()), (false, Fault::Peer));
    }
}

#[tokio::test]
async fn an_address_may_be_the_name_of_a_certificate() {
    let authority = Authority::new("tests");
    let identity = authority.sign("127.0.0.1", |_| {});
    let (server, _) = serve(identity.server()).await;
    let client = ClientBuilder::new().tls(authority.client());
    let uri = format!("wss://127.0.0.1:{}/", server.address.port());
    client.connect(uri).await.unwrap();
}

#[tokio::test]
async fn a_server_may_demand_the_certificate_of_a_client() {
    let authority = Authority::new("tests");
    let (_server, uri) = serve(authority.strict_server()).await;
    for versions in [[&TLS12], [&TLS13]] {
        let config = authority.client_as("alice", &versions);
        let mut ws = ClientBuilder::new()
            .tls(config)
            .connect(&uri)
            .await
            .unwrap();
        ws.send("hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");

        let stranger = Authority::new("others").client_as("mallory", &versions);
        let none = authority.client_of(&versions);
        for (mut config, alert) in [(none, "CertificateRequired"), (stranger, "UnknownCA")] {
            // The stranger trusts the server.
            if alert == "UnknownCA" {
                let resolver = config.client_auth_cert_resolver;
                config = authority.client_of(&versions);
                config.client_auth_cert_resolver = resolver;
            }
            let error = ClientBuilder::new()
                .tls(config)
                .connect(&uri)
                .await
                .unwrap_err();
            assert!(matches!(&error, Error::Tls(_)), "{error:?}");
            let text = error.to_string();
            assert!(text.contains("received fatal alert"), "{alert}: {text}");
            assert!(!error.is_retryable());
        }
    }
}

#[tokio::test]
async fn alpn_is_http_1_1_whatever_a_configuration_says() {
    let authority = Authority::new("tests");
    let h2 = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut server_config = authority.server();
    server_config.alpn_protocols.clone_from(&h2);
    let mut client_config = authority.client();
    client_config.alpn_protocols.clone_from(&h2);
    let (server, uri) = serve(server_config).await;
    // The server is reached by a client that prefers HTTP/2, as a browser does.
    let client = Arc::new(client_config);
    let ws = ClientBuilder::new()
        .tls(Arc::clone(&client))
        .connect(&uri)
        .await
        .unwrap();
    let alpn = tls::inspect(ws.get_ref(), |state| {
        state.alpn_protocol().map(<[u8]>::to_vec)
    });
    assert_eq!(alpn, Some(Some(b"http/1.1".to_vec())));
    assert_eq!(client.alpn_protocols, h2);

    // A client that speaks HTTP/2 only is refused by TLS.
    let mut only_h2 = authority.client();
    only_h2.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(only_h2));
    let tcp = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let name = "localhost".try_into().unwrap();
    let error = connector.connect(name, tcp).await.unwrap_err();
    assert!(
        error.to_string().contains("NoApplicationProtocol"),
        "{error}"
    );
}

#[tokio::test]
async fn a_configuration_that_is_shared_resumes_sessions() {
    let authority = Authority::new("tests");
    let (_server, uri) = serve(authority.server()).await;
    let config = Arc::new(authority.client());
    let mut kinds = Vec::new();
    for _ in 0..3 {
        let client = ClientBuilder::new().tls(Arc::clone(&config));
        let mut ws = client.connect(&uri).await.unwrap();
        // The tickets arrive with the first data.
        ws.send("hello").await.unwrap();
        ws.recv().await.unwrap();
        kinds.push(tls::inspect(ws.get_ref(), |state| state.handshake_kind()).unwrap());
    }
    assert_eq!(kinds[0], Some(HandshakeKind::Full));
    assert_eq!(kinds[2], Some(HandshakeKind::Resumed));
    // Nothing of it installs a provider for the process.
    assert!(CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn a_server_without_tls_and_a_client_without_tls_say_so() {
    let authority = Authority::new("tests");
    let (errors, mut reported) = mpsc::unbounded_channel();
    let builder = ServerBuilder::new()
        .tls(authority.server())
        .on_error(move |error, _| _ = errors.send(error.to_string()));
    let secure = Running::start_with(builder, echo).await;
    let plain = Running::start(Config::new(), echo).await;

    let uri = format!("wss://localhost:{}/", plain.address.port());
    let error = error_of(&authority, &uri).await;
    assert!(
        error.to_string().ends_with(
            "received corrupt message of type InvalidContentType (does the peer speak TLS?)"
        ),
        "{error}"
    );

    let error = wsimd::connect(secure.uri()).await.unwrap_err();
    assert!(
        error.to_string().contains("a TLS port? use wss://"),
        "{error}"
    );
    let text = reported.recv().await.unwrap();
    assert!(
        text.starts_with("the TLS handshake with 127.0.0.1:")
            && text.contains("InvalidContentType"),
        "{text}"
    );
}

#[tokio::test]
async fn tls_runs_over_a_stream_that_the_application_opened() {
    let authority = Authority::new("tests");
    let (server, uri) = serve(authority.server()).await;
    let client = ClientBuilder::new().tls(authority.client());
    let tcp = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let (mut ws, response) = client.connect_over(&uri, tcp).await.unwrap();
    assert_eq!(response.status(), 101);
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");

    // The same by hand, over a pipe in memory.
    let (near, far) = tokio::io::duplex(4096);
    let config = Arc::new(authority.server());
    tokio::spawn(async move {
        let stream = tls::accept(Stream::new(far), config).await?;
        echo(ServerBuilder::new().accept(stream).await?).await
    });
    let (mut ws, _) = client
        .connect_over("wss://localhost/", Stream::new(near))
        .await
        .unwrap();
    ws.send(vec![1; 100_000]).await.unwrap();
    assert_eq!(
        ws.recv().await.unwrap().unwrap().into_bytes().len(),
        100_000
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_in_the_tls_handshake_is_given_up() {
    let authority = Authority::new("tests");
    let client = ClientBuilder::new().tls(authority.client());
    let (near, _far) = tokio::io::duplex(1 << 16);
    let error = client
        .connect_over("wss://localhost/", Stream::new(near))
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Tls { .. })),
        "{error:?}"
    );
    assert_eq!(
        error.to_string(),
        "no end of the TLS handshake within 10 s (Config::open_timeout)"
    );
}

#[tokio::test]
async fn the_end_of_the_stream_in_the_tls_handshake_is_retryable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut tcp, _) = listener.accept().await.unwrap();
        let mut hello = [0; 5];
        tcp.read_exact(&mut hello).await.unwrap();
        tcp.shutdown().await.unwrap();
        // Read the rest, so that the end is no reset.
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let uri = format!("wss://localhost:{}/", address.port());
    let error = error_of(&Authority::new("tests"), &uri).await;
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("eof"), "{error}");
    assert_eq!(
        (error.is_retryable(), error.fault()),
        (true, Fault::Transport)
    );
    server.await.unwrap();
}

#[tokio::test]
async fn a_host_that_no_certificate_can_name_is_an_error() {
    let client = ClientBuilder::new().tls(Authority::new("tests").client());
    let (near, _far) = tokio::io::duplex(64);
    let error = client
        .connect_over("wss://a..b/", Stream::new(near))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    assert!(error.to_string().contains("invalid dns name"), "{error}");
}

#[test]
fn invalid_pem_is_an_error() {
    let authority = Authority::new("tests");
    let identity = authority.sign("localhost", |_| {});
    let other = authority.sign("localhost", |_| {});
    for (chain, key) in [
        ("", identity.key.as_str()),
        (identity.chain.as_str(), ""),
        (identity.chain.as_str(), other.key.as_str()),
        ("-----BEGIN CERTIFICATE-----\n!", identity.key.as_str()),
    ] {
        let error = tls::server_config(chain, key).unwrap_err();
        assert!(!error.to_string().is_empty());
    }
    let error = tls::client_config("nothing").unwrap_err();
    assert_eq!(error.to_string(), "the PEM text has no certificate");
}

#[tokio::test]
async fn a_function_that_wraps_streams_runs_before_tls() {
    let authority = Authority::new("tests");
    let builder = ServerBuilder::new()
        .tls(authority.server())
        .wrap_streams(async |mut stream| {
            // The line of a proxy.
            let mut line = [0; 6];
            stream.read_exact(&mut line).await?;
            assert_eq!(&line, b"PROXY\n");
            Ok(stream)
        });
    let server = Running::start_with(builder, echo).await;
    let mut tcp = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    tcp.write_all(b"PROXY\n").await.unwrap();
    let client = ClientBuilder::new().tls(authority.client());
    let (mut ws, _) = client.connect_over("wss://localhost/", tcp).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
}
