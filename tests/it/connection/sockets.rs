//! Real sockets on the loopback device: what a peer still reads when the other end gives up.
//!
//! A socket that is dropped with bytes unread sends a reset, and the reset makes the peer forget
//! what it has received and not read yet. So these peers write much more than anybody reads, and
//! read only then.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    task::{JoinHandle, JoinSet},
    time::timeout,
};
use tokio_util::codec::Framed;
use wsimd::{
    ClientBuilder, CloseCode, Codec, Config, Error, Event, Message, Offer, Origins, Policy,
    ProtocolError, Role, ServerBuilder, WebSocket,
    handshake::{HandshakeError, accept_key},
    net::Stream,
};

use crate::support::frames::{BINARY, CLOSE, FIN, TEXT, close, frame, key};

/// How often a peer that could lose our last bytes is tried.
const TIMES: usize = 20;

/// What is on its way when the other end gives up: more than the sockets' buffers hold.
const IN_FLIGHT: usize = 4 << 20;

/// Limits that are quick to exceed.
fn small() -> Config {
    Config::new().max_message_size(1000).max_frame_size(600)
}

/// A server that runs until it is dropped.
struct Running {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Running {
    async fn start<H, F>(builder: ServerBuilder, handler: H) -> Self
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        let server = builder.bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let task = tokio::spawn(server.serve(handler));
        Self { address, task }
    }

    fn uri(&self) -> String {
        format!("ws://{}/", self.address)
    }

    async fn client(&self) -> WebSocket<Stream> {
        wsimd::connect(&self.uri()).await.unwrap()
    }

    /// A client by hand, its opening handshake done.
    async fn raw(&self) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream
            .write_all(request(self.address).as_bytes())
            .await
            .unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        stream
    }
}

fn request(host: SocketAddr) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream
        .read_to_end(&mut bytes)
        .await
        .expect("an end, not a reset");
    bytes
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// The same on `Framed`, as `examples/echo.rs` does it.
async fn echo_framed(ws: WebSocket<Stream>, config: Config) -> Result<(), Error> {
    let parts = ws.into_parts();
    let mut framed = Framed::with_capacity(parts.io, Codec::new(Role::Server, &config), 65_536);
    framed.read_buffer_mut().extend_from_slice(&parts.read_buf);
    let mut failed = None;
    while let Some(event) = framed.next().await {
        let (answer, last) = match event {
            Ok(Event::Message(message)) => (Some(message.into()), false),
            Ok(control) => (control.reply(), matches!(control, Event::Close(_))),
            Err(error) => {
                let answer = error.close_frame().map(Event::Close);
                failed = Some(error);
                (answer, true)
            }
        };
        if let Some(answer) = answer {
            framed.send(answer).await?;
        }
        if last {
            break;
        }
    }
    framed.close().await?;
    let mut sink = tokio::io::sink();
    let drain = tokio::io::copy(framed.get_mut(), &mut sink);
    let _ = timeout(Duration::from_secs(2), drain).await;
    failed.map_or(Ok(()), Err)
}

/// Says what each handler ended with.
type Ends = UnboundedReceiver<Result<(), Error>>;

async fn start_echo(config: Config, framed: bool) -> (Running, Ends) {
    let (report, ends) = unbounded_channel();
    let builder = ServerBuilder::new().config(config.clone());
    let server = Running::start(builder, move |ws| {
        let (report, config) = (report.clone(), config.clone());
        async move {
            let end = match framed {
                true => echo_framed(ws, config).await,
                false => echo(ws).await,
            };
            // A test may not care.
            let _ = report.send(end);
        }
    });
    (server.await, ends)
}

// ---- our last bytes arrive -------------------------------------------------------------------

/// The client commits the violation with much more behind it, and then reads.
async fn check_violation(framed: bool, bytes: &[u8], violation: ProtocolError) {
    let (server, mut ends) = start_echo(small(), framed).await;
    let bytes = [bytes, &vec![0; IN_FLIGHT]].concat();
    let expected = close(
        Role::Server,
        violation.close_code().into(),
        violation.as_str(),
    );
    for _ in 0..TIMES {
        let mut client = server.raw().await;
        client.write_all(&bytes).await.expect("the server reads on");
        assert_eq!(read_to_end(&mut client).await, expected);
        drop(client);
        let end = ends.recv().await.unwrap();
        assert!(
            matches!(end, Err(Error::Protocol(it)) if it == violation),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_violates_the_protocol_reads_our_close_frame() {
    let unmasked = frame(Role::Server, FIN | TEXT, b"Hello");
    check_violation(false, &unmasked, ProtocolError::MissingMask).await;
}

#[tokio::test]
async fn a_client_that_sends_too_much_reads_our_close_frame() {
    let fragments = [
        frame(Role::Client, TEXT, &[b'x'; 600]),
        frame(Role::Client, FIN, &[b'x'; 401]),
    ];
    let violation = ProtocolError::MessageTooBig { limit: 1000 };
    check_violation(false, &fragments.concat(), violation).await;
}

#[tokio::test]
async fn a_client_that_sends_a_big_frame_reads_our_close_frame() {
    let message = frame(Role::Client, FIN | BINARY, &[0; 601]);
    let violation = ProtocolError::FrameTooBig { limit: 600 };
    check_violation(false, &message, violation).await;
}

#[tokio::test]
async fn a_client_of_framed_that_violates_the_protocol_reads_our_close_frame() {
    let invalid = frame(Role::Client, FIN | TEXT, b"\xff");
    check_violation(true, &invalid, ProtocolError::InvalidUtf8).await;
}

#[tokio::test]
async fn a_client_of_framed_that_sends_too_much_reads_our_close_frame() {
    let fragments = [
        frame(Role::Client, TEXT, &[b'x'; 600]),
        frame(Role::Client, FIN, &[b'x'; 401]),
    ];
    let violation = ProtocolError::MessageTooBig { limit: 1000 };
    check_violation(true, &fragments.concat(), violation).await;
}

#[tokio::test]
async fn a_client_of_framed_that_sends_a_big_frame_reads_our_close_frame() {
    let message = frame(Role::Client, FIN | BINARY, &[0; 601]);
    let violation = ProtocolError::FrameTooBig { limit: 600 };
    check_violation(true, &message, violation).await;
}

#[tokio::test]
async fn a_client_that_writes_on_after_its_close_frame_reads_ours() {
    for framed in [false, true] {
        let (server, mut ends) = start_echo(Config::new(), framed).await;
        let bytes = [close(Role::Client, 1001, "away"), vec![0; IN_FLIGHT]].concat();
        for _ in 0..TIMES {
            let mut client = server.raw().await;
            client.write_all(&bytes).await.unwrap();
            let expected = close(Role::Server, 1001, "away");
            assert_eq!(read_to_end(&mut client).await, expected);
            drop(client);
            ends.recv().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn the_echo_before_a_violation_arrives_too() {
    // 64 answers and the Close frame behind them, none of which the client has read so far.
    let (server, mut ends) = start_echo(Config::new(), false).await;
    let message = frame(Role::Client, FIN | BINARY, &[7; 1000]);
    let violation = frame(Role::Client, FIN | 3, b"");
    let bytes = [message.repeat(64), violation, vec![0; IN_FLIGHT]].concat();
    let answer = frame(Role::Server, FIN | BINARY, &[7; 1000]);
    let expected = [
        answer.repeat(64),
        close(Role::Server, 1002, "reserved opcode"),
    ]
    .concat();
    for _ in 0..TIMES {
        let mut client = server.raw().await;
        client.write_all(&bytes).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, expected);
        drop(client);
        assert!(ends.recv().await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_server_that_violates_the_protocol_reads_our_close_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let masked = frame(Role::Client, FIN | TEXT, b"Hello");
    let bytes = [masked, vec![0; IN_FLIGHT]].concat();
    let client = ClientBuilder::new().config(Config::new().masking_keys(key));
    for _ in 0..TIMES {
        let near = async {
            let mut ws = client.connect(&uri).await.unwrap();
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(
                error,
                Error::Protocol(ProtocolError::UnexpectedMask)
            ));
        };
        let far = async {
            let mut stream = raw_server(&listener).await;
            stream.write_all(&bytes).await.expect("the client reads on");
            let expected = close(Role::Client, 1002, "frame from a server is masked");
            let mut got = vec![0; expected.len()];
            stream
                .read_exact(&mut got)
                .await
                .expect("a Close frame, not a reset");
            assert_eq!(got, expected);
            // The client waits for the server to close first (§7.1.1).
            stream.shutdown().await.unwrap();
            assert_eq!(read_to_end(&mut stream).await, b"");
        };
        tokio::join!(near, far);
    }
}

/// A server by hand, its opening handshake done.
async fn raw_server(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let request = read_head(&mut stream).await;
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_key(key.unwrap().as_bytes());
    let response = format!(
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        str::from_utf8(&accept).unwrap()
    );
    stream.write_all(response.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_client_whose_request_is_refused_reads_the_whole_answer() {
    let (server, _) = start_echo(Config::new(), false).await;
    let body = vec![b'x'; IN_FLIGHT];
    let head = request(server.address).replace("GET", "POST");
    let head = head.replace(
        "\r\n\r\n",
        &format!("\r\nContent-Length: {IN_FLIGHT}\r\n\r\n"),
    );
    for _ in 0..TIMES {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.expect("the server reads on");
        let answer = String::from_utf8(read_to_end(&mut client).await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert_eq!(body, "the method is \"POST\", not GET\n");
    }
}

#[tokio::test]
async fn a_client_whose_head_is_too_long_reads_the_whole_answer() {
    let (server, _) = start_echo(Config::new(), false).await;
    let head = [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; IN_FLIGHT][..]].concat();
    for _ in 0..TIMES {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(&head).await.expect("the server reads on");
        let answer = String::from_utf8(read_to_end(&mut client).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(
            answer.ends_with("the head exceeds 16384 bytes\n"),
            "{answer}"
        );
    }
}

// ---- serve and connect -----------------------------------------------------------------------

#[tokio::test]
async fn messages_of_every_kind_and_size_come_back() {
    for framed in [false, true] {
        let (server, mut ends) = start_echo(Config::new(), framed).await;
        let mut ws = server.client().await;
        let big: Vec<u8> = (0..1 << 20).map(|i: u32| (i % 251) as u8).collect();
        let messages = [
            Message::from("Hello, κόσμε 🌍"),
            Message::from(""),
            Message::from(vec![0, 1, 0xfe, 0xff]),
            Message::from(Vec::new()),
            Message::from("€".repeat((1 << 20) / 3)),
            Message::from(big),
        ];
        for message in messages {
            ws.send(message.clone()).await.unwrap();
            assert!(ws.recv().await.unwrap() == Some(message));
        }
        ws.close(CloseCode::NORMAL, "done").await.unwrap();
        let closed = ws.closed().unwrap();
        assert!(closed.is_clean() && !closed.received_first);
        assert_eq!(closed.reason(), "done");
        ends.recv().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn fifty_clients_are_served_at_once() {
    let (server, mut ends) = start_echo(Config::new(), false).await;
    let barrier = Arc::new(tokio::sync::Barrier::new(50));
    let mut clients = JoinSet::new();
    for number in 0..50 {
        let (uri, barrier) = (server.uri(), Arc::clone(&barrier));
        clients.spawn(async move {
            let mut ws = wsimd::connect(&uri).await.unwrap();
            // None goes on before all are connected.
            barrier.wait().await;
            for i in 0..10 {
                let message = Message::from(format!("{i} of {number}"));
                ws.send(message.clone()).await.unwrap();
                assert_eq!(ws.recv().await.unwrap(), Some(message));
            }
            ws.close(CloseCode::NORMAL, "").await.unwrap();
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for _ in 0..50 {
        ends.recv().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn both_ends_know_each_others_address() {
    let server = Running::start(ServerBuilder::new(), async |mut ws: WebSocket<Stream>| {
        assert!(ws.get_ref().with_tcp(TcpStream::nodelay).unwrap().unwrap());
        let (local, peer) = (ws.get_ref().local_addr(), ws.get_ref().peer_addr());
        ws.send(format!("{} {}", local.unwrap(), peer.unwrap()))
            .await?;
        ws.close(CloseCode::NORMAL, "").await
    })
    .await;
    let mut ws = server.client().await;
    assert_eq!(ws.get_ref().peer_addr().unwrap(), server.address);
    assert!(ws.get_ref().with_tcp(TcpStream::nodelay).unwrap().unwrap());
    let local = ws.get_ref().local_addr().unwrap();
    let said = ws.recv().await.unwrap().unwrap();
    assert_eq!(
        said.as_text(),
        Some(&*format!("{} {local}", server.address))
    );
    assert_eq!(ws.recv().await.unwrap(), None);
}

#[tokio::test]
async fn a_handler_is_given_the_request() {
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let task = tokio::spawn(server.serve_with_request(async |mut ws, request| {
        ws.send(request.uri().to_string()).await?;
        ws.close(CloseCode::NORMAL, "").await
    }));
    let mut ws = wsimd::connect(&format!("ws://{address}/a?b"))
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("/a?b".into()));
    assert_eq!(ws.recv().await.unwrap(), None);
    task.abort();
}

#[tokio::test]
async fn a_client_beyond_the_limit_waits_until_another_has_ended() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = {
        let (log, most) = (Arc::clone(&log), Arc::clone(&most));
        let builder = ServerBuilder::new().max_connections(1);
        Running::start(builder, move |mut ws| {
            let (log, now, most) = (Arc::clone(&log), Arc::clone(&now), Arc::clone(&most));
            async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                while let Ok(Some(message)) = ws.recv().await {
                    log.lock()
                        .unwrap()
                        .push(message.as_text().unwrap().to_owned());
                    ws.send(message).await.unwrap();
                }
                now.fetch_sub(1, Ordering::SeqCst);
            }
        })
        .await
    };
    let mut first = server.client().await;
    let uri = server.uri();
    let second = tokio::spawn(async move {
        let mut ws = wsimd::connect(&uri).await.unwrap();
        ws.send("second").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("second".into()));
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });
    for _ in 0..100 {
        // Each round trip lets the second one run as far as it can.
        first.send("first").await.unwrap();
        assert_eq!(first.recv().await.unwrap(), Some("first".into()));
    }
    assert!(!second.is_finished());
    first.close(CloseCode::NORMAL, "").await.unwrap();
    second.await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 1);
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 101);
    assert_eq!(log.last().unwrap(), "second");
}

#[tokio::test]
async fn a_client_that_fails_to_open_makes_room_for_the_next() {
    let builder = ServerBuilder::new().max_connections(1);
    let server = Running::start(builder, echo).await;
    for bytes in [&b"nonsense\r\n\r\n"[..], b"", b"GET / HTTP/1.1\r\n"] {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        read_to_end(&mut client).await;
    }
    let mut ws = server.client().await;
    ws.send("still there").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("still there".into()));
}

#[tokio::test]
async fn a_handler_that_panics_does_not_stop_the_server() {
    let builder = ServerBuilder::new().max_connections(1);
    let server = Running::start(builder, async |mut ws: WebSocket<Stream>| {
        while let Some(message) = ws.recv().await? {
            assert_ne!(message, "panic".into(), "as the test asks for");
            ws.send(message).await?;
        }
        Ok::<_, Error>(())
    })
    .await;
    for _ in 0..3 {
        let mut ws = server.client().await;
        ws.send("panic").await.unwrap();
        // Nobody has closed: that is told from a clean end.
        let error = ws.recv().await.unwrap_err();
        assert!(
            matches!(&error, Error::Closed(_) | Error::Io(_)),
            "{error:?}"
        );
        assert_eq!(ws.closed().unwrap().code(), CloseCode::ABNORMAL);
    }
    let mut ws = server.client().await;
    ws.send("fine").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("fine".into()));
}

#[tokio::test]
async fn handlers_go_on_when_serving_stops() {
    let (mut server, _) = start_echo(Config::new(), false).await;
    let mut ws = server.client().await;
    ws.send("before").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("before".into()));
    server.task.abort();
    assert!((&mut server.task).await.unwrap_err().is_cancelled());
    ws.send("after").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("after".into()));
}

#[tokio::test]
async fn a_foreign_origin_is_refused_unless_any_is_accepted() {
    let page_of = |origin: &str| {
        let offer = Offer::new().origin(origin).unwrap();
        ClientBuilder::new().offer(offer)
    };
    let foreign = page_of("http://evil.example");
    let default = Running::start(ServerBuilder::new(), echo).await;
    let error = foreign.connect(&default.uri()).await.unwrap_err();
    let Error::Handshake(error) = error else {
        panic!("{error:?}");
    };
    let HandshakeError::Refused(response) = *error else {
        panic!("{error:?}");
    };
    assert_eq!(response.status(), 403);
    let body = str::from_utf8(response.body()).unwrap();
    assert!(body.contains("http://evil.example"), "{body}");

    let own = page_of(&format!("http://{}", default.address));
    let any = Running::start(
        ServerBuilder::new().policy(Policy::new().origins(Origins::any())),
        echo,
    )
    .await;
    for (client, server) in [(own, &default), (foreign, &any)] {
        let mut ws = client.connect(&server.uri()).await.unwrap();
        ws.send("Hello").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
    }
}

#[tokio::test]
async fn what_cannot_be_connected_to_or_listened_on_is_an_io_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = wsimd::serve(address, echo).await.unwrap_err();
    assert!(
        matches!(&error, Error::Io(io) if io.kind() == io::ErrorKind::AddrInUse),
        "{error:?}"
    );
    // Bound, so that nobody else gets the port, and not listening.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = deaf.local_addr().unwrap();
    let error = wsimd::connect(&format!("ws://{address}/"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
}

#[tokio::test]
async fn a_peer_that_vanishes_is_1006() {
    // Without a Close frame, by an end and by a reset.
    let (server, mut ends) = start_echo(Config::new(), false).await;
    let client = server.raw().await;
    drop(client);
    let end = ends.recv().await.unwrap().unwrap_err();
    assert!(
        matches!(&end, Error::Closed(closed) if closed.received.is_none()),
        "{end:?}"
    );
    assert_eq!(end.close_code(), Some(CloseCode::ABNORMAL));

    let mut client = server.raw().await;
    client
        .write_all(&frame(Role::Client, FIN | TEXT, b"x"))
        .await
        .unwrap();
    let mut answer = [0; 1];
    client.read_exact(&mut answer).await.unwrap();
    // The rest of the answer is unread: a reset.
    drop(client);
    let end = ends.recv().await.unwrap().unwrap_err();
    assert!(matches!(&end, Error::Io(_) | Error::Closed(_)), "{end:?}");
}

#[tokio::test]
#[cfg_attr(
    not(target_os = "linux"),
    ignore = "elsewhere a reset throws away what had arrived before it"
)]
async fn the_close_frame_of_a_client_that_has_gone_counts_more_than_a_broken_pipe() {
    let (wrote, written) = tokio::sync::oneshot::channel::<()>();
    let (report, mut ends) = unbounded_channel();
    let written = Mutex::new(Some(written));
    let server = Running::start(ServerBuilder::new(), move |mut ws| {
        let written = written.lock().unwrap().take();
        let report = report.clone();
        async move {
            written.unwrap().await.unwrap();
            // The client has said Close and is gone: sooner or later writing fails.
            let error = loop {
                if let Err(error) = ws.send(vec![0; 1 << 16]).await {
                    break error;
                }
            };
            report.send((error, ws.closed())).unwrap();
        }
    })
    .await;
    let mut client = server.raw().await;
    client
        .write_all(&close(Role::Client, 4000, "gone"))
        .await
        .unwrap();
    drop(client);
    wrote.send(()).unwrap();
    let (error, closed) = ends.recv().await.unwrap();
    let Error::Closed(end) = error else {
        panic!("{error:?}");
    };
    assert_eq!(u16::from(end.code()), 4000);
    assert_eq!(end.reason(), "gone");
    assert!(closed.is_some());
}

#[tokio::test]
async fn a_client_sees_the_close_frame_of_a_server_that_shuts_down() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let client = ClientBuilder::new().config(Config::new().masking_keys(key));
    let near = async {
        let mut ws = client.connect(&uri).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
        assert!(ws.closed().unwrap().received_first);
    };
    let far = async {
        let mut stream = raw_server(&listener).await;
        stream
            .write_all(&frame(Role::Server, FIN | CLOSE, b""))
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(
            read_to_end(&mut stream).await,
            frame(Role::Client, FIN | CLOSE, b"")
        );
    };
    tokio::join!(near, far);
}
