//! The end of connections over TLS, and the records of bursts.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, ServerBuilder, Timeout, WebSocket,
    net::Stream,
    tls::{self, rustls::ServerConfig},
};

use super::certificates::Authority;
use crate::support::serve::Running;

/// The time for a test.
const LIMIT: Duration = Duration::from_secs(30);

/// Starts a server whose handler passes each connection to the test.
async fn serve(config: ServerConfig) -> (Running, mpsc::UnboundedReceiver<WebSocket<Stream>>) {
    let (sender, connections) = mpsc::unbounded_channel();
    let handler = move |ws| {
        let sender = sender.clone();
        async move { sender.send(ws) }
    };
    let server = Running::start_with(ServerBuilder::new().tls(config), handler).await;
    (server, connections)
}

/// Connects with the TLS of another library's user, over a stream that the test can break.
async fn raw_client(authority: &Authority, server: &Running) -> WebSocket<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(server.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(authority.client()));
    let name = "localhost".try_into().unwrap();
    let tls = connector.connect(name, tcp).await.unwrap();
    let opened = ClientBuilder::new()
        .handshake("wss://localhost/", tls)
        .await;
    opened.unwrap().0
}

fn assert_is_1006(end: Result<Option<wsimd::Message>, Error>) {
    match end {
        Err(Error::Closed(closed)) => assert_eq!(closed.code(), CloseCode::ABNORMAL),
        end => panic!("{end:?}"),
    }
}

#[tokio::test]
async fn the_end_of_the_stream_without_close_notify_is_1006_for_a_server() {
    let authority = Authority::new("tests");
    let (server, mut connections) = serve(authority.server()).await;
    let client = raw_client(&authority, &server).await;
    let mut ws = connections.recv().await.unwrap();
    let (tcp, _) = client.into_parts().io.into_inner();
    drop(tcp);
    assert_is_1006(timeout(LIMIT, ws.recv()).await.unwrap());
}

#[tokio::test]
async fn the_end_of_the_stream_without_close_notify_is_1006_for_a_client() {
    let authority = Authority::new("tests");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let tls = acceptor.accept(tcp).await.unwrap();
        let mut ws = ServerBuilder::new().accept(tls).await.unwrap();
        ws.send("the last words").await.unwrap();
        let (mut tcp, _) = ws.into_parts().io.into_inner();
        tcp.shutdown().await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let client = ClientBuilder::new().tls(authority.client());
    let mut ws = client.connect(uri).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "the last words");
    assert_is_1006(timeout(LIMIT, ws.recv()).await.unwrap());
    drop(ws);
    server.await.unwrap();
}

#[tokio::test]
async fn the_end_of_the_stream_before_the_response_is_named() {
    let authority = Authority::new("tests");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("wss://localhost:{}/", listener.local_addr().unwrap().port());
    let acceptor = TlsAcceptor::from(Arc::new(authority.server()));
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = acceptor.accept(tcp).await.unwrap();
        let mut request = [0; 1024];
        let read = tls.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET / HTTP/1.1\r\n"));
        let (mut tcp, _) = tls.into_inner();
        tcp.shutdown().await.unwrap();
        let _ = tcp.read_to_end(&mut Vec::new()).await;
    });
    let client = ClientBuilder::new().tls(authority.client());
    let error = client.connect(uri).await.unwrap_err();
    assert!(matches!(error, Error::ClosedInHandshake(_)), "{error:?}");
}

#[tokio::test]
async fn close_notify_follows_the_close_frames() {
    let authority = Authority::new("tests");
    let (server, mut connections) = serve(authority.server()).await;
    let mut client = raw_client(&authority, &server).await;
    let mut ws = connections.recv().await.unwrap();
    let closed = tokio::spawn(async move { ws.close(CloseCode::NORMAL, "done").await });
    assert!(client.recv().await.unwrap().is_none());
    closed.await.unwrap().unwrap();
    // Without `close_notify`, rustls returns an error at the end of the stream.
    let mut tls = client.into_parts().io;
    assert_eq!(tls.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_violation_is_told_over_tls() {
    let authority = Authority::new("tests");
    let (server, mut connections) = serve(authority.server()).await;
    let client = raw_client(&authority, &server).await;
    let mut ws = connections.recv().await.unwrap();
    let mut tls = client.into_parts().io;
    // A text without a mask.
    tls.write_all(&[0x81, 0]).await.unwrap();
    tls.flush().await.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::PROTOCOL_ERROR));
    let mut frame = [0; 4];
    tls.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[0], 0x88);
    assert_eq!(frame[2..], 1002_u16.to_be_bytes());
}

#[tokio::test]
async fn a_server_that_shuts_down_closes_its_connections_over_tls() {
    let authority = Authority::new("tests");
    let server = ServerBuilder::new()
        .tls(authority.server())
        .bind("127.0.0.1:0")
        .await
        .unwrap();
    let uri = format!("wss://localhost:{}/", server.local_addr().unwrap().port());
    let handle = server.handle();
    let served = tokio::spawn(async {
        server
            .serve(async |mut ws| {
                while let Some(message) = ws.recv().await? {
                    ws.send(message).await?;
                }
                Ok(())
            })
            .await;
    });
    let client = ClientBuilder::new().tls(authority.client());
    let mut ws = client.connect(uri).await.unwrap();
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap(), "hello");
    tokio::spawn(async move { handle.shutdown(CloseCode::GOING_AWAY, "", LIMIT).await });
    assert!(timeout(LIMIT, ws.recv()).await.unwrap().unwrap().is_none());
    assert_eq!(ws.closed().unwrap().code(), CloseCode::GOING_AWAY);
    timeout(LIMIT, served).await.unwrap().unwrap();
}

/// Counts the records of application data in bytes of TLS.
fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [kind, _, _, high, low, rest @ ..] = bytes {
        count += usize::from(*kind == 23);
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    assert!(bytes.is_empty(), "a record is incomplete");
    count
}

#[tokio::test]
async fn a_burst_of_a_handler_is_one_record() {
    const MESSAGES: usize = 16;

    let authority = Authority::new("tests");
    let handler = |mut ws: WebSocket<Stream>| async move {
        while ws.recv().await?.is_some() {
            for _ in 0..MESSAGES {
                ws.send("tick").await?;
            }
        }
        Ok::<_, Error>(())
    };
    let builder = ServerBuilder::new().tls(authority.server());
    let server = Running::start_with(builder, handler).await;
    // Between client and server, a task that keeps the bytes of the server.
    let (near, far) = tokio::io::duplex(1 << 16);
    let (kept, mut seen) = mpsc::unbounded_channel();
    let tcp = TcpStream::connect(server.address).await.unwrap();
    tokio::spawn(async move {
        let (mut from_server, mut to_server) = tcp.into_split();
        let (mut from_client, mut to_client) = tokio::io::split(far);
        tokio::spawn(async move { copy(&mut from_client, &mut to_server).await });
        let mut bytes = vec![0; 1 << 16];
        while let Ok(read @ 1..) = from_server.read(&mut bytes).await {
            let _ = kept.send(bytes[..read].to_vec());
            to_client.write_all(&bytes[..read]).await.unwrap();
        }
    });
    let client = ClientBuilder::new().tls(authority.client());
    let opened = client
        .connect_over("wss://localhost/", Stream::new(near))
        .await;
    let (mut ws, _) = opened.unwrap();
    while seen.try_recv().is_ok() {}
    ws.send("go").await.unwrap();
    for _ in 0..MESSAGES {
        assert_eq!(ws.recv().await.unwrap().unwrap(), "tick");
    }
    let mut bytes = Vec::new();
    while let Ok(more) = seen.try_recv() {
        bytes.extend(more);
    }
    assert_eq!(records(&bytes), 1);
}

/// Connects a client and a server over TLS in memory, with the same configuration.
async fn pair(config: &Config) -> (WebSocket<Stream>, WebSocket<Stream>) {
    let authority = Authority::new("tests");
    let (near, far) = tokio::io::duplex(1 << 14);
    let server_config = Arc::new(authority.server());
    let builder = ServerBuilder::new().config(config.clone());
    let accepted = tokio::spawn(async move {
        let stream = tls::accept(Stream::new(far), server_config).await.unwrap();
        builder.accept(stream).await.unwrap()
    });
    let client = ClientBuilder::new()
        .config(config.clone())
        .tls(authority.client());
    let opened = client
        .connect_over("wss://localhost/", Stream::new(near))
        .await;
    (opened.unwrap().0, accepted.await.unwrap())
}

#[tokio::test]
async fn both_sides_may_send_large_messages_at_once() {
    const LEN: usize = 16 << 20;

    let (mut client, mut server) = pair(&Config::new().max_message_size(LEN)).await;
    let exchange = async |ws: &mut WebSocket<Stream>| {
        ws.send(vec![1; LEN]).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().into_bytes().len(), LEN);
    };
    let both = async { tokio::join!(exchange(&mut client), exchange(&mut server)) };
    timeout(LIMIT, both).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_given_up_over_tls() {
    let (client, mut server) = pair(&Config::new()).await;
    let start = Instant::now();
    let error = loop {
        if let Err(error) = server.send(vec![0; 1 << 16]).await {
            break error;
        }
    };
    let is_blocked = matches!(
        error,
        Error::Timeout(Timeout::Ping {
            is_blocked: true,
            ..
        })
    );
    assert!(is_blocked, "{error:?}");
    assert!(
        start.elapsed() <= Duration::from_secs(41),
        "{:?}",
        start.elapsed()
    );
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_close_over_tls_ends_at_its_deadline_if_the_peer_reads_nothing() {
    let (client, mut server) = pair(&Config::new()).await;
    while timeout(Duration::from_secs(1), server.send(vec![0; 1 << 16]))
        .await
        .is_ok()
    {}
    let start = Instant::now();
    let error = server.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Close { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed(), Duration::from_secs(10));
    drop(client);
}
