//! Python's `websockets` and Node's `ws` over loopback, in both roles, and Chromium as a client.
//!
//! `make peers` installs them and runs these tests. ci/peers/README.md describes them.

mod browser;
mod certificates;
mod deflate;
mod ending;
mod tls;
mod upload;
mod wire;

use std::{env, path::Path, process::Stdio, time::Duration};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use tokio_util::codec::Framed;
use wsimd::{
    ClientBuilder, CloseCode, Codec, Config, Error, Event, Message, Role, ServerBuilder, WebSocket,
    net::Stream,
};

const PEERS: [Peer; 2] = [Peer::Python, Peer::Node];
/// The limit of every step of a conversation, which takes far less.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Peer {
    Python,
    Node,
}

impl Peer {
    fn start(self, args: &[&str]) -> Child {
        self.command(args).spawn().expect("the peer starts")
    }

    fn command(self, args: &[&str]) -> Command {
        let home = env::var("PEERS_HOME").expect("PEERS_HOME is set: run `make peers`");
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/peers");
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new(Path::new(&home).join("python/bin/python"));
                command.arg(programs.join("peer.py"));
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(programs.join("peer.mjs"));
                command
            }
        };
        command.args(args).stdout(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// A peer that serves.
struct Server {
    lines: Lines<BufReader<ChildStdout>>,
    uri: String,
    child: Child,
}

impl Server {
    async fn start(peer: Peer, args: &[&str]) -> Self {
        Self::over(peer.start(&[&["server"], args].concat())).await
    }

    /// Waits until the program of a peer listens.
    async fn over(mut child: Child) -> Self {
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut server = Self {
            lines: BufReader::new(stdout).lines(),
            uri: String::new(),
            child,
        };
        let line = server.line().await;
        let port = line.strip_prefix("listening ").expect("the port");
        server.uri = format!("ws://127.0.0.1:{port}");
        server
    }

    async fn line(&mut self) -> String {
        let line = timeout(LIMIT, self.lines.next_line()).await;
        line.expect("in time").unwrap().expect("a line")
    }

    async fn connect(&self, path: &str) -> WebSocket<Stream> {
        let config = Config::new()
            .max_message_size(16 << 20)
            .outgoing_frame_size(100_000);
        let client = ClientBuilder::new().config(config);
        client
            .connect(&format!("{}{path}", self.uri))
            .await
            .unwrap()
    }
}

async fn check_echo(ws: &mut WebSocket<Stream>, message: impl Into<Message>) {
    let message = message.into();
    ws.send(message.clone()).await.unwrap();
    let echo = ws.recv().await.unwrap();
    assert!(echo.as_ref() == Some(&message), "{} bytes", message.len());
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn our_client_talks_to_their_server() {
    for peer in PEERS {
        let mut server = Server::start(peer, &[]).await;
        let mut ws = server.connect("/").await;
        for text in ["", "Hello", "Γειά σου, κόσμε 🌍"] {
            check_echo(&mut ws, text).await;
        }
        for len in [0, 1, 125, 126, 65_535, 65_536, 100_001, 16 << 20] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            check_echo(&mut ws, bytes).await;
        }
        // Fragments that end inside characters.
        check_echo(&mut ws, "x€".repeat(100_000)).await;

        let pong = ws.ping_with("are you there?").await.unwrap();
        tokio::select! {
            round_trip = pong => drop(round_trip.unwrap()),
            received = ws.recv() => panic!("{received:?}"),
        }

        ws.close(CloseCode::from(4000), "done ✓").await.unwrap();
        assert_eq!(u16::from(ws.closed().unwrap().code()), 4000);
        assert_eq!(server.line().await, "closed 4000 \"done ✓\"", "{peer:?}");
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn our_client_takes_what_their_server_starts() {
    for peer in PEERS {
        let mut server = Server::start(peer, &[]).await;

        let mut ws = server.connect("/fragments").await;
        let text = ws.recv().await.unwrap();
        assert_eq!(text, Some("one zwei: größer три 四 🦀".into()));
        ws.close(CloseCode::GOING_AWAY, "").await.unwrap();
        assert_eq!(server.line().await, "closed 1001 \"\"");

        let mut ws = server.connect("/ping").await;
        assert_eq!(ws.recv().await.unwrap(), Some("pong ok".into()));
        drop(ws);
        assert_eq!(server.line().await, "closed 1006 \"\"");

        let path = "/close?code=4001&reason=enough%20%E2%9C%93";
        let mut ws = server.connect(path).await;
        match ws.recv().await {
            Err(Error::Closed(closed)) => {
                assert_eq!(u16::from(closed.code()), 4001);
                assert_eq!(closed.reason(), "enough ✓");
                assert!(closed.received_first);
            }
            other => panic!("{other:?}"),
        }
        let line = server.line().await;
        assert!(line.starts_with("closed 4001"), "{peer:?}: {line}");

        let mut ws = server.connect("/close").await;
        assert!(matches!(ws.recv().await, Ok(None)));
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_server_hears_of_a_violation_of_a_limit() {
    for peer in PEERS {
        let mut server = Server::start(peer, &[]).await;
        let client = ClientBuilder::new().config(Config::new().max_message_size(1000));
        let mut ws = client.connect(&server.uri).await.unwrap();
        ws.send(vec![0; 1001]).await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
        let line = server.line().await;
        assert_eq!(line, "closed 1009 \"frame exceeds the size limit\"");
    }
}

/// Runs their client against our server with the handler.
async fn check_their_client<H, F>(handler: H)
where
    H: Fn(WebSocket<Stream>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    for peer in PEERS {
        let config = Config::new().max_message_size(16 << 20);
        let server = ServerBuilder::new().config(config).bind("127.0.0.1:0");
        let server = server.await.unwrap();
        let uri = format!("ws://{}", server.local_addr().unwrap());
        let serving = tokio::spawn(server.serve(handler.clone()));
        let mut child = peer.start(&["client", &uri]);
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(LIMIT, lines.next_line()).await;
        let line = line.expect("in time").unwrap();
        assert_eq!(line.as_deref(), Some("ok"), "{peer:?}");
        assert!(child.wait().await.unwrap().success());
        serving.abort();
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_talks_to_our_server() {
    check_their_client(async |mut ws: WebSocket<Stream>| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<(), Error>(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn their_client_talks_to_our_codec() {
    check_their_client(async |ws: WebSocket<Stream>| {
        let config = Config::new().max_message_size(16 << 20);
        let parts = ws.into_parts();
        let codec = Codec::new(Role::Server, &config);
        let mut framed = Framed::with_capacity(parts.io, codec, 65_536);
        framed.read_buffer_mut().extend_from_slice(&parts.read_buf);
        while let Some(event) = framed.next().await {
            let event = event?;
            let last = matches!(event, Event::Close(_));
            let answer = match event {
                Event::Message(message) => Some(message.into()),
                control => control.reply(),
            };
            if let Some(answer) = answer {
                framed.send(answer).await?;
            }
            if last {
                break;
            }
        }
        framed.close().await
    })
    .await;
}
