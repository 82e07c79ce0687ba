//! `serve` and `connect`: messages, limits on connections, origins, and peers that vanish.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::unbounded_channel,
    task::JoinSet,
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Fault, Message, Offer, Origins, Policy, Role,
    ServerBuilder, WebSocket, net::Stream,
};

use super::{echo, raw, raw_server, read_to_end, start_echo};
use crate::support::{
    frames::{CLOSE, FIN, TEXT, close, frame, key},
    serve::Running,
};

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
            // All clients wait until the last one is connected.
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
    let server = Running::start_with(ServerBuilder::new(), async |mut ws: WebSocket<Stream>| {
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
    let task = tokio::spawn(server.serve_openings(async |opening| {
        let uri = opening.request().uri().to_string();
        opening.upgrade().await?.send(uri).await
    }));
    let mut ws = wsimd::connect(&format!("ws://{address}/a?b"))
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("/a?b".into()));
    assert_eq!(ws.recv().await.unwrap(), None);
    task.abort();
}

#[tokio::test]
async fn a_client_beyond_the_limit_gets_503_until_another_has_ended() {
    let server = Running::start_with(ServerBuilder::new().max_connections(1), echo).await;
    let mut first = server.client().await;
    let error = wsimd::connect(&server.uri()).await.unwrap_err();
    assert_eq!(error.response().unwrap().status(), 503);
    assert!(error.is_retryable(), "{error}");
    first.close(CloseCode::NORMAL, "").await.unwrap();
    for _ in 0..20 {
        // A client that has closed makes room at once.
        let mut ws = server.client().await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    }
}

#[tokio::test]
async fn a_client_that_fails_to_open_makes_room_for_the_next() {
    let builder = ServerBuilder::new().max_connections(1);
    let server = Running::start_with(builder, echo).await;
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
    let server = Running::start_with(builder, async |mut ws: WebSocket<Stream>| {
        while let Some(message) = ws.recv().await? {
            assert_ne!(message, "panic", "as the test asks for");
            ws.send(message).await?;
        }
        Ok::<_, Error>(())
    })
    .await;
    for _ in 0..3 {
        let mut ws = server.client().await;
        ws.send("panic").await.unwrap();
        let error = ws.recv().await.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::INTERNAL_ERROR));
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
    let default = Running::start_with(ServerBuilder::new(), echo).await;
    let error = foreign.connect(&default.uri()).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 403);
    // The text of the error has the explanation of the server.
    let text = error.to_string();
    assert!(text.contains("http://evil.example"), "{text}");

    let own = page_of(&format!("http://{}", default.address));
    let any = Running::start_with(
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
async fn an_address_that_cannot_be_used_is_in_the_error() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = wsimd::serve(address, echo).await.unwrap_err();
    let kind = error.io_error().map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::AddrInUse));
    assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));
    let Error::Listen(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.address, address.to_string());
    // The socket is bound, so that the port stays free, and does not listen.
    let deaf = TcpSocket::new_v4().unwrap();
    deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = deaf.local_addr().unwrap();
    let error = wsimd::connect(&format!("ws://{address}/"))
        .await
        .unwrap_err();
    let kind = error.io_error().map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::ConnectionRefused));
    assert_eq!(
        (error.fault(), error.is_retryable()),
        (Fault::Transport, true)
    );
    let Error::Connect(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.address, address.to_string());
}

#[tokio::test]
async fn a_peer_that_vanishes_is_1006() {
    // Without a Close frame, by an end and by a reset.
    let (server, mut ends) = start_echo(Config::new(), false).await;
    let client = raw(&server).await;
    drop(client);
    let end = ends.recv().await.unwrap().unwrap_err();
    assert!(
        matches!(&end, Error::Closed(closed) if closed.received.is_none()),
        "{end:?}"
    );
    assert_eq!(end.close_code(), Some(CloseCode::ABNORMAL));

    let mut client = raw(&server).await;
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
    let server = Running::start_with(ServerBuilder::new(), move |mut ws| {
        let written = written.lock().unwrap().take();
        let report = report.clone();
        async move {
            written.unwrap().await.unwrap();
            // The client has sent Close and is gone. Writing fails sooner or later.
            let error = loop {
                if let Err(error) = ws.send(vec![0; 1 << 16]).await {
                    break error;
                }
            };
            report.send((error, ws.closed())).unwrap();
        }
    })
    .await;
    let mut client = raw(&server).await;
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

#[tokio::test]
async fn the_debug_text_of_a_stream_has_its_addresses() {
    let server = Running::start(Config::new(), async |mut ws| ws.recv().await).await;
    let ws = server.client().await;
    let local = ws.get_ref().local_addr().unwrap();
    let expected = format!(
        "Stream {{ local_addr: {local}, peer_addr: {}, is_busy: false }}",
        server.address
    );
    assert_eq!(format!("{:?}", ws.get_ref()), expected);
}
