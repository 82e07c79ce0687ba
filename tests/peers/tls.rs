//! `wss://` with TLS 1.2 and TLS 1.3, in both roles.

use std::{fs, path::PathBuf, process};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::mpsc::unbounded_channel,
    time::timeout,
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, ServerBuilder, WebSocket,
    net::Stream,
    tls::{inspect, rustls::ProtocolVersion, server_name},
};

use super::{
    LIMIT, PEERS, Peer, Server,
    certificates::{Authority, Identity},
    check_echo,
};

/// The versions of TLS. The name is that of Python and Node.
const VERSIONS: [(&str, ProtocolVersion); 2] = [
    ("TLSv1.2", ProtocolVersion::TLSv1_2),
    ("TLSv1.3", ProtocolVersion::TLSv1_3),
];

/// The error of a connection that has ended without a Close frame.
const LOST: &str = "the connection is closed: connection lost without a Close frame";

/// A certificate for `localhost`, for both sides.
struct Certificates {
    authority: Authority,
    identity: Identity,
    /// The folder of the peers.
    folder: PathBuf,
}

impl Certificates {
    fn new(test: &str) -> Self {
        let name = format!("{test}-{}", process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let authority = Authority::new(test);
        let identity = authority.sign("localhost");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("ca.pem"), &authority.pem).unwrap();
        fs::write(folder.join("server.pem"), identity.pem()).unwrap();
        Self {
            authority,
            identity,
            folder,
        }
    }

    /// Starts a peer that speaks this version only.
    fn start(&self, mut command: Command, version: &str) -> Child {
        command
            .env("PEERS_TLS", &self.folder)
            .env("PEERS_TLS_VERSION", version)
            .spawn()
            .expect("the peer starts")
    }

    async fn start_server(&self, peer: Peer, version: &str) -> Server {
        let child = self.start(peer.command(&["server"]), version);
        let mut server = Server::over(child).await;
        server.uri = server.uri.replace("ws://127.0.0.1", "wss://localhost");
        server
    }

    fn client(&self) -> ClientBuilder {
        let config = Config::new().max_message_size(16 << 20);
        let tls = self.authority.client();
        ClientBuilder::new().config(config).tls(tls)
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Binds a server of ours. Returns it and its URI.
async fn bind(certificates: &Certificates) -> (wsimd::Server, String) {
    let builder = ServerBuilder::new()
        .config(Config::new().max_message_size(16 << 20))
        .tls(certificates.identity.server());
    let server = builder.bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    (server, format!("wss://localhost:{port}"))
}

/// Returns the first line that a peer prints.
async fn first_line(child: &mut Child) -> String {
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(LIMIT, lines.next_line()).await;
    line.expect("in time").unwrap().expect("a line")
}

fn version(ws: &WebSocket<Stream>) -> Option<ProtocolVersion> {
    inspect(ws.get_ref(), |state| state.protocol_version()).flatten()
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn our_client_talks_to_their_tls_server() {
    let certificates = Certificates::new("our-client");
    let client = certificates.client();
    for peer in PEERS {
        for (name, number) in VERSIONS {
            let mut server = certificates.start_server(peer, name).await;
            let mut ws = client.connect(&*server.uri).await.unwrap();
            assert_eq!(version(&ws), Some(number), "{peer:?}");
            for text in ["", "Hello", "Γειά σου, κόσμε 🌍"] {
                check_echo(&mut ws, text).await;
            }
            check_echo(&mut ws, "x€".repeat(1 << 18)).await;
            for len in [0, 1, 125, 126, 16_384, 65_536, 1 << 20] {
                let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
                check_echo(&mut ws, bytes).await;
            }
            ws.close(CloseCode::from(4000), "done ✓").await.unwrap();
            assert_eq!(u16::from(ws.closed().unwrap().code()), 4000);
            assert_eq!(server.line().await, "closed 4000 \"done ✓\"", "{peer:?}");

            let uri = format!("{}/close?code=4001&reason=enough", server.uri);
            let mut ws = client.connect(uri).await.unwrap();
            let error = ws.recv().await.unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::from(4001)), "{peer:?}");
            let line = server.line().await;
            assert!(line.starts_with("closed 4001"), "{peer:?}: {line}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_talks_to_our_tls_server() {
    let certificates = Certificates::new("their-client");
    let (server, uri) = bind(&certificates).await;
    let (uses, mut used) = unbounded_channel();
    tokio::spawn(server.serve(move |mut ws: WebSocket<Stream>| {
        let uses = uses.clone();
        async move {
            let tls = (version(&ws), server_name(ws.get_ref()));
            uses.send(tls).expect("the test runs");
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
            Ok::<(), Error>(())
        }
    }));
    for peer in PEERS {
        for (name, number) in VERSIONS {
            let mut child = certificates.start(peer.command(&["client", &uri]), name);
            assert_eq!(first_line(&mut child).await, "ok", "{peer:?}");
            let (version, name) = used.recv().await.unwrap();
            assert_eq!(version, Some(number), "{peer:?}");
            assert_eq!(name.as_deref(), Some("localhost"), "{peer:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_gets_our_close_code_over_tls() {
    let certificates = Certificates::new("close-code");
    let (server, uri) = bind(&certificates).await;
    tokio::spawn(server.serve(async |mut ws: WebSocket<Stream>| {
        ws.send("last words").await?;
        ws.close(CloseCode::from(4001), "enough ✓").await
    }));
    for (name, _) in VERSIONS {
        let mut child = certificates.start(Peer::Python.command(&["ending", &uri]), name);
        let line = first_line(&mut child).await;
        assert_eq!(line, r#"closed 4001 "enough ✓" after ["last words"]"#);
    }
}

/// The end of a process closes its socket without `close_notify`.
#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn a_killed_server_ends_the_connection_with_1006() {
    let certificates = Certificates::new("killed-server");
    let client = certificates.client();
    for peer in PEERS {
        for (name, _) in VERSIONS {
            let mut server = certificates.start_server(peer, name).await;
            let mut ws = client.connect(&*server.uri).await.unwrap();
            check_echo(&mut ws, "Hello").await;
            server.child.kill().await.unwrap();
            let end = timeout(LIMIT, ws.recv()).await.expect("in time");
            let error = end.unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{peer:?}");
            assert_eq!(error.to_string(), LOST);
        }
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn a_killed_client_ends_the_connection_with_1006() {
    let certificates = Certificates::new("killed-client");
    let (server, uri) = bind(&certificates).await;
    let (results, mut received) = unbounded_channel();
    tokio::spawn(server.serve(move |mut ws: WebSocket<Stream>| {
        let results = results.clone();
        async move {
            results.send(ws.recv().await).expect("the test runs");
            results.send(ws.recv().await).expect("the test runs");
            Ok::<(), Error>(())
        }
    }));
    for peer in PEERS {
        for (name, _) in VERSIONS {
            let mut child = certificates.start(peer.command(&["client", &uri]), name);
            let first = timeout(LIMIT, received.recv()).await.expect("in time");
            assert_eq!(first.unwrap().unwrap(), Some("".into()), "{peer:?}");
            child.kill().await.unwrap();
            let end = timeout(LIMIT, received.recv()).await.expect("in time");
            let error = end.unwrap().unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL), "{peer:?}");
            assert_eq!(error.to_string(), LOST);
        }
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn our_client_refuses_the_certificate_of_another_authority() {
    let certificates = Certificates::new("refusing-client");
    let client = ClientBuilder::new().tls(Authority::new("another").client());
    for peer in PEERS {
        for (name, _) in VERSIONS {
            let server = certificates.start_server(peer, name).await;
            let error = client.connect(&*server.uri).await.unwrap_err();
            assert!(matches!(error, Error::Tls(_)), "{error:?}");
            assert!(!error.is_retryable());
            let address = server.uri.strip_prefix("wss://").unwrap();
            let expected = format!(
                "the TLS handshake with {address} failed: invalid peer certificate: UnknownIssuer"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}
