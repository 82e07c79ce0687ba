//! Limits of a server: connections, addresses, handshakes, lifetimes and descriptors.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{Instant, sleep},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Opening, ServerBuilder, WebSocket,
    http::Response,
    net::{Listener, Stream},
};

use crate::support::{
    served::{Served, answer, get, upgrade},
    soon,
};

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn check_echo(ws: &mut WebSocket<Stream>) {
    ws.send("Hello").await.unwrap();
    assert_eq!(soon(ws.recv()).await.unwrap(), Some("Hello".into()));
}

#[tokio::test]
async fn a_connection_in_another_task_keeps_its_place() {
    let builder = ServerBuilder::new().max_connections(1);
    let mut server = Served::start(builder, async |ws| {
        tokio::spawn(echo(ws));
        Ok(())
    })
    .await;
    let mut first = server.client().await;
    check_echo(&mut first).await;
    let error = soon(wsimd::connect(&server.uri("/"))).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 503);
    assert!(error.is_retryable());
    let (error, _) = server.error().await;
    assert!(error.contains("too many connections"), "{error}");
    check_echo(&mut first).await;
    soon(first.close(CloseCode::NORMAL, "")).await.unwrap();
    let mut second = server.client().await;
    check_echo(&mut second).await;
}

/// Connects from an address of the loopback device.
async fn from(server: &Served, address: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("{address}:0").parse().unwrap())
        .unwrap();
    socket.connect(server.address).await.unwrap()
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "elsewhere 127.0.0.2 is no address")]
async fn an_address_has_a_limit_of_its_own() {
    let builder = ServerBuilder::new().max_connections_per_address(2);
    let mut server = Served::start(builder, echo).await;
    let uri = server.uri("/");
    let connect = async |address| {
        let tcp = from(&server, address).await;
        let opened = soon(ClientBuilder::new().handshake(&uri, Stream::from(tcp))).await;
        opened.map(|(ws, _)| ws)
    };
    let mut first = connect("127.0.0.1").await.unwrap();
    let _second = connect("127.0.0.1").await.unwrap();
    let error = connect("127.0.0.1").await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 503);
    let mut other = connect("127.0.0.2").await.unwrap();
    check_echo(&mut other).await;
    soon(first.close(CloseCode::NORMAL, "")).await.unwrap();
    let mut again = connect("127.0.0.1").await.unwrap();
    check_echo(&mut again).await;
    let (error, peer) = server.error().await;
    assert!(error.contains("from this address"), "{error}");
    assert_eq!(peer.unwrap().ip().to_string(), "127.0.0.1");
}

#[tokio::test]
async fn silent_clients_do_not_keep_others_out() {
    let builder = ServerBuilder::new().max_handshakes(8).max_connections(1);
    let mut server = Served::start(builder, echo).await;
    let (mut silent, mut addresses) = (Vec::new(), Vec::new());
    for number in 0..8 {
        let mut tcp = server.tcp().await;
        addresses.push(tcp.local_addr().unwrap());
        if number % 2 == 1 {
            tcp.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
        }
        silent.push(tcp);
        server.has(number + 1, 0).await;
    }
    // Each new handshake displaces the oldest one.
    for number in 0..4 {
        silent.push(server.tcp().await);
        let answer = answer(&mut silent[number]).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
        assert_eq!(server.handle.handshake_count(), 8);
    }
    let mut ws = server.client().await;
    check_echo(&mut ws).await;
    let (error, peer) = server.error().await;
    assert!(error.contains("too many clients"), "{error}");
    assert_eq!(peer, Some(addresses[0]));
}

#[tokio::test]
async fn a_flood_of_silent_clients_does_not_keep_others_out() {
    let builder = ServerBuilder::new().max_handshakes(16);
    let server = Served::start(builder, echo).await;
    let mut ws = server.client().await;
    let mut silent = Vec::new();
    for round in 0..20 {
        for _ in 0..20 {
            let mut tcp = server.tcp().await;
            if round % 2 == 0 {
                tcp.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
            }
            silent.push(tcp);
        }
        check_echo(&mut ws).await;
        check_echo(&mut server.client().await).await;
        assert!(server.handle.handshake_count() <= 16);
    }
}

#[tokio::test]
async fn a_client_that_sends_its_head_byte_by_byte_is_ended_at_the_open_timeout() {
    let config = Config::new().open_timeout(Duration::from_millis(200));
    let mut server = Served::start(ServerBuilder::new().config(config), echo).await;
    let mut tcp = server.tcp().await;
    let (mut read, mut write) = tcp.split();
    let start = Instant::now();
    let trickle = async {
        for byte in b"GET / HTTP/1.1\r\nX: ".iter().chain(&[b'x'; 10_000]) {
            // Fails once the server has closed the stream.
            let _ = write.write_all(&[*byte]).await;
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut answer = Vec::new();
    let read_answer = async {
        // A reset may follow the answer, because the client still sends.
        let _ = read.read_to_end(&mut answer).await;
    };
    soon(async {
        tokio::select! {
            () = trickle => panic!("the server reads on"),
            () = read_answer => {}
        }
    })
    .await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(start.elapsed() < Duration::from_secs(30));
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    let (error, _) = server.error().await;
    assert!(error.contains("opening handshake"), "{error}");
    server.has(0, 0).await;
}

#[tokio::test]
async fn a_full_server_answers_plain_requests() {
    let builder = ServerBuilder::new().max_connections(1);
    let server = Served::start_openings(builder, async |opening: Opening<Stream>| {
        match opening.path() {
            "/health" => opening.respond(Response::new("ok\n")).await,
            _ => echo(opening.upgrade().await?).await,
        }
    })
    .await;
    let mut ws = server.client().await;
    for _ in 0..3 {
        let answer = server.http(&get("/health")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let answer = server.http(&upgrade("/", "")).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    check_echo(&mut ws).await;
    server.has(0, 1).await;
}

#[tokio::test]
async fn a_connection_is_closed_at_the_end_of_its_lifetime() {
    let builder = ServerBuilder::new().max_lifetime(Duration::from_millis(100));
    let server = Served::start(builder, echo).await;
    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(server.client().await);
        sleep(Duration::from_millis(10)).await;
    }
    for mut ws in clients {
        assert_eq!(soon(ws.recv()).await.unwrap(), None);
        let closed = ws.closed().unwrap();
        assert!(closed.received_first && closed.is_clean());
        assert_eq!(closed.code(), CloseCode::GOING_AWAY);
        assert!(start.elapsed() >= Duration::from_millis(100));
    }
    server.has(0, 0).await;
}

/// A listener of pipes in memory, which fails a number of times first.
struct Failing {
    errors: u32,
    pipes: UnboundedReceiver<DuplexStream>,
}

impl Listener for Failing {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        if let Some(errors) = self.errors.checked_sub(1) {
            self.errors = errors;
            // EMFILE: too many open files.
            return Poll::Ready(Err(io::Error::from_raw_os_error(24)));
        }
        match ready!(self.pipes.poll_recv(cx)) {
            Some(pipe) => Poll::Ready(Ok(Stream::new(pipe))),
            None => Poll::Pending,
        }
    }
}

fn failing(errors: u32) -> (Failing, UnboundedSender<DuplexStream>) {
    let (connect, pipes) = unbounded_channel();
    (Failing { errors, pipes }, connect)
}

#[tokio::test(start_paused = true)]
async fn a_server_without_descriptors_pauses_and_serves_again() {
    let (listener, connect) = failing(12);
    let (report, mut errors) = unbounded_channel();
    let start = Instant::now();
    let builder = ServerBuilder::new().on_error(move |error, peer| {
        let is_io = matches!(error, Error::Io(io) if io.raw_os_error() == Some(24));
        report.send((is_io, peer, start.elapsed())).unwrap();
    });
    let task = tokio::spawn(builder.listen(listener).serve(echo));
    let (near, far) = tokio::io::duplex(4096);
    connect.send(near).unwrap();
    let (mut ws, _) = ClientBuilder::new()
        .handshake("ws://test", far)
        .await
        .unwrap();
    ws.send("Hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
    let mut last = Duration::ZERO;
    for number in 0..12_u32 {
        let (is_io, peer, at) = errors.recv().await.unwrap();
        assert!(is_io && peer.is_none());
        // The pause doubles from 5 ms up to one second.
        let pause = match number {
            0 => Duration::ZERO,
            _ => (Duration::from_millis(5) * 2_u32.pow(number - 1)).min(Duration::from_secs(1)),
        };
        let waited = at - last;
        assert!(
            waited >= pause && waited < pause + Duration::from_millis(10),
            "{number}: {waited:?}"
        );
        last = at;
    }
    assert!(errors.try_recv().is_err());
    task.abort();
}
