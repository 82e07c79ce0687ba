//! The end of a server, with clients in every state.

use std::time::Duration;

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::{Notify, mpsc::unbounded_channel, oneshot},
    time::{Instant, sleep},
};
use wsimd::{CloseCode, Error, Opening, ServerBuilder, WebSocket, net::Stream};

use crate::support::{
    crowd::check_shutdown,
    served::{Served, answer, upgrade},
    soon,
};

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Checks a connection that the server closes with 1001.
async fn check_end(ws: &mut WebSocket<Stream>) {
    while soon(ws.recv()).await.unwrap().is_some() {}
    let closed = ws.closed().unwrap();
    assert!(closed.received_first, "{closed:?}");
    assert_eq!(closed.code(), CloseCode::GOING_AWAY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_in_every_state_are_gone_by_the_deadline() {
    check_shutdown(200, Duration::from_secs(3)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs 10,000 descriptors and a minute: `make shutdown`"]
async fn five_thousand_clients_in_every_state_are_gone_by_the_deadline() {
    check_shutdown(5_000, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn serving_ends_after_the_last_client() {
    let (stop, stopped) = oneshot::channel::<()>();
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    let task = tokio::spawn(server.serve(echo).with_graceful_shutdown(stopped));
    let mut ws = soon(wsimd::connect(&format!("ws://{address}")))
        .await
        .unwrap();
    stop.send(()).unwrap();
    sleep(Duration::from_millis(20)).await;
    assert!(!task.is_finished());
    check_end(&mut ws).await;
    soon(task).await.unwrap();
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_second_shutdown_waits_too_and_changes_no_frame() {
    let mut server = Served::start(ServerBuilder::new(), echo).await;
    let mut ws = server.client().await;
    let (first, second) = (server.handle.clone(), server.handle.clone());
    let ends = soon(async {
        tokio::join!(
            first.shutdown(CloseCode::GOING_AWAY, "first", Duration::from_secs(30)),
            second.shutdown(CloseCode::NORMAL, "second", Duration::from_secs(30)),
            ws.recv(),
        )
    })
    .await;
    assert_eq!(
        (ends.0.unwrap(), ends.1.unwrap(), ends.2.unwrap()),
        (0, 0, None)
    );
    assert_eq!(ws.closed().unwrap().reason(), "first");
    soon(&mut server.task).await.unwrap();
    let again = server
        .handle
        .shutdown(CloseCode::NORMAL, "", Duration::ZERO)
        .await;
    assert_eq!(again.unwrap(), 0);
}

#[tokio::test]
async fn a_code_that_may_not_be_sent_stops_nothing() {
    let server = Served::start(ServerBuilder::new(), echo).await;
    let deadline = Duration::from_secs(30);
    let error = server
        .handle
        .shutdown(CloseCode::ABNORMAL, "", deadline)
        .await;
    assert!(matches!(error.unwrap_err(), Error::Send(_)));
    let mut ws = server.client().await;
    ws.send("Hello").await.unwrap();
    assert_eq!(soon(ws.recv()).await.unwrap(), Some("Hello".into()));
}

#[tokio::test]
async fn a_server_that_was_shut_down_before_it_serves_ends_at_once() {
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let (handle, address) = (server.handle(), server.local_addr().unwrap());
    let down = handle.shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    assert_eq!(soon(down).await.unwrap(), 0);
    soon(server.serve(echo)).await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn dropping_the_future_stops_listening_and_the_handle_still_works() {
    let mut server = Served::start(ServerBuilder::new(), echo).await;
    let mut ws = server.client().await;
    server.task.abort();
    assert!((&mut server.task).await.unwrap_err().is_cancelled());
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(server.handle.connections().len(), 1);
    let down = server
        .handle
        .shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    let (cut, ()) = soon(async { tokio::join!(down, check_end(&mut ws)) }).await;
    assert_eq!(cut.unwrap(), 0);
}

#[tokio::test]
async fn a_handler_without_its_connection_may_work_until_the_deadline() {
    static FREE: Notify = Notify::const_new();
    let (tell, mut ended) = unbounded_channel();
    let mut server = Served::start(ServerBuilder::new(), move |mut ws: WebSocket<Stream>| {
        let tell = tell.clone();
        async move {
            while ws.recv().await?.is_some() {}
            drop(ws);
            FREE.notified().await;
            tell.send(()).unwrap();
            Ok(())
        }
    })
    .await;
    let mut ws = server.client().await;
    let down = server
        .handle
        .shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    let work = async {
        check_end(&mut ws).await;
        sleep(Duration::from_millis(100)).await;
        assert_eq!(server.handle.connection_count(), 1);
        FREE.notify_one();
    };
    let (cut, ()) = soon(async { tokio::join!(down, work) }).await;
    assert_eq!(cut.unwrap(), 0);
    ended.recv().await.unwrap();
    soon(&mut server.task).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_never_ends_is_cut_off_after_its_client_saw_the_close_frame() {
    let mut server = Served::start(ServerBuilder::new(), async |ws| {
        std::future::pending::<()>().await;
        drop(ws);
        Ok(())
    })
    .await;
    let mut ws = server.client().await;
    let start = Instant::now();
    let down = server
        .handle
        .shutdown(CloseCode::GOING_AWAY, "bye", Duration::from_millis(500));
    let (cut, ()) = soon(async { tokio::join!(down, check_end(&mut ws)) }).await;
    assert_eq!(cut.unwrap(), 1);
    assert!(start.elapsed() >= Duration::from_millis(400));
    assert_eq!(ws.closed().unwrap().reason(), "bye");
    soon(&mut server.task).await.unwrap();
    server.has(0, 0).await;
}

#[tokio::test]
async fn handshakes_in_every_step_get_503() {
    let mut server =
        Served::start_openings(ServerBuilder::new(), async |opening: Opening<Stream>| {
            sleep(Duration::from_secs(60)).await;
            opening.upgrade().await.map(drop)
        })
        .await;
    let mut clients = Vec::new();
    for bytes in ["", "GET / HT", &upgrade("/", "")] {
        let mut tcp = server.tcp().await;
        tcp.write_all(bytes.as_bytes()).await.unwrap();
        clients.push(tcp);
    }
    server.has(3, 0).await;
    // The server reads the bytes above.
    sleep(Duration::from_millis(50)).await;
    let down = server
        .handle
        .shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    let start = Instant::now();
    assert_eq!(soon(down).await.unwrap(), 0);
    assert!(start.elapsed() < Duration::from_secs(10));
    for tcp in &mut clients {
        let answer = answer(tcp).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    }
    for _ in 0..3 {
        let (error, _) = server.error().await;
        assert!(error.contains("shutting down"), "{error}");
    }
    soon(&mut server.task).await.unwrap();
}

/// The sends of such a handler never wait.
#[tokio::test]
async fn a_handler_that_only_sends_is_closed_at_once() {
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let handle = server.handle();
    let serving = tokio::spawn(server.serve(async |mut ws| {
        loop {
            ws.send("tick").await?;
            sleep(Duration::from_millis(2)).await;
        }
    }));
    let mut ws = wsimd::connect(&uri).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("tick".into()));
    let client = tokio::spawn(async move {
        while ws.recv().await.unwrap().is_some() {}
        ws.closed().unwrap().code()
    });
    let start = Instant::now();
    let cut = handle.shutdown(CloseCode::GOING_AWAY, "", Duration::from_secs(30));
    assert_eq!(cut.await.unwrap(), 0);
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(client.await.unwrap(), CloseCode::GOING_AWAY);
    serving.await.unwrap();
}
