//! The two halves of a connection behave like the whole.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
    time::Instant,
};
use wsimd::{
    CloseCode, Config, Error, Event, Message, ReadHalf, Role, Timeout, WebSocket, WriteHalf,
    protocol::Receiver,
};

use crate::support::{
    expect,
    frames::{CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame, key, mixed_traffic},
    poll_once,
    script::{Read, Script, Seen, Write},
    soon,
};

fn halves(role: Role, script: Script) -> (ReadHalf<Script>, WriteHalf<Script>, Seen) {
    let seen = script.seen.clone();
    let config = Config::new().masking_keys(key).write_high_water(64);
    let (read, write) = WebSocket::new(script, role, &config).split();
    (read, write, seen)
}

/// The halves of a server's connection, and the client's end of the stream.
fn server(
    size: usize,
    config: &Config,
) -> (
    ReadHalf<DuplexStream>,
    WriteHalf<DuplexStream>,
    DuplexStream,
) {
    let (near, far) = duplex(size);
    let (read, write) = WebSocket::new(near, Role::Server, config).split();
    (read, write, far)
}

#[tokio::test]
async fn the_read_half_answers_pings_while_the_write_half_is_idle() {
    // fastwebsockets#78: its halves leave that to the user, and pings stay unanswered.
    for role in ROLES {
        let ping = frame(role.peer(), FIN | PING, b"p");
        let (mut read, _write, seen) = halves(role, Script::whole(&ping).silent());
        assert!(poll_once(read.recv()).is_pending());
        assert_eq!(seen.written(), frame(role, FIN | PONG, b"p"));
    }
}

#[tokio::test]
async fn the_read_half_answers_a_close_frame_while_the_write_half_is_idle() {
    for role in ROLES {
        let input = close(role.peer(), 1001, "bye");
        let (mut read, mut write, seen) = halves(role, Script::whole(&input));
        assert_eq!(read.recv().await.unwrap(), None);
        assert_eq!(seen.written(), close(role, 1001, "bye"));
        assert!(seen.shut_down());
        assert!(read.closed().unwrap().is_clean());
        let error = write.send("late").await.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::GOING_AWAY));
    }
}

#[tokio::test]
async fn what_the_write_half_feeds_leaves_when_the_read_half_receives() {
    for role in ROLES {
        let (mut read, mut write, seen) = halves(role, Script::new([]).silent());
        write.feed("fed").await.unwrap();
        assert!(write.buffered() > 0 && seen.written().is_empty());
        assert!(poll_once(read.recv()).is_pending());
        assert_eq!(seen.written(), frame(role, FIN | TEXT, b"fed"));
        assert_eq!(write.buffered(), 0);
    }
}

#[tokio::test]
async fn the_read_half_delivers_what_comes_after_the_write_half_has_closed() {
    for role in ROLES {
        let input = [
            frame(role.peer(), FIN | TEXT, b"one"),
            frame(role.peer(), FIN | TEXT, b"two"),
            close(role.peer(), 1000, ""),
        ];
        let (mut read, mut write, seen) = halves(role, Script::whole(&input.concat()));
        write.send_close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(read.recv().await.unwrap(), Some("one".into()));
        assert!(write.send("late").await.unwrap_err().is_closed());
        assert_eq!(read.recv().await.unwrap(), Some("two".into()));
        assert_eq!(read.recv().await.unwrap(), None);
        assert_eq!(seen.written(), close(role, 1000, ""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_half_that_waits_gives_up_at_the_deadline_of_the_write_halfs_close_frame() {
    let config = Config::new().close_timeout(Duration::from_secs(5));
    let (mut read, mut write, _far) = server(1024, &config);
    let reader = tokio::spawn(async move { read.recv().await });
    yield_now().await;
    let start = Instant::now();
    write.send_close(CloseCode::NORMAL, "").await.unwrap();
    let error = soon(reader).await.unwrap().unwrap_err();
    assert!(
        matches!(error, Error::Timeout(Timeout::Close { .. })),
        "{error:?}"
    );
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_write_half_is_completed_by_the_read_half() {
    let (mut read, mut write, mut far) = server(1024, &Config::new());
    let reader = tokio::spawn(async move {
        read.recv().await.unwrap();
        read.latency()
    });
    let pong = write.ping_with("1").await.unwrap();
    expect(&mut far, &frame(Role::Server, FIN | PING, b"1")).await;
    tokio::time::sleep(Duration::from_millis(30)).await;
    let answer = [
        frame(Role::Client, FIN | PONG, b"1"),
        frame(Role::Client, FIN | TEXT, b"m"),
    ];
    far.write_all(&answer.concat()).await.unwrap();
    assert_eq!(soon(pong).await.unwrap(), Duration::from_millis(30));
    assert_eq!(reader.await.unwrap(), Some(Duration::from_millis(30)));
}

#[tokio::test]
async fn halves_that_are_reunited_have_lost_nothing() {
    for role in ROLES {
        let rest = frame(role.peer(), FIN | CONTINUATION, b"in two parts");
        let (head, tail) = rest.split_at(9);
        let reads = [
            Read::Data(frame(role.peer(), TEXT, b"fragment, ")),
            Read::Data(head.to_vec()),
            Read::Pending,
            Read::Pending,
            Read::Data([tail, &close(role.peer(), 1000, "")].concat()),
        ];
        let full = [
            Write::Some(3),
            Write::Pending,
            Write::Pending,
            Write::Pending,
        ];
        let writes = full.into_iter().chain([Write::Some(usize::MAX)]);
        let (mut read, mut write, seen) = halves(role, Script::new(reads).writes(writes));
        assert!(poll_once(write.send("half sent")).is_pending());
        assert!(poll_once(read.recv()).is_pending());
        write.feed("fed").await.unwrap();
        let mut ws = read.reunite(write).unwrap();
        assert_eq!(
            ws.recv().await.unwrap(),
            Some("fragment, in two parts".into())
        );
        assert_eq!(ws.recv().await.unwrap(), None);
        let expected = [
            frame(role, FIN | TEXT, b"half sent"),
            frame(role, FIN | TEXT, b"fed"),
            close(role, 1000, ""),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn halves_of_two_connections_are_given_back() {
    let input = frame(Role::Client, FIN | TEXT, b"mine");
    let (read, mut write, seen) = halves(Role::Server, Script::whole(&input).silent());
    let (mut other_read, other_write, other_seen) = halves(Role::Server, Script::new([]));
    let (mut read, mut other_write) = read.reunite(other_write).unwrap_err();
    write.send("one").await.unwrap();
    other_write.send("two").await.unwrap();
    assert_eq!(seen.written(), frame(Role::Server, FIN | TEXT, b"one"));
    assert_eq!(
        other_seen.written(),
        frame(Role::Server, FIN | TEXT, b"two")
    );
    assert_eq!(read.recv().await.unwrap(), Some("mine".into()));
    assert!(other_read.recv().await.is_err());
    assert!(read.reunite(write).is_ok());
}

#[tokio::test]
async fn a_connection_may_be_split_again_and_its_subprotocol_stays() {
    let parts = wsimd::Parts::new(Script::new([]).silent(), Role::Server, &Config::new());
    let ws = WebSocket::from_parts(parts.subprotocol(Some("chat")));
    let (read, write) = ws.split();
    let (read, write) = read.reunite(write).unwrap().split();
    assert_eq!(read.reunite(write).unwrap().subprotocol(), Some("chat"));
}

#[tokio::test]
async fn either_half_goes_on_alone_and_the_stream_is_dropped_with_the_second() {
    let (mut read, write, mut far) = server(1024, &Config::new());
    drop(write);
    let input = [
        frame(Role::Client, FIN | PING, b"p"),
        frame(Role::Client, FIN | TEXT, b"m"),
    ];
    far.write_all(&input.concat()).await.unwrap();
    assert_eq!(soon(read.recv()).await.unwrap(), Some("m".into()));
    assert!(poll_once(read.recv()).is_pending());
    expect(&mut far, &frame(Role::Server, FIN | PONG, b"p")).await;
    drop(read);
    assert_eq!(
        soon(far.read_u8()).await.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );

    let (read, mut write, mut far) = server(1024, &Config::new());
    drop(read);
    write.send("alone").await.unwrap();
    write.send_close(CloseCode::NORMAL, "").await.unwrap();
    expect(&mut far, &frame(Role::Server, FIN | TEXT, b"alone")).await;
    expect(&mut far, &close(Role::Server, 1000, "")).await;
    drop(write);
    assert_eq!(
        soon(far.read_u8()).await.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn an_io_error_is_told_one_half_and_the_other_that_the_connection_is_closed() {
    let script = Script::new([]).writes([Write::Error(std::io::ErrorKind::BrokenPipe)]);
    let (mut read, mut write, _) = halves(Role::Server, script);
    assert!(matches!(write.send("m").await, Err(Error::Io(_))));
    assert!(matches!(read.recv().await, Err(Error::Closed(_))));
    assert!(matches!(write.send("m").await, Err(Error::Closed(_))));
}

/// The events that the peer receives from the bytes on the wire.
fn events(role: Role, written: &[u8]) -> Vec<Event> {
    let mut receiver = Receiver::new(role.peer(), &Config::new());
    let mut input = BytesMut::from(written);
    let mut events = Vec::new();
    while let Some(event) = receiver.receive(&mut input).unwrap() {
        events.push(event);
    }
    assert!(input.is_empty(), "half a frame was written");
    events
}

#[tokio::test]
async fn futures_of_both_halves_dropped_at_every_poll_lose_and_repeat_nothing() {
    for role in ROLES {
        let (input, expected) = mixed_traffic(role.peer());
        let reads = input
            .iter()
            .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
        let writes = std::iter::repeat_n([Write::Pending, Write::Some(3)], 2000).flatten();
        let (mut read, mut write, seen) = halves(role, Script::new(reads).silent().writes(writes));
        let mut received = Vec::new();
        let mut sent = 0;
        for poll in 0..2000 {
            if let std::task::Poll::Ready(message) = poll_once(read.recv()) {
                received.push(message.unwrap().unwrap());
            }
            let next = Message::from(format!("{sent:->60}"));
            if sent < 20 && poll_once(write.feed(next)).is_ready() {
                sent += 1;
            }
            if poll % 3 == 0 {
                drop(poll_once(write.flush()));
            }
        }
        assert_eq!(received, expected);
        assert_eq!((sent, write.buffered()), (20, 0));
        let events = events(role, &seen.written());
        let (pongs, messages): (Vec<Event>, Vec<Event>) = events
            .into_iter()
            .partition(|event| matches!(event, Event::Pong(_)));
        assert_eq!(pongs.last(), Some(&Event::Pong("2".into())));
        let expected: Vec<Event> = (0..20).map(|i| format!("{i:->60}").into()).collect();
        assert_eq!(messages, expected);
    }
}
