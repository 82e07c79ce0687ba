//! How a connection ends with a peer that is late, silent, broken or too talkative.

use std::{
    io::{self, ErrorKind},
    pin::{Pin, pin},
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, advance, sleep},
};
use wsimd::{CloseCode, Config, Error, ProtocolError, Role, Timeout, WebSocket};

use crate::support::{
    endless::Endless,
    expect,
    frames::{BINARY, FIN, PING, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Read, Script, Write},
    secs, soon,
};

fn pair(role: Role, config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 16);
    let config = config.clone().masking_keys(key);
    (WebSocket::new(near, role, &config), far)
}

/// Answers our Close frame at once, after one more text, and ends the stream.
async fn answer(role: Role, far: &mut DuplexStream) {
    expect(far, &close(role, 1000, "")).await;
    let answer = [
        frame(role.peer(), FIN | TEXT, b"late"),
        close(role.peer(), 1000, ""),
    ];
    far.write_all(&answer.concat()).await.unwrap();
    far.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_application_that_sleeps_past_the_deadline_receives_what_came_in_time() {
    for role in ROLES {
        let (mut ws, mut far) = pair(role, &Config::new());
        ws.send_close(CloseCode::NORMAL, "").await.unwrap();
        answer(role, &mut far).await;
        sleep(secs(100)).await;
        assert_eq!(ws.recv().await.unwrap(), Some("late".into()));
        assert_eq!(ws.recv().await.unwrap(), None);
        let closed = ws.closed().unwrap();
        assert!(closed.is_clean() && closed.is_complete(), "{closed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_that_sleeps_past_the_deadline_closes_cleanly() {
    for role in ROLES {
        let (mut ws, mut far) = pair(role, &Config::new());
        let handle = ws.handle();
        ws.send_close(CloseCode::NORMAL, "").await.unwrap();
        answer(role, &mut far).await;
        sleep(secs(100)).await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(Some(handle.closed().await), ws.closed());
    }
}

#[tokio::test(start_paused = true)]
async fn halves_that_sleep_past_the_deadline_receive_what_came_in_time() {
    for role in ROLES {
        let (ws, mut far) = pair(role, &Config::new());
        let (mut read, mut write) = ws.split();
        write.send_close(CloseCode::NORMAL, "").await.unwrap();
        answer(role, &mut far).await;
        sleep(secs(100)).await;
        assert_eq!(read.recv().await.unwrap(), Some("late".into()));
        assert_eq!(read.recv().await.unwrap(), None);
        assert!(read.closed().unwrap().is_clean());
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_message_that_came_in_time_is_received_after_the_deadline() {
    // More bytes than one read takes, because the clock is checked between the reads.
    let long = vec![7; 900_000];
    let (near, mut far) = duplex(4 << 20);
    let mut ws = WebSocket::new(near, Role::Server, &Config::new());
    ws.send_close(CloseCode::NORMAL, "").await.unwrap();
    for _ in 0..3 {
        let message = frame(Role::Client, FIN | BINARY, &long);
        far.write_all(&message).await.unwrap();
    }
    far.write_all(&close(Role::Client, 1000, "")).await.unwrap();
    sleep(secs(100)).await;
    for _ in 0..3 {
        assert_eq!(ws.recv().await.unwrap(), Some(long.clone().into()));
    }
    assert_eq!(ws.recv().await.unwrap(), None);
}

/// The time that `recv` or `close` takes with a peer that answers and keeps the stream open. Such a peer
/// writes one more byte at each interval.
async fn time_to_end(role: Role, closes: bool, trickle: Option<Duration>) -> Duration {
    let (mut ws, mut far) = pair(role, &Config::new());
    far.write_all(&close(role.peer(), 1000, "")).await.unwrap();
    let peer = tokio::spawn(async move {
        while let Some(interval) = trickle {
            sleep(interval).await;
            if far.write_all(b"x").await.is_err() {
                break;
            }
        }
        sleep(secs(1000)).await;
        drop(far);
    });
    if trickle.is_some() {
        // A byte has arrived before both Close frames have passed.
        sleep(secs(1)).await;
    }
    let start = Instant::now();
    if closes {
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    } else {
        assert_eq!(ws.recv().await.unwrap(), None);
    }
    assert!(ws.closed().unwrap().is_clean());
    peer.abort();
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_server_waits_for_no_end_of_the_stream_and_a_client_a_second() {
    for closes in [false, true] {
        let server = time_to_end(Role::Server, closes, None).await;
        assert_eq!(server, Duration::ZERO);
        let client = time_to_end(Role::Client, closes, None).await;
        assert_eq!(client, secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_keeps_writing_after_its_close_frame_delays_the_end_by_a_second() {
    for role in ROLES {
        for closes in [false, true] {
            let elapsed = time_to_end(role, closes, Some(Duration::from_millis(900))).await;
            assert!(elapsed <= secs(1), "{role:?}, {elapsed:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_after_a_violation_is_read_for_a_few_mebibytes() {
    for role in ROLES {
        for chunk in [2, 16 << 10] {
            // A length of 1 TiB.
            let mut violation = frame(role.peer(), FIN | BINARY, &vec![7; 70_000]);
            violation.truncate(2);
            violation.extend((1_u64 << 40).to_be_bytes());
            let sent = violation.len();
            let (stream, counts) = Endless::new(violation, vec![7; chunk]);
            let mut ws = WebSocket::new(stream, role, &Config::new());
            let start = Instant::now();
            let error = soon(ws.recv()).await.unwrap_err();
            let is_too_big = matches!(error, Error::Protocol(ProtocolError::FrameTooBig { .. }));
            assert!(is_too_big, "{error:?}");
            assert_eq!(start.elapsed(), Duration::ZERO);
            assert!(counts.read() <= sent + (6 << 20), "{} bytes", counts.read());
            assert_eq!(
                ws.closed().unwrap().sent.unwrap().code(),
                Some(CloseCode::MESSAGE_TOO_BIG)
            );
            let before = counts.read();
            let again = ws.recv().await.unwrap_err();
            assert!(matches!(again, Error::Protocol(_)) && counts.read() == before);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handle_says_of_the_end_what_the_connection_says() {
    type Close = for<'a> fn(
        &'a mut WebSocket<DuplexStream>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    let ways: [Close; 3] = [
        |ws| Box::pin(ws.close(CloseCode::NORMAL, "")),
        |ws| {
            Box::pin(async {
                ws.send_close(CloseCode::NORMAL, "").await?;
                while ws.recv().await?.is_some() {}
                Ok(())
            })
        },
        |ws| {
            let handle = ws.handle();
            Box::pin(async move {
                handle.close(CloseCode::NORMAL, "").await?;
                while ws.recv().await?.is_some() {}
                Ok(())
            })
        },
    ];
    for role in ROLES {
        for way in ways {
            let (mut ws, mut far) = pair(role, &Config::new());
            let handle = ws.handle();
            let (closed, ()) = tokio::join!(way(&mut ws), answer(role, &mut far));
            closed.unwrap();
            let facts = ws.closed().unwrap();
            assert!(facts.is_clean() && !facts.received_first, "{facts:?}");
            assert_eq!(soon(handle.closed()).await, facts);
        }
    }
}

/// A stream that fails to write, and whose peer has sent these bytes.
fn broken(input: &[Vec<u8>]) -> WebSocket<Script> {
    let script = Script::new([Read::Data(input.concat())])
        .silent()
        .writes([Write::Error(ErrorKind::BrokenPipe)]);
    WebSocket::new(script, Role::Server, &Config::new())
}

#[tokio::test(start_paused = true)]
async fn a_close_over_a_stream_that_takes_nothing_reports_the_peers_close_frame() {
    let message = frame(Role::Client, FIN | TEXT, b"m");
    let farewell = close(Role::Client, 1000, "");
    for input in [vec![farewell.clone()], vec![message, farewell]] {
        let mut ws = broken(&input);
        let handle = ws.handle();
        for _ in 0..3 {
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            let closed = ws.closed().expect("the connection has ended");
            assert_eq!(
                closed.received.as_ref().unwrap().code(),
                Some(CloseCode::NORMAL)
            );
            assert_eq!(soon(handle.closed()).await, closed);
        }
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_over_a_stream_that_takes_nothing_without_an_answer_is_an_io_error() {
    let message = frame(Role::Client, FIN | TEXT, b"m");
    for input in [vec![], vec![message]] {
        let mut ws = broken(&input);
        let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error:?}");
        assert_eq!(ws.closed().unwrap().code(), CloseCode::ABNORMAL);
        let again = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(again.is_closed(), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_frame_that_the_stream_has_not_taken_is_not_sent() {
    // The Close frame has 4 bytes. The pong behind it never fits.
    for (room, is_sent) in [(3, false), (4, true), (5, true)] {
        let (near, mut far) = duplex(room);
        let mut ws = WebSocket::new(near, Role::Server, &Config::new());
        let handle = ws.handle();
        let peer = async {
            let ping = frame(Role::Client, FIN | PING, b"ping");
            far.write_all(&ping).await.unwrap();
            handle.closed().await
        };
        let (end, closed) = tokio::join!(ws.close(CloseCode::NORMAL, ""), peer);
        assert!(matches!(end, Err(Error::Timeout(_))), "{end:?}");
        assert_eq!(closed.sent.is_some(), is_sent, "{room} bytes");
        assert_eq!(ws.closed(), Some(closed));
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_stream_that_always_has_a_ping_to_read_ends() {
    type Wait = for<'a> fn(
        &'a mut WebSocket<Endless>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    let waits: [(&str, Wait); 4] = [
        ("recv", |ws| Box::pin(async { ws.recv().await.map(drop) })),
        ("send", |ws| Box::pin(ws.send("m"))),
        ("close", |ws| Box::pin(ws.close(CloseCode::NORMAL, ""))),
        ("send_close", |ws| {
            Box::pin(ws.send_close(CloseCode::NORMAL, ""))
        }),
    ];
    let config = Config::new().close_timeout(Duration::from_millis(200));
    for (name, wait) in waits {
        let ping = frame(Role::Client, FIN | PING, b"");
        let (stream, _) = Endless::new(Vec::new(), ping);
        let stream = stream.write(Write::Error(ErrorKind::BrokenPipe));
        let mut ws = WebSocket::new(stream, Role::Server, &config);
        let start = Instant::now();
        let mut wait = wait(&mut ws);
        let ended = loop {
            if let std::task::Poll::Ready(ended) = poll_once(wait.as_mut()) {
                break ended;
            }
            assert!(start.elapsed() <= Duration::from_millis(300), "{name}");
            advance(Duration::from_millis(1)).await;
        };
        assert!(matches!(ended, Err(Error::Io(_))), "{name}: {ended:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_that_a_flood_of_pings_follows_ends_at_the_deadline() {
    let ping = frame(Role::Client, FIN | PING, b"");
    let (stream, _) = Endless::new(Vec::new(), ping);
    let config = Config::new().close_timeout(Duration::from_millis(200));
    let mut ws = WebSocket::new(stream, Role::Server, &config);
    let mut close = pin!(ws.close(CloseCode::NORMAL, ""));
    let start = Instant::now();
    let ended = loop {
        if let std::task::Poll::Ready(ended) = poll_once(close.as_mut()) {
            break ended;
        }
        assert!(start.elapsed() <= Duration::from_millis(400));
        advance(Duration::from_millis(1)).await;
    };
    assert!(matches!(ended, Err(Error::Timeout(Timeout::Close { .. }))));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_whose_peer_only_writes_ends() {
    let (near, far) = tokio::net::UnixStream::pair().unwrap();
    let far = far.into_std().unwrap();
    far.shutdown(std::net::Shutdown::Read).unwrap();
    far.set_nonblocking(true).unwrap();
    let mut far = tokio::net::UnixStream::from_std(far).unwrap();
    let flood = tokio::spawn(async move {
        let pings = frame(Role::Client, FIN | PING, b"p").repeat(10_000);
        while far.write_all(&pings).await.is_ok() {}
    });
    let config = Config::new().close_timeout(Duration::from_millis(200));
    let mut ws = WebSocket::new(near, Role::Server, &config);
    let error = soon(ws.recv()).await.unwrap_err();
    let is_broken = matches!(&error, Error::Io(error) if error.kind() == ErrorKind::BrokenPipe);
    assert!(is_broken, "{error:?}");
    drop(ws);
    soon(flood).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_close_follows_what_handles_were_told_is_accepted() {
    for role in ROLES {
        let (mut ws, mut far) = pair(role, &Config::new());
        let handle = ws.handle();
        for message in ["1", "2", "3"] {
            handle.send(message).await.unwrap();
        }
        let closed = async {
            for message in ["1", "2", "3"] {
                expect(&mut far, &frame(role, FIN | TEXT, message.as_bytes())).await;
            }
            expect(&mut far, &close(role, 1000, "")).await;
            far.write_all(&close(role.peer(), 1000, "")).await?;
            far.shutdown().await
        };
        let (ours, theirs): (_, io::Result<()>) =
            tokio::join!(ws.close(CloseCode::NORMAL, ""), closed);
        ours.unwrap();
        theirs.unwrap();
    }
}
