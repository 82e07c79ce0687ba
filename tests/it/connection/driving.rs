//! Every wait drives the whole connection: it reads, answers and judges while it writes.

use std::{
    pin::{Pin, pin},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
    time::{Instant, sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, Message, Role, Timeout, WebSocket, WriteHalf};

use crate::support::{
    expect,
    frames::{FIN, PING, PONG, TEXT, close, frame},
    pinging, poll_once,
    script::{Read, Script},
    secs, soon,
};

/// A server's connection, and the client's end of the stream.
fn server(size: usize, config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(size);
    (WebSocket::new(near, Role::Server, config), far)
}

/// A connection whose peer sends a ping every second and reads nothing.
fn deaf(config: Config) -> WebSocket<DuplexStream> {
    let (mut ws, mut far) = server(16, &config.write_high_water(10));
    tokio::spawn(async move {
        let ping = frame(Role::Client, FIN | PING, b"p");
        while far.write_all(&ping).await.is_ok() {
            sleep(secs(1)).await;
        }
    });
    ws.try_feed(vec![7; 100]).unwrap();
    ws
}

/// Checks that a wait ends because the peer takes nothing.
async fn given_up<T: std::fmt::Debug>(name: &str, wait: impl Future<Output = Result<T, Error>>) {
    let start = Instant::now();
    let ended = timeout(secs(1000), wait).await;
    let Ok(Err(Error::Timeout(Timeout::Ping { .. }))) = ended else {
        panic!("{name}: {ended:?}");
    };
    assert!((20..=21).contains(&start.elapsed().as_secs()), "{name}");
}

#[tokio::test(start_paused = true)]
async fn every_wait_gives_up_a_peer_that_takes_nothing() {
    type Wait = for<'a> fn(
        &'a mut WebSocket<DuplexStream>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    let waits: [(&str, Wait); 6] = [
        ("send", |ws| Box::pin(ws.send("m"))),
        ("feed", |ws| Box::pin(ws.feed("m"))),
        ("flush", |ws| Box::pin(ws.flush())),
        ("reserve", |ws| {
            Box::pin(async { ws.reserve().await.map(drop) })
        }),
        ("ping", |ws| {
            Box::pin(async { ws.ping_with("m").await.map(drop) })
        }),
        ("pong", |ws| Box::pin(ws.pong("m"))),
    ];
    for (name, wait) in waits {
        let mut ws = deaf(pinging(20, 20));
        given_up(name, wait(&mut ws)).await;
        let closed = ws.closed().expect("the connection has ended");
        assert_eq!(closed.code(), CloseCode::ABNORMAL, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn every_wait_of_a_write_half_gives_up_a_peer_that_takes_nothing() {
    type Wait = for<'a> fn(
        &'a mut WriteHalf<DuplexStream>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    let waits: [(&str, Wait); 5] = [
        ("send", |ws| Box::pin(ws.send("m"))),
        ("feed", |ws| Box::pin(ws.feed("m"))),
        ("flush", |ws| Box::pin(ws.flush())),
        ("ping", |ws| {
            Box::pin(async { ws.ping_with("m").await.map(drop) })
        }),
        ("pong", |ws| Box::pin(ws.pong("m"))),
    ];
    for (name, wait) in waits {
        // The read half waits for the write half, as in an echo of two tasks.
        let (_read, mut write) = deaf(pinging(20, 20)).split();
        given_up(name, wait(&mut write)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_keepalive_a_wait_has_no_limit() {
    let mut ws = deaf(Config::new());
    assert!(timeout(secs(100_000), ws.send("m")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_send_that_waits_answers_pings_and_keeps_one_message() {
    let (mut ws, mut far) = server(64, &Config::new());
    let input = [
        frame(Role::Client, FIN | PING, b"1"),
        frame(Role::Client, FIN | TEXT, b"kept"),
    ];
    far.write_all(&input.concat()).await.unwrap();
    let sender = tokio::spawn(async move {
        ws.send(vec![7; 200]).await.unwrap();
        ws
    });
    yield_now().await;
    let expected = [
        frame(Role::Server, FIN | 2, &[7; 200]),
        frame(Role::Server, FIN | PONG, b"1"),
    ];
    expect(&mut far, &expected.concat()).await;
    let mut ws = soon(sender).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("kept".into()));
}

/// Sends or flushes, and sleeps, in an endless loop.
async fn tick(ws: &mut WebSocket<DuplexStream>, flushes: bool) -> Error {
    loop {
        let sent = match flushes {
            true => match ws.feed("tick").await {
                Ok(()) => ws.flush().await,
                failed => failed,
            },
            false => ws.send("tick").await,
        };
        if let Err(error) = sent {
            return error;
        }
        sleep(secs(1)).await;
    }
}

/// Skips ticks, up to these bytes.
async fn skip_ticks(far: &mut DuplexStream, expected: &[u8]) {
    let tick = frame(Role::Server, FIN | TEXT, b"tick");
    let mut bytes = vec![0; tick.len()];
    for _ in 0..10 {
        let start = &mut bytes[..2];
        soon(far.read_exact(start)).await.unwrap();
        if start == &expected[..2] {
            return expect(far, &expected[2..]).await;
        }
        soon(far.read_exact(&mut bytes[2..])).await.unwrap();
        assert_eq!(bytes, tick);
    }
    panic!("{expected:?} was never sent");
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_only_sends_answers_pings_and_close() {
    for flushes in [false, true] {
        let (mut ws, mut far) = server(1 << 16, &Config::new());
        let sender = tokio::spawn(async move { tick(&mut ws, flushes).await });
        for payload in [b"1", b"2"] {
            far.write_all(&frame(Role::Client, FIN | PING, payload))
                .await
                .unwrap();
            skip_ticks(&mut far, &frame(Role::Server, FIN | PONG, payload)).await;
        }
        far.write_all(&close(Role::Client, 1001, "")).await.unwrap();
        skip_ticks(&mut far, &close(Role::Server, 1001, "")).await;
        let error = soon(sender).await.unwrap();
        assert_eq!(error.close_code(), Some(CloseCode::GOING_AWAY), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_that_only_sends_answers_what_came_with_the_message_that_started_it() {
    // The ping is read with the message: no byte has to arrive for it.
    let (mut ws, mut far) = server(1 << 16, &Config::new());
    let input = [
        frame(Role::Client, FIN | TEXT, b"start"),
        frame(Role::Client, FIN | PING, b"1"),
        close(Role::Client, 1001, ""),
    ];
    far.write_all(&input.concat()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("start".into()));
    let sender = tokio::spawn(async move { tick(&mut ws, false).await });
    skip_ticks(&mut far, &frame(Role::Server, FIN | PONG, b"1")).await;
    skip_ticks(&mut far, &close(Role::Server, 1001, "")).await;
    assert!(soon(sender).await.unwrap().is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_write_half_that_only_sends_answers_pings_while_the_reader_is_busy() {
    let (ws, mut far) = server(1 << 16, &Config::new());
    let (mut read, mut write) = ws.split();
    let reader = tokio::spawn(async move {
        let first = read.recv().await.unwrap();
        // The reader processes the message for a long time.
        sleep(secs(100_000)).await;
        drop((read, first));
    });
    let sender = tokio::spawn(async move {
        loop {
            write.send("tick").await.unwrap();
            sleep(secs(1)).await;
        }
    });
    sleep(Duration::from_millis(2500)).await;
    let message = frame(Role::Client, FIN | TEXT, b"m");
    far.write_all(&message).await.unwrap();
    sleep(secs(1)).await;
    for payload in [b"1", b"2"] {
        far.write_all(&frame(Role::Client, FIN | PING, payload))
            .await
            .unwrap();
        skip_ticks(&mut far, &frame(Role::Server, FIN | PONG, payload)).await;
    }
    reader.abort();
    sender.abort();
}

/// Both ends send three messages of 16 MiB, and read only then.
fn talkers(config: Config) -> [WebSocket<DuplexStream>; 2] {
    let (near, far) = duplex(1 << 16);
    let config = config.max_message_size(16 << 20);
    [
        WebSocket::new(near, Role::Client, &config),
        WebSocket::new(far, Role::Server, &config),
    ]
}

const LONG: usize = 16 << 20;

async fn read_all(ws: &mut WebSocket<DuplexStream>) -> Result<(), Error> {
    for _ in 0..3 {
        let message = ws.recv().await?;
        assert_eq!(message.expect("a message").len(), LONG);
    }
    Ok(())
}

/// Checks that both sides finish, or give their peer up.
async fn ended(both: impl Future<Output = (Result<(), Error>, Result<(), Error>)>) {
    let (first, second) = timeout(secs(1000), both).await.expect("both are stuck");
    for end in [first, second] {
        let by_keepalive = matches!(end, Err(Error::Timeout(Timeout::Ping { .. })));
        let by_other_side = matches!(&end, Err(Error::Closed(_) | Error::Io(_)));
        assert!(end.is_ok() || by_keepalive || by_other_side, "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_ends_that_send_before_they_read_are_never_stuck() {
    let [mut client, mut server] = talkers(pinging(20, 20));
    let talk = async |ws: &mut WebSocket<DuplexStream>| {
        for _ in 0..3 {
            ws.send(vec![7; LONG]).await?;
        }
        read_all(ws).await
    };
    ended(async { tokio::join!(talk(&mut client), talk(&mut server)) }).await;
}

#[tokio::test(start_paused = true)]
async fn two_ends_in_halves_that_send_before_they_read_are_never_stuck() {
    let talk = async |ws: WebSocket<DuplexStream>| {
        let (read, mut write) = ws.split();
        for _ in 0..3 {
            write.send(vec![7; LONG]).await?;
        }
        read_all(&mut read.reunite(write).unwrap()).await
    };
    let [client, server] = talkers(pinging(20, 20));
    ended(async { tokio::join!(talk(client), talk(server)) }).await;
}

#[tokio::test(start_paused = true)]
async fn two_ends_that_push_through_handles_before_they_read_both_finish() {
    let talk = async |mut ws: WebSocket<DuplexStream>| {
        let handle = ws.handle();
        let push = async {
            for _ in 0..3 {
                handle.send(vec![7; LONG]).await?;
            }
            Ok::<_, Error>(())
        };
        let (pushed, received) = tokio::join!(push, read_all(&mut ws));
        pushed?;
        received?;
        ws.flush().await
    };
    let [client, server] = talkers(pinging(20, 20));
    let both = async { tokio::join!(talk(client), talk(server)) };
    let (first, second) = timeout(secs(1000), both).await.expect("both are stuck");
    first.and(second).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_that_a_send_has_read_is_delivered_after_the_peer_was_given_up() {
    let (mut ws, mut far) = server(64, &pinging(20, 20));
    far.write_all(&frame(Role::Client, FIN | TEXT, b"in time"))
        .await
        .unwrap();
    given_up("send", ws.send(vec![7; 200])).await;
    assert_eq!(ws.recv().await.unwrap(), Some("in time".into()));
    assert!(ws.recv().await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_task_that_echoes_a_burst_reads_no_message_early() {
    // The read attempt of a send must not slow down a burst.
    let burst = frame(Role::Client, FIN | TEXT, b"m").repeat(3);
    let script = Script::new([Read::Data(burst)]).silent();
    let seen = script.seen.clone();
    let mut ws = WebSocket::new(script, Role::Server, &Config::new());
    for _ in 0..3 {
        let message: Message = ws.recv().await.unwrap().unwrap();
        let mut send = pin!(ws.send(message));
        assert!(poll_once(send.as_mut()).is_ready());
    }
    // One read for the burst, and one attempt after the last message.
    assert!(seen.reads() <= 2, "{} reads", seen.reads());
}
