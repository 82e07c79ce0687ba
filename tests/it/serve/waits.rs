//! `serve` with handlers that only send, block their thread or panic, and with peers that do not read.

use std::{
    sync::{
        Mutex,
        mpsc::{Sender, channel},
    },
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::{block_in_place, yield_now},
    time::{Instant, sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, Handle, Role, Timeout, WebSocket, net::Stream};

use crate::support::{
    frames::{BINARY, FIN, PING, frame},
    poll_once,
    serve::{Running, fill, with_server},
    soon,
};

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[tokio::test]
async fn what_a_handler_sent_before_it_panicked_arrives() {
    with_server(
        |mut ws| async move {
            ws.send("flushed").await.unwrap();
            ws.flush().await.unwrap();
            ws.send("kept").await.unwrap();
            panic!("a handler of a test panics");
        },
        |mut ws| async move {
            assert_eq!(ws.recv().await?, Some("flushed".into()));
            assert_eq!(ws.recv().await?, Some("kept".into()));
            assert!(ws.recv().await.is_err());
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_a_handler_sent_into_a_full_socket_before_it_panicked_arrives() {
    let (accepted, mut sent) = unbounded_channel();
    with_server(
        move |mut ws| {
            let accepted = accepted.clone();
            async move {
                accepted.send(fill(&mut ws).await).unwrap();
                panic!("a handler of a test panics");
            }
        },
        |mut ws| async move {
            for message in 0..sent.recv().await.unwrap() {
                assert!(ws.recv().await?.is_some(), "message {message}");
            }
            Ok(())
        },
    )
    .await;
}

/// Waits in the handler's thread until the client has received the message.
fn block_until_received(received: &Mutex<std::sync::mpsc::Receiver<()>>) -> bool {
    let received = received.lock().unwrap();
    block_in_place(|| received.recv_timeout(Duration::from_secs(5)).is_ok())
}

/// Receives one message, and tells the handler that blocks.
async fn receive_started(ws: &mut WebSocket<Stream>, tell: Sender<()>) -> Result<(), Error> {
    assert_eq!(ws.recv().await?, Some("started".into()));
    tell.send(()).unwrap();
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_leaves_before_the_handler_blocks_its_thread() {
    let (tell, received) = channel();
    let received = std::sync::Arc::new(Mutex::new(received));
    with_server(
        move |mut ws| {
            let received = received.clone();
            async move {
                ws.send("started").await.unwrap();
                ws.flush().await.unwrap();
                let in_time = block_until_received(&received);
                ws.send(if in_time { "in time" } else { "late" })
                    .await
                    .unwrap();
                while let Ok(Some(_)) = ws.recv().await {}
            }
        },
        |mut ws| async move {
            receive_started(&mut ws, tell).await?;
            assert_eq!(ws.recv().await?, Some("in time".into()));
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_of_a_write_half_leaves_before_the_handler_blocks_its_thread() {
    let (tell, received) = channel();
    let received = std::sync::Arc::new(Mutex::new(received));
    with_server(
        move |ws| {
            let received = received.clone();
            async move {
                let (_read, mut write) = ws.split();
                write.feed("started").await.unwrap();
                write.flush().await.unwrap();
                let in_time = block_until_received(&received);
                write
                    .send(if in_time { "in time" } else { "late" })
                    .await
                    .unwrap();
                sleep(millis(100)).await;
            }
        },
        |mut ws| async move {
            receive_started(&mut ws, tell).await?;
            assert_eq!(ws.recv().await?, Some("in time".into()));
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_that_sends_and_receives_in_block_on_gets_its_answer() {
    let handler = |mut ws: WebSocket<Stream>| async move {
        for _ in 0..3 {
            let answer = block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    ws.send("question").await?;
                    ws.recv().await
                })
            });
            assert_eq!(answer.unwrap(), Some("answer".into()));
        }
    };
    with_server(handler, |mut ws| async move {
        for _ in 0..3 {
            let question = timeout(Duration::from_secs(5), ws.recv()).await;
            assert_eq!(question.expect("deadlock")?, Some("question".into()));
            ws.send("answer").await?;
        }
        Ok(())
    })
    .await;
}

async fn answers_while_it_only_sends(pause: Option<Duration>) {
    with_server(
        move |mut ws| async move {
            while ws.send("tick").await.is_ok() {
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => yield_now().await,
                }
            }
        },
        |mut ws| async move {
            for payload in ["1", "2"] {
                let mut pong = Box::pin(ws.ping_with(payload).await?);
                let start = Instant::now();
                while poll_once(pong.as_mut()).is_pending() {
                    ws.recv().await?;
                    assert!(start.elapsed() < Duration::from_secs(5), "no pong");
                }
            }
            let start = Instant::now();
            ws.close(CloseCode::NORMAL, "").await?;
            assert!(start.elapsed() < Duration::from_secs(5));
            assert!(ws.closed().unwrap().is_clean());
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn a_handler_that_sends_and_sleeps_answers_pings_and_close() {
    answers_while_it_only_sends(Some(millis(2))).await;
}

#[tokio::test]
async fn a_handler_that_sends_without_a_pause_answers_pings_and_close() {
    answers_while_it_only_sends(None).await;
}

/// The settings of a keepalive with short times.
fn impatient() -> Config {
    Config::new()
        .ping_interval(millis(200))
        .ping_timeout(millis(200))
        .close_timeout(millis(200))
}

/// Waits for the end of a handler, which comes after a few hundred milliseconds.
async fn ended(ends: &mut tokio::sync::mpsc::UnboundedReceiver<Error>) -> Error {
    let end = timeout(Duration::from_secs(10), ends.recv()).await;
    end.expect("the peer was not given up").expect("an error")
}

#[tokio::test]
async fn an_echo_gives_up_a_peer_that_sends_and_never_reads() {
    let (tell, mut ends) = unbounded_channel();
    let server = Running::start(impatient(), move |mut ws| {
        let tell = tell.clone();
        async move {
            let echo = async {
                while let Some(message) = ws.recv().await? {
                    ws.send(message).await?;
                }
                Ok::<_, Error>(())
            };
            tell.send(echo.await.unwrap_err()).unwrap();
        }
    })
    .await;
    let mut peer = server.raw().await;
    let flood = tokio::spawn(async move {
        let message = frame(Role::Client, FIN | BINARY, &[7; 100_000]);
        while peer.write_all(&message).await.is_ok() {}
    });
    let end = ended(&mut ends).await;
    assert!(
        matches!(end, Error::Timeout(Timeout::Ping { .. })),
        "{end:?}"
    );
    soon(flood).await.unwrap();
}

/// Reads nothing, and sends a ping now and then, until the server closes the socket.
async fn ping_only(mut peer: TcpStream) {
    let ping = frame(Role::Client, FIN | PING, b"");
    while peer.write_all(&ping).await.is_ok() {
        sleep(millis(50)).await;
    }
}

type Opened = (UnboundedSender<Handle>, UnboundedSender<Error>);

/// Passes a handle to the test, and receives until the end.
async fn receive(mut ws: WebSocket<Stream>, (opened, tell): Opened) {
    opened.send(ws.handle()).unwrap();
    let end = loop {
        match ws.recv().await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(error) => break error,
        }
    };
    tell.send(end).unwrap();
}

#[tokio::test]
async fn a_handle_closes_a_peer_that_never_reads_and_pings() {
    for past_the_queue in [false, true] {
        let (opened, mut handles) = unbounded_channel();
        let (tell, mut ends) = unbounded_channel();
        // The keepalive would end the connection as well, later.
        let config = impatient().ping_timeout(Duration::from_secs(100));
        let server = Running::start(config, move |ws| {
            receive(ws, (opened.clone(), tell.clone()))
        })
        .await;
        let peer = tokio::spawn(ping_only(server.raw().await));
        let handle: Handle = handles.recv().await.unwrap();
        let mut full = 0;
        while full < 20 {
            match handle.try_send(vec![7; 100_000]) {
                Ok(()) => full = 0,
                Err(_) => full += 1,
            }
            sleep(millis(1)).await;
        }
        let start = Instant::now();
        if past_the_queue {
            handle.try_close(CloseCode::POLICY_VIOLATION, "").unwrap();
        } else {
            soon(handle.close(CloseCode::POLICY_VIOLATION, ""))
                .await
                .unwrap();
        }
        let end = ended(&mut ends).await;
        assert!(
            matches!(end, Error::Timeout(Timeout::Close { .. })),
            "{end:?}"
        );
        assert!(start.elapsed() < Duration::from_secs(5));
        soon(handle.closed()).await;
        soon(peer).await.unwrap();
    }
}

#[tokio::test]
async fn bytes_that_the_cork_keeps_are_no_sign_of_life() {
    let (opened, mut handles) = unbounded_channel();
    let (tell, mut ends) = unbounded_channel();
    let server = Running::start(impatient(), move |mut ws: WebSocket<Stream>| {
        let channels = (opened.clone(), tell.clone());
        async move {
            // Until the cork keeps bytes between two polls, for long enough that the buffer of the peer
            // is full as well.
            let has_room =
                |ws: &WebSocket<Stream>| format!("{:?}", ws.get_ref()).contains("is_busy: false");
            while has_room(&ws) {
                ws.send(vec![7; 4000]).await.unwrap();
                yield_now().await;
                if !has_room(&ws) {
                    sleep(millis(100)).await;
                }
            }
            receive(ws, channels).await;
        }
    })
    .await;
    let peer = tokio::spawn(ping_only(server.raw().await));
    let handle: Handle = handles.recv().await.unwrap();
    let start = Instant::now();
    while handle.try_send("trickle").is_ok() && start.elapsed() < Duration::from_secs(5) {
        sleep(millis(20)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(5), "was kept alive");
    let end = ended(&mut ends).await;
    assert!(
        matches!(end, Error::Timeout(Timeout::Ping { .. })),
        "{end:?}"
    );
    soon(peer).await.unwrap();
}
