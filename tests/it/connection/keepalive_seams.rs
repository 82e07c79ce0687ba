//! The keepalive together with other parts: builders, closing handshake, halves, a full stream.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    net::TcpListener,
    task::{coop, yield_now},
    time::{Instant, sleep, timeout},
};
use wsimd::{ClientBuilder, CloseCode, Config, Error, Role, ServerBuilder, Timeout, WebSocket};

use crate::support::{
    expect,
    frames::{BINARY, FIN, PING, PONG, TEXT, close, frame},
    opening::{URI, meet},
    pinging, poll_once,
    script::Script,
    secs, soon,
};

/// The time until the first frame arrives, which has to be a ping.
async fn first_ping(io: &mut (impl tokio::io::AsyncRead + Unpin)) -> Duration {
    let start = Instant::now();
    assert_eq!(io.read_u8().await.unwrap(), FIN | PING);
    start.elapsed()
}

/// The time until a connection sends a ping while it is polled. `None` if it sends none for a day.
async fn pings_after(
    mut ws: WebSocket<DuplexStream>,
    other: WebSocket<DuplexStream>,
) -> Option<Duration> {
    let mut far = other.into_parts().io;
    let task = tokio::spawn(async move { ws.recv().await });
    let after = timeout(secs(86_400), first_ping(&mut far)).await.ok();
    task.abort();
    after
}

#[tokio::test(start_paused = true)]
async fn connections_that_a_builder_opens_ping_every_20_seconds_unless_told_otherwise() {
    for (config, expected) in [
        (None, Some(secs(20))),
        (Some(Config::new()), Some(secs(20))),
        (
            Some(Config::new().max_message_size(5).ping_timeout(secs(3))),
            Some(secs(20)),
        ),
        (Some(Config::new().ping_interval(secs(7))), Some(secs(7))),
        (Some(Config::new().ping_interval(None)), None),
    ] {
        let mut client = ClientBuilder::new();
        let mut server = ServerBuilder::new();
        if let Some(config) = &config {
            client = client.config(config.clone());
            server = server.config(config.clone());
        }
        let ((one, _), (other, _)) = meet(&client, &server, URI).await;
        assert_eq!(
            pings_after(one, other).await,
            expected,
            "client, {config:?}"
        );
        let ((one, _), (other, _)) = meet(&client, &server, URI).await;
        assert_eq!(
            pings_after(other, one).await,
            expected,
            "server, {config:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_config_that_a_builder_was_given_changes_nothing_elsewhere() {
    let config = Config::new();
    drop(ClientBuilder::new().config(config.clone()));
    drop(ServerBuilder::new().config(config.clone()));
    let (near, far) = duplex(1024);
    let one = WebSocket::new(near, Role::Server, &config);
    let other = WebSocket::new(far, Role::Client, &config);
    assert_eq!(pings_after(one, other).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_of_a_builders_connection_is_given_up_after_40_seconds() {
    let ((mut client, _), _silent) = meet(&ClientBuilder::new(), &ServerBuilder::new(), URI).await;
    let start = Instant::now();
    let error = client.recv().await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Ping { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 40);
}

#[tokio::test(start_paused = true)]
async fn two_that_keep_each_other_alive_do_so_for_days() {
    let ((client, _), (server, _)) = meet(&ClientBuilder::new(), &ServerBuilder::new(), URI).await;
    let [one, other] = [client, server].map(|mut ws| {
        tokio::spawn(async move {
            assert!(timeout(secs(3 * 86_400), ws.recv()).await.is_err());
            ws
        })
    });
    for ws in [one.await.unwrap(), other.await.unwrap()] {
        assert_eq!(ws.latency(), Some(Duration::ZERO));
    }
}

#[tokio::test]
async fn connect_and_serve_ping_after_20_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let accepted = async { wsimd::accept(listener.accept().await.unwrap().0).await };
    let (client, accepted) = tokio::join!(wsimd::connect(&uri), accepted);
    let (mut client, mut far) = (client.unwrap(), accepted.unwrap().into_parts().io);
    tokio::time::pause();
    tokio::spawn(async move { client.recv().await });
    let after = first_ping(&mut far).await.as_secs();
    assert!((10..=20).contains(&after), "{after}");
    tokio::time::resume();

    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", server.local_addr().unwrap());
    let task = tokio::spawn(server.serve(async |mut ws| ws.recv().await.map(drop)));
    let mut far = wsimd::connect(&uri).await.unwrap().into_parts().io;
    tokio::time::pause();
    // The server may have started to wait before the clock was paused.
    let after = first_ping(&mut far).await.as_secs();
    assert!((10..=20).contains(&after), "{after}");
    task.abort();
}

fn server(size: usize, config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(size);
    (WebSocket::new(near, Role::Server, config), far)
}

#[tokio::test(start_paused = true)]
async fn the_closing_handshake_keeps_its_own_deadline_and_pings_nobody() {
    // Before the first ping, and while its pong is missing.
    for (before, deadline) in [(5, 3), (5, 300), (25, 3), (25, 300)] {
        let (mut ws, mut far) = server(1024, &pinging(20, 20).close_timeout(secs(deadline)));
        assert!(timeout(secs(before), ws.recv()).await.is_err());
        let start = Instant::now();
        let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Close { .. })),
            "{error:?}"
        );
        assert_eq!(start.elapsed().as_secs(), deadline);
        drop(ws);
        let mut written = Vec::new();
        far.read_to_end(&mut written).await.unwrap();
        if before > 20 {
            drop(written.drain(..6));
        }
        assert_eq!(written, close(Role::Server, 1000, ""));
    }
}

#[tokio::test(start_paused = true)]
async fn the_closing_handshake_succeeds_while_a_pong_is_waited_for() {
    let (mut ws, mut far) = server(1024, &pinging(20, 20).close_timeout(secs(300)));
    assert!(timeout(secs(25), ws.recv()).await.is_err());
    let task = tokio::spawn(async move { ws.close(CloseCode::NORMAL, "").await });
    sleep(secs(200)).await;
    far.write_all(&close(Role::Client, 1000, "")).await.unwrap();
    far.shutdown().await.unwrap();
    soon(task).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_read_half_keeps_the_connection_alive_and_tells_a_write_half_that_waits() {
    let (ws, mut far) = server(16, &pinging(20, 20));
    let (mut read, mut write) = ws.split();
    let start = Instant::now();
    let reader = tokio::spawn(async move { read.recv().await });
    assert_eq!(first_ping(&mut far).await, secs(20));
    let mut payload = [0; 5];
    far.read_exact(&mut payload).await.unwrap();
    let writer = tokio::spawn(async move { write.send(vec![0; 100]).await });
    assert!(matches!(
        soon(reader).await.unwrap(),
        Err(Error::Timeout(Timeout::Ping { .. }))
    ));
    assert_eq!(start.elapsed(), secs(40));
    assert!(matches!(
        soon(writer).await.unwrap(),
        Err(Error::Timeout(Timeout::Ping { .. }))
    ));
}

/// A connection with 100 bytes queued for a peer that has taken only 10 of them.
async fn blocked(high_water: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (mut ws, far) = server(10, &pinging(20, 20).write_high_water(high_water));
    ws.feed(vec![7; 100]).await.unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    (ws, far)
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_neither_reads_nor_sends_is_given_up_and_nothing_piles_up() {
    for high_water in [50, 1000] {
        let (mut ws, _far) = blocked(high_water).await;
        let start = Instant::now();
        while start.elapsed() < secs(19) {
            assert!(timeout(secs(1), ws.recv()).await.is_err());
            assert!(ws.buffered() <= 100 + 6, "{}", ws.buffered());
        }
        let error = soon(ws.recv()).await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Ping { .. })),
            "{error:?}"
        );
        assert_eq!(start.elapsed().as_secs(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_and_does_not_read_is_given_up_and_nothing_piles_up() {
    // While bytes wait to be written, only bytes that the stream takes are a sign of life.
    let (near, mut far) = duplex(50);
    let mut ws = WebSocket::new(near, Role::Server, &pinging(20, 20).write_high_water(1000));
    let talk = tokio::spawn(async move {
        let pong = frame(Role::Client, FIN | PONG, b"");
        while far.write_all(&pong).await.is_ok() {
            sleep(secs(1)).await;
        }
    });
    for number in 0..10 {
        assert!(timeout(secs(5), ws.recv()).await.is_err());
        ws.try_feed(vec![number; 5]).unwrap();
    }
    let start = Instant::now();
    let error = soon(ws.recv()).await.unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Ping { .. })),
        "{error:?}"
    );
    assert!(start.elapsed() <= secs(20), "{:?}", start.elapsed());
    drop(ws);
    talk.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_could_not_be_pinged_is_not_given_up_once_it_reads() {
    // At the time of the ping, the peer was behind. It reads while the handler is busy, and is
    // silent because the ping has never left.
    for high_water in [50, 1000] {
        let (mut ws, far) = blocked(high_water).await;
        assert!(timeout(secs(15), ws.recv()).await.is_err());
        let (mut read, mut write) = tokio::io::split(far);
        let peer = tokio::spawn(async move {
            let mut message = vec![0; 102];
            read.read_exact(&mut message).await.unwrap();
            for _ in 0..5 {
                let mut header = [0; 2];
                read.read_exact(&mut header).await.unwrap();
                assert_eq!(header[0], FIN | PING);
                let mut payload = vec![0; header[1].into()];
                read.read_exact(&mut payload).await.unwrap();
                let pong = frame(Role::Client, FIN | PONG, &payload);
                write.write_all(&pong).await.unwrap();
            }
            let message = frame(Role::Client, FIN | TEXT, b"alive");
            write.write_all(&message).await.unwrap();
        });
        sleep(secs(600)).await;
        assert_eq!(ws.recv().await.unwrap(), Some("alive".into()));
        peer.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_is_not_given_up() {
    // python-websockets#1527: the ping waits behind a message that takes long.
    for high_water in [50, 1000] {
        let (mut ws, mut far) = blocked(high_water).await;
        let slow = tokio::spawn(async move {
            for _ in 0..102 {
                sleep(secs(1)).await;
                far.read_u8().await.unwrap();
            }
            let message = frame(Role::Client, FIN | TEXT, b"alive");
            far.write_all(&message).await.unwrap();
            far
        });
        assert_eq!(ws.recv().await.unwrap(), Some("alive".into()));
        drop(slow.await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handle_sends_does_not_postpone_the_end_of_a_silent_peer() {
    let (mut ws, mut far) = server(1 << 16, &pinging(20, 20));
    let handle = ws.handle();
    let push = tokio::spawn(async move {
        while handle.send("pushed").await.is_ok() {
            sleep(secs(1)).await;
        }
    });
    let start = Instant::now();
    assert!(soon(ws.recv()).await.unwrap_err().is_timeout());
    assert_eq!(start.elapsed().as_secs(), 40);
    soon(push).await.unwrap();
    expect(&mut far, &frame(Role::Server, FIN | TEXT, b"pushed")).await;
}

#[tokio::test(start_paused = true)]
async fn half_a_message_is_a_sign_of_life() {
    let (mut ws, mut far) = server(1024, &pinging(20, 20));
    let message = frame(Role::Client, FIN | BINARY, &[7; 100]);
    let slow = tokio::spawn(async move {
        for byte in message {
            sleep(secs(15)).await;
            far.write_all(&[byte]).await.unwrap();
        }
        yield_now().await;
        far
    });
    assert_eq!(ws.recv().await.unwrap(), Some(vec![7; 100].into()));
    drop(slow.await);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_uses_no_budget_is_judged_although_the_tasks_budget_ran_out() {
    // The stream waits for the peer. That a read is pending does not mean that the task runs again.
    for used in 100..=128 {
        let mut ws = WebSocket::new(Script::new([]).silent(), Role::Server, &pinging(20, 20));
        let task = tokio::spawn(async move {
            poll_fn(|cx| {
                for _ in 0..used {
                    if let Poll::Ready(budget) = coop::poll_proceed(cx) {
                        budget.made_progress();
                    }
                }
                Poll::Ready(())
            })
            .await;
            ws.recv().await
        });
        let error = soon(task).await.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Ping { .. })),
            "{used}"
        );
    }
}
