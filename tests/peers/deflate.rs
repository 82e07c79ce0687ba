//! permessage-deflate with the peers, in both roles. A proxy records the wire.

use std::{
    fmt::Write,
    sync::{Arc, Mutex},
};

use bytes::{Buf, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};
use tokio_util::codec::{Framed, FramedParts};
use wsimd::{
    ClientBuilder, CloseCode, CloseFrame, Codec, Config, Error, Event, Message, Offer, Role,
    ServerBuilder, WebSocket,
    extension::Deflate,
    handshake::{Target, client, head},
    net::Stream,
};

use super::{
    LIMIT, Peer, Server,
    wire::{Proxy, Sent},
};

pub(crate) const TICKS: usize = 100;

/// Parameters that one side requests, while the other side has its defaults.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) takeover: bool,
    /// `…_max_window_bits` of the side that is ours, and of the peer.
    pub(crate) bits: Option<(u8, u8)>,
}

pub(crate) const SETTINGS: [Setting; 5] = [
    Setting::new(true, None),
    Setting::new(false, None),
    Setting::new(true, Some((9, 10))),
    Setting::new(false, Some((10, 9))),
    Setting::new(true, Some((8, 8))),
];

impl Setting {
    const fn new(takeover: bool, bits: Option<(u8, u8)>) -> Self {
        Self { takeover, bits }
    }

    /// The same within the limits of the peer: Python's zlib compresses with 9 bits and more.
    fn with(self, peer: Peer) -> Self {
        let bits = match (peer, self.bits) {
            (Peer::Python, Some((ours, theirs))) => Some((ours, theirs.max(9))),
            (_, bits) => bits,
        };
        Self { bits, ..self }
    }

    fn server_and_client_bits(self, role: Role) -> Option<(u8, u8)> {
        let (ours, theirs) = self.bits?;
        Some(match role {
            Role::Server => (ours, theirs),
            Role::Client => (theirs, ours),
        })
    }

    /// Our configuration if we request it, in this role.
    pub(crate) fn ours(self, role: Role) -> Deflate {
        let mut deflate = Deflate::new().threshold(0);
        if !self.takeover {
            deflate = deflate.no_context_takeover();
        }
        if let Some((server, client)) = self.server_and_client_bits(role) {
            deflate = deflate
                .server_max_window_bits(server)
                .client_max_window_bits(client);
        }
        deflate
    }

    /// The arguments of the peer if it requests it, and we have this role.
    fn theirs(self, role: Role) -> String {
        let mut params = Vec::new();
        if !self.takeover {
            params.push("\"server_no_context_takeover\":true".to_owned());
            params.push("\"client_no_context_takeover\":true".to_owned());
        }
        if let Some((server, client)) = self.server_and_client_bits(role) {
            params.push(format!("\"server_max_window_bits\":{server}"));
            params.push(format!("\"client_max_window_bits\":{client}"));
        }
        format!("{{{}}}", params.join(","))
    }

    /// Checks the header of the server.
    pub(crate) fn check_agreed(self, role: Role, agreed: &str) {
        let mut expected = String::from("permessage-deflate");
        if !self.takeover {
            expected += "; server_no_context_takeover; client_no_context_takeover";
        }
        if let Some((server, client)) = self.server_and_client_bits(role) {
            write!(expected, "; server_max_window_bits={server}").unwrap();
            write!(expected, "; client_max_window_bits={client}").unwrap();
        }
        for param in expected.split("; ") {
            let mut agreed = agreed.split(';').map(str::trim);
            assert!(agreed.any(|other| other == param), "{param}: {agreed:?}");
        }
    }

    /// Checks the messages of one side, of these lengths: ticks, a large text, random bytes, two empty
    /// messages, and a text in fragments.
    pub(crate) fn check_sent(self, sent: &[Sent], lens: &[usize]) {
        assert!(sent.len() >= TICKS + 5 && lens.len() >= TICKS + 5);
        let (ticks, others) = sent.split_at(TICKS);
        let total: usize = ticks.iter().map(|tick| tick.len).sum();
        let whole: usize = lens[..TICKS].iter().sum();
        assert!(ticks.iter().all(|tick| tick.compressed));
        // A single tick repeats few of its bytes.
        let largest = if self.takeover { whole / 2 } else { whole };
        assert!(total < largest, "ticks: {total} of {whole}");
        let (large, random) = (&others[0], &others[1]);
        assert!(large.compressed && large.len < lens[TICKS] / 3, "{large:?}");
        assert!(random.len > lens[TICKS + 1] - 1000, "{random:?}");
        let (fragmented, len) = (&others[4], lens[TICKS + 4]);
        assert!(
            fragmented.compressed && fragmented.len < len / 2,
            "{fragmented:?}"
        );
    }
}

pub(crate) fn config(deflate: Deflate) -> Config {
    Config::new()
        .max_message_size(16 << 20)
        .outgoing_frame_size(500)
        .extension(deflate)
}

/// A connection, by `WebSocket` or by `Codec`.
pub(crate) enum Connection<S> {
    WebSocket(WebSocket<S>),
    Framed(Box<Framed<S, Codec>>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    fn framed(io: S, mut read: BytesMut, codec: Codec) -> Self {
        read.reserve(65_536);
        let mut parts = FramedParts::new::<Event>(io, codec);
        parts.read_buf = read;
        Self::Framed(Box::new(Framed::from_parts(parts)))
    }

    async fn send(&mut self, message: Message) -> Result<(), Error> {
        match self {
            Self::WebSocket(ws) => ws.send(message).await,
            Self::Framed(framed) => framed.send(message.into()).await,
        }
    }

    async fn recv(&mut self) -> Result<Option<Message>, Error> {
        let framed = match self {
            Self::WebSocket(ws) => return ws.recv().await,
            Self::Framed(framed) => framed,
        };
        while let Some(event) = framed.next().await.transpose()? {
            let last = matches!(event, Event::Close(_));
            if let Some(answer) = event.reply() {
                framed.send(answer).await?;
            }
            match event {
                Event::Message(message) => return Ok(Some(message)),
                _ if last => break,
                _ => {}
            }
        }
        framed.close().await?;
        Ok(None)
    }

    async fn close(&mut self) -> Result<(), Error> {
        match self {
            Self::WebSocket(ws) => ws.close(CloseCode::NORMAL, "").await,
            Self::Framed(framed) => {
                let frame = CloseFrame::new(CloseCode::NORMAL, "")?;
                framed.send(Event::Close(frame)).await?;
                while framed.next().await.transpose()?.is_some() {}
                Ok(())
            }
        }
    }
}

impl Connection<Stream> {
    /// Takes a connection that a server has accepted.
    pub(crate) fn accepted(ws: WebSocket<Stream>, framed: bool) -> Self {
        if !framed {
            return Self::WebSocket(ws);
        }
        let parts = ws.into_parts();
        Self::framed(parts.io, parts.read_buf, Codec::from(parts.endpoint))
    }

    /// Sends every message back, and records the lengths.
    pub(crate) async fn echo(mut self, lens: Arc<Mutex<Vec<usize>>>) -> Result<(), Error> {
        while let Some(message) = self.recv().await? {
            lens.lock().unwrap().push(message.len());
            self.send(message).await?;
        }
        Ok(())
    }
}

/// Connects with the functions of `handshake`, for a codec.
async fn connect_framed(uri: &str, config: &Config) -> Connection<TcpStream> {
    let target = Target::parse(uri).unwrap();
    let request = client::request(&target, &Offer::new(), config).unwrap();
    let mut bytes = BytesMut::new();
    head::write_request(&request, &mut bytes);
    let address = (target.host(), target.port());
    let mut io = TcpStream::connect(address).await.unwrap();
    io.write_all(&bytes).await.unwrap();
    bytes.clear();
    let (response, len) = loop {
        assert!(io.read_buf(&mut bytes).await.unwrap() > 0);
        if let Some(parsed) = head::parse_response(&bytes, config).unwrap() {
            break parsed;
        }
    };
    bytes.advance(len);
    let negotiated = client::verify(&request, config, &response).unwrap();
    let codec = Codec::new(Role::Client, config).extensions(negotiated.into_extensions());
    Connection::framed(io, bytes, codec)
}

/// The same as `tick` of the peers.
fn tick(number: usize) -> String {
    let price = 27_000 + number * 37 % 1000;
    format!(
        r#"{{"type":"trade","symbol":"WSIMD-USD","sequence":{},"price":"{price}.{:02}","size":"0.0625","side":"buy"}}"#,
        1_000_000 + number,
        number * 7 % 100,
    )
}

/// The messages that the peers send as clients: ticks, 1 MiB of ticks, random bytes, empty messages,
/// and a text that our frame size cuts.
fn messages() -> Vec<Message> {
    let mut messages: Vec<Message> = (0..TICKS).map(|number| tick(number).into()).collect();
    let large: String = (0..11_000).map(tick).collect();
    messages.push(large[..1 << 20].into());
    let mut state = 1_u64;
    let random = (0..65_536).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    });
    messages.push(random.collect::<Vec<u8>>().into());
    messages.push("".into());
    messages.push(Vec::new().into());
    messages.push((0..TICKS).map(tick).collect::<String>().into());
    messages
}

async fn talk<S>(mut connection: Connection<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    for message in messages() {
        connection.send(message.clone()).await.unwrap();
        let echo = connection.recv().await.unwrap();
        assert!(echo.as_ref() == Some(&message), "{} bytes", message.len());
    }
    connection.close().await.unwrap();
}

/// Our client against their server.
async fn check_client(peer: Peer, setting: Setting, asked_by_us: bool, framed: bool) {
    let (deflate, theirs) = if asked_by_us {
        (setting.ours(Role::Client), "{}".to_owned())
    } else {
        (Deflate::new().threshold(0), setting.theirs(Role::Client))
    };
    let server = Server::start(peer, &[&theirs]).await;
    let proxy = Proxy::start(&server.uri).await;
    let config = config(deflate);
    if framed {
        talk(connect_framed(&proxy.uri, &config).await).await;
    } else {
        let client = ClientBuilder::new().config(config);
        let ws = client.connect(&proxy.uri).await.unwrap();
        talk(Connection::WebSocket(ws)).await;
    }
    setting.check_agreed(Role::Client, &proxy.agreed());
    let lens: Vec<usize> = messages().iter().map(Message::len).collect();
    for role in [Role::Client, Role::Server] {
        setting.check_sent(&proxy.sent(role), &lens);
    }
    let ours = proxy.sent(Role::Client);
    assert!(ours[TICKS].frames > 1 && ours[TICKS + 4].frames > 1);
}

/// Their client against our server.
async fn check_server(peer: Peer, setting: Setting, asked_by_us: bool, framed: bool) {
    let (deflate, theirs) = if asked_by_us {
        (setting.ours(Role::Server), "{}".to_owned())
    } else {
        (Deflate::new().threshold(0), setting.theirs(Role::Server))
    };
    let config = config(deflate);
    let server = ServerBuilder::new().config(config.clone());
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(&format!("ws://{}", server.local_addr().unwrap())).await;
    let lens = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&lens);
    let serving = tokio::spawn(
        server.serve(move |ws| Connection::accepted(ws, framed).echo(Arc::clone(&seen))),
    );
    let mut child = peer.start(&["client", &proxy.uri, &theirs]);
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = timeout(LIMIT, lines.next_line()).await;
    assert_eq!(line.expect("in time").unwrap().as_deref(), Some("ok"));
    assert!(child.wait().await.unwrap().success());
    serving.abort();
    setting.check_agreed(Role::Server, &proxy.agreed());
    for role in [Role::Client, Role::Server] {
        setting.check_sent(&proxy.sent(role), &lens.lock().unwrap());
    }
    let theirs = proxy.sent(Role::Client);
    assert!(theirs[TICKS + 4].frames > 1);
}

async fn check(peer: Peer) {
    for (number, setting) in SETTINGS.into_iter().enumerate() {
        let setting = setting.with(peer);
        for framed in [false, true] {
            let asked_by_us = framed == (number % 2 == 0);
            println!("{setting:?}, asked by us: {asked_by_us}, framed: {framed}");
            check_server(peer, setting, asked_by_us, framed).await;
            check_client(peer, setting, asked_by_us, framed).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn messages_are_compressed_both_ways_with_python() {
    check(Peer::Python).await;
}

#[tokio::test]
#[ignore = "needs the peers: run `make peers`"]
async fn messages_are_compressed_both_ways_with_node() {
    check(Peer::Node).await;
}
