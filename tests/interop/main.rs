//! nginx and HAProxy in front of a server, with the configurations of the deployment guide, and with TLS. tinyproxy and
//! microsocks between a client and a server.
//!
//! `make interop` finds or unpacks the proxies and runs these tests. All addresses are those of the loopback device.

#![cfg(unix)]

mod activation;
#[path = "../peers/certificates.rs"]
mod certificates;
mod client_proxy;
mod dart;
mod proxy;
mod termination;

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, timeout},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Message, Opening, ServerBuilder, WebSocket,
    extension::Deflate, handshake::client::Offer, net::Stream,
};

use proxy::{PROGRAMS, Program, Proxy};

/// The idle timeout of a proxy, and the time of a test that waits for it.
const IDLE: Duration = Duration::from_secs(2);
const LIMIT: Duration = Duration::from_secs(5);

/// Starts an echo server, which closes with 1001 after the message `close`. Returns its address, and the close codes
/// and reasons of its connections.
async fn echo_server(config: Config) -> (SocketAddr, UnboundedReceiver<(CloseCode, String)>) {
    let server = ServerBuilder::new().config(config).bind("127.0.0.1:0");
    let server = server.await.unwrap();
    let address = server.local_addr().unwrap();
    let (ends, ended) = unbounded_channel();
    tokio::spawn(server.serve(move |mut ws: WebSocket<Stream>| {
        let ends = ends.clone();
        async move {
            let result = echo(&mut ws).await;
            let closed = ws.closed().expect("the connection has ended");
            ends.send((closed.code(), closed.reason().to_owned()))
                .expect("the test runs");
            result
        }
    }));
    (address, ended)
}

async fn echo(ws: &mut WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        if message.as_text() == Some("close") {
            return ws.close(CloseCode::GOING_AWAY, "restart").await;
        }
        ws.send(message).await?;
    }
    Ok(())
}

/// Connects with an `Origin`, as a browser does.
async fn connect_as_page(proxy: &Proxy, origin: &str) -> Result<WebSocket<Stream>, Error> {
    let offer = Offer::new().origin(origin)?;
    ClientBuilder::new()
        .offer(offer)
        .connect(&proxy.uri())
        .await
}

/// Asserts that the response has this status, and that the error shows it.
fn assert_refused<S>(result: Result<WebSocket<S>, Error>, status: u16) -> String {
    let error = result.err().expect("the request is refused");
    let response = error.response().expect("a response");
    assert_eq!(response.status(), status, "{error}");
    let error = error.to_string();
    assert!(error.contains(&status.to_string()), "{error}");
    error
}

async fn check_echo<S>(ws: &mut WebSocket<S>, message: impl Into<Message>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let message = message.into();
    ws.send(message.clone()).await.unwrap();
    let echo = ws.recv().await.unwrap();
    assert!(echo.as_ref() == Some(&message), "{} bytes", message.len());
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn messages_and_close_codes_pass() {
    let config = Config::new()
        .max_message_size(16 << 20)
        .extension(Deflate::new().threshold(0));
    for program in PROGRAMS {
        let (server, mut ended) = echo_server(config.clone()).await;
        let proxy = program.guide().start(server).await;
        let connect = async || {
            let io = TcpStream::connect(proxy.address).await.unwrap();
            let client = ClientBuilder::new().config(config.clone());
            let (ws, response) = client.handshake(&proxy.uri(), io).await.unwrap();
            let extensions = &response.headers()["sec-websocket-extensions"];
            assert!(extensions.as_bytes().starts_with(b"permessage-deflate"));
            ws
        };
        let mut ws = connect().await;
        for text in ["", "Hello", "Γειά σου, κόσμε 🌍"] {
            check_echo(&mut ws, text).await;
        }
        for len in [0, 125, 65_536, 16 << 20] {
            let bytes: Vec<u8> = (0..=255).cycle().take(len).collect();
            check_echo(&mut ws, bytes).await;
        }
        check_echo(&mut ws, r#"{"price":17.25,"id":[1,2]} "#.repeat(100_000)).await;
        ws.close(CloseCode::from(4000), "done ✓").await.unwrap();
        let end = ended.recv().await.unwrap();
        assert_eq!(end, (CloseCode::from(4000), "done ✓".to_owned()));

        let mut ws = connect().await;
        ws.send("close").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None, "{program:?}");
        let closed = ws.closed().unwrap();
        assert_eq!(closed.code(), CloseCode::GOING_AWAY);
        assert_eq!(closed.reason(), "restart");
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn keepalive_outlives_the_idle_timeout() {
    let check = async |program: Program| {
        let config = Config::new().ping_interval(Duration::from_millis(500));
        let (server, _ended) = echo_server(config).await;
        let setup = program.guide().replace("60s", "2s");
        let proxy = setup.start(server).await;
        let client = ClientBuilder::new().config(Config::new().ping_interval(None));
        let mut ws = client.connect(&proxy.uri()).await.unwrap();
        let early = timeout(LIMIT, ws.recv()).await;
        assert!(early.is_err(), "{program:?}: {early:?}");
        ws.send("still here").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("still here".into()));
    };
    tokio::join!(check(Program::Nginx), check(Program::Haproxy));
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_idle_timeout_ends_a_connection_without_keepalive() {
    let check = async |program: Program| {
        let silent = Config::new().ping_interval(None);
        let (server, mut ended) = echo_server(silent.clone()).await;
        let setup = program.guide().replace("60s", "2s");
        let proxy = setup.start(server).await;
        let client = ClientBuilder::new().config(silent);
        let start = Instant::now();
        let mut ws = client.connect(&proxy.uri()).await.unwrap();
        let end = timeout(LIMIT, ws.recv()).await.expect("in time");
        assert!(start.elapsed() >= IDLE, "{program:?}: {end:?}");
        assert!(matches!(end, Err(Error::Closed(_))), "{program:?}: {end:?}");
        assert_eq!(ws.closed().unwrap().code(), CloseCode::ABNORMAL);
        let (code, _) = timeout(LIMIT, ended.recv()).await.unwrap().unwrap();
        assert_eq!(code, CloseCode::ABNORMAL);
    };
    tokio::join!(check(Program::Nginx), check(Program::Haproxy));
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn only_pages_of_the_host_of_the_proxy_are_accepted() {
    for program in PROGRAMS {
        let (server, _ended) = echo_server(Config::new()).await;
        let proxy = program.guide().start(server).await;
        let page = format!("http://{}", proxy.address);
        connect_as_page(&proxy, &page).await.unwrap();
        for other in [&format!("http://{server}"), "http://example.com", "null"] {
            let error = assert_refused(connect_as_page(&proxy, other).await, 403);
            // From the body of the response.
            assert!(error.contains(other), "{program:?}: {error}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn nginx_without_the_host_of_the_browser_gets_403() {
    let line = "proxy_set_header Host $http_host;";
    for host in ["", "proxy_set_header Host $host;"] {
        let (server, _ended) = echo_server(Config::new()).await;
        let setup = Program::Nginx.guide().replace(line, host);
        let proxy = setup.start(server).await;
        let page = format!("http://{}", proxy.address);
        assert_refused(connect_as_page(&proxy, &page).await, 403);
        wsimd::connect(&proxy.uri()).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn nginx_without_the_lines_of_the_upgrade_gets_426_or_505() {
    let upgrade = "proxy_set_header Upgrade $http_upgrade;";
    let connection = "proxy_set_header Connection $connection_upgrade;";
    let version = "proxy_http_version 1.1;";
    let lines = [
        (&[upgrade, connection][..], 426),
        (&[upgrade], 426),
        (&[connection], 426),
        (&[version], 505),
        (&[upgrade, connection, version], 505),
    ];
    for (lines, status) in lines {
        let (server, _ended) = echo_server(Config::new()).await;
        let guide = Program::Nginx.guide();
        let setup = lines
            .iter()
            .fold(guide, |setup, line| setup.replace(line, ""));
        let proxy = setup.start(server).await;
        assert_refused(wsimd::connect(&proxy.uri()).await, status);
    }
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn a_server_that_is_gone_is_reported() {
    for program in PROGRAMS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        drop(listener);
        let proxy = program.guide().start(server).await;
        let (status, shown) = match program {
            Program::Nginx => (502, "502 Bad Gateway"),
            Program::Haproxy => (503, "503 Service Unavailable"),
        };
        let result = wsimd::connect(&proxy.uri()).await;
        assert!(result.as_ref().is_err_and(Error::is_retryable));
        let error = assert_refused(result, status);
        assert!(error.contains(shown), "{error}");
    }
}

/// Sends the values of `X-Forwarded-For` to the client.
async fn answer_with_address(opening: Opening<Stream>) -> Result<(), Error> {
    let values = opening.headers().get_all("x-forwarded-for").iter();
    let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    let answer = values.join(" and ");
    opening.upgrade().await?.send(answer).await
}

#[tokio::test]
#[ignore = "needs the proxies: run `make interop`"]
async fn the_server_gets_the_address_of_the_client() {
    for program in PROGRAMS {
        let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
        let proxy = program.guide().start(server.local_addr().unwrap()).await;
        tokio::spawn(server.serve_openings(answer_with_address));
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let io = socket.connect(proxy.address).await.unwrap();
        let forged = Offer::new()
            .header("X-Forwarded-For", "203.0.113.7")
            .unwrap();
        let client = ClientBuilder::new().offer(forged);
        let (mut ws, _) = client.handshake(&proxy.uri(), io).await.unwrap();
        let answer = ws.recv().await.unwrap();
        assert_eq!(answer, Some("127.0.0.9".into()), "{program:?}");
    }
}
