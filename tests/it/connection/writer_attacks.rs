//! Messages that are sent in chunks, and everything that meets them.

use std::{future::poll_fn, mem, task::Poll, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::{JoinSet, coop},
    time::{Instant, sleep, timeout},
};
use tokio_util::codec::Decoder as _;
use wsimd::{
    CloseCode, Config, Error, FrameCodec, Handle, MessageWriter, Parts, Role, Timeout, WebSocket,
};

use crate::support::{
    deflate::{agree, deflate},
    expect,
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame, key},
    pinging, poll_once, secs, soon,
};

fn config() -> Config {
    Config::new().masking_keys(key)
}

/// The task that receives has waited since before the messages of the handle could leave.
#[tokio::test(start_paused = true)]
async fn messages_and_a_close_of_a_handle_leave_when_the_writer_of_a_half_has_finished() {
    for role in ROLES {
        for (messages, closes) in [(1, true), (1, false), (0, true), (40, true), (40, false)] {
            let (near, mut far) = duplex(1 << 16);
            let mut ws = WebSocket::new(near, role, &config());
            let handle = ws.handle();
            let (mut read, mut write) = ws.split();
            let reader = tokio::spawn(async move { read.recv().await });
            let mut message = write.text_writer();
            // Both tasks are known to the connection before the handle sends.
            for _ in 0..3 {
                message.write_chunk("a").await.unwrap();
                message.flush().await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            for _ in 0..messages {
                handle.send("h").await.unwrap();
            }
            if closes {
                handle.close(CloseCode::GOING_AWAY, "").await.unwrap();
            }
            sleep(Duration::from_secs(1)).await;
            message.write_chunk("b").await.unwrap();
            message.finish().await.unwrap();
            let before = Instant::now();
            expect(&mut far, &frame(role, TEXT, b"a")).await;
            for _ in 0..2 {
                expect(&mut far, &frame(role, CONTINUATION, b"a")).await;
            }
            expect(&mut far, &frame(role, FIN | CONTINUATION, b"b")).await;
            for _ in 0..messages {
                expect(&mut far, &frame(role, FIN | TEXT, b"h")).await;
            }
            if closes {
                expect(&mut far, &close(role, 1001, "")).await;
            }
            assert_eq!(before.elapsed(), Duration::ZERO);
            reader.abort();
        }
    }
}

/// One task waits for both halves with one waker.
#[tokio::test(start_paused = true)]
async fn messages_of_a_handle_leave_when_the_writer_in_the_same_task_has_finished() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 16);
        let mut ws = WebSocket::new(near, role, &config());
        let handle = ws.handle();
        let both = tokio::spawn(async move {
            let (mut read, mut write) = ws.split();
            let send = async {
                let mut message = write.text_writer();
                message.write_chunk("a").await.unwrap();
                message.flush().await.unwrap();
                sleep(secs(2)).await;
                message.finish().await.unwrap();
                sleep(secs(100)).await;
            };
            tokio::join!(send, read.recv())
        });
        sleep(secs(1)).await;
        handle.send("h").await.unwrap();
        expect(&mut far, &frame(role, TEXT, b"a")).await;
        expect(&mut far, &frame(role, FIN | CONTINUATION, b"")).await;
        let before = Instant::now();
        expect(&mut far, &frame(role, FIN | TEXT, b"h")).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
        both.abort();
    }
}

/// The first poll of `finish` accepts the end, although the task has used up its turn.
#[tokio::test]
async fn finish_accepts_the_end_without_budget() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 16);
        let mut ws = WebSocket::new(near, role, &config());
        let mut message = ws.text_writer();
        for _ in 0..3 {
            message.write_chunk("a").await.unwrap();
        }
        let mut finish = Box::pin(message.finish());
        poll_fn(|cx| {
            while let Poll::Ready(progress) = coop::poll_proceed(cx) {
                progress.made_progress();
            }
            assert!(finish.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(finish);
        ws.send("b").await.unwrap();
        expect(&mut far, &frame(role, FIN | TEXT, b"aaa")).await;
        expect(&mut far, &frame(role, FIN | TEXT, b"b")).await;
    }
}

/// A client or a server over a pipe, and the peer's end of the pipe.
fn open(role: Role, size: usize, config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(size);
    (WebSocket::new(near, role, config), far)
}

/// Reads everything until the stream is silent for a moment or has ended.
async fn read_all(far: &mut DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while let Ok(Ok(len @ 1..)) = timeout(Duration::from_millis(1), far.read(&mut buffer)).await {
        bytes.extend_from_slice(&buffer[..len]);
    }
    bytes
}

/// The frames of the wire: the first byte and the payload.
fn frames(role: Role, wire: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut codec = FrameCodec::new(role.peer(), &Config::new().max_frame_size(None));
    let mut wire = BytesMut::from(wire);
    let mut frames = Vec::new();
    while let Some(frame) = codec.decode(&mut wire).unwrap() {
        let fin = if frame.fin { FIN } else { 0 };
        frames.push((fin | frame.opcode as u8, frame.payload.to_vec()));
    }
    frames
}

/// The progress of a writer when it is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    New,
    Refused,
    Empty,
    Held,
    Flushed,
    Large,
    Ended,
}

use Progress::{Empty, Ended, Flushed, Held, Large, New, Refused};

const PROGRESS: [Progress; 7] = [New, Refused, Empty, Held, Flushed, Large, Ended];

async fn advance(mut writer: MessageWriter<'_, DuplexStream>, progress: Progress) {
    match progress {
        New => {}
        Refused => assert!(writer.write_chunk(vec![0xff]).await.is_err()),
        Empty => writer.write_chunk("").await.unwrap(),
        Held => writer.write_chunk("held").await.unwrap(),
        Flushed => {
            writer.write_chunk("left").await.unwrap();
            writer.flush().await.unwrap();
            writer.write_chunk("held").await.unwrap();
        }
        // More than the pipe takes.
        Large => assert!(poll_once(writer.write_chunk("x".repeat(100_000))).is_pending()),
        Ended => {
            writer
                .write_chunk("x".repeat(100_000))
                .await
                .map_or_else(|error| panic!("{error}"), |()| ());
            assert!(poll_once(writer.finish()).is_ready());
        }
    }
}

/// What happens to the connection around the writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Nothing,
    CloseOfHandle,
    TryClose,
    Abort,
    CloseOfPeer,
    Violation,
}

use Event::{Abort, CloseOfHandle, CloseOfPeer, Nothing, TryClose, Violation};

const EVENTS: [Event; 6] = [
    Nothing,
    CloseOfHandle,
    TryClose,
    Abort,
    CloseOfPeer,
    Violation,
];

async fn happen(event: Event, handle: &Handle, far: &mut DuplexStream, role: Role) {
    match event {
        Nothing => {}
        // A connection that has failed refuses both.
        CloseOfHandle => drop(handle.close(CloseCode::GOING_AWAY, "").await),
        TryClose => drop(handle.try_close(CloseCode::GOING_AWAY, "")),
        Abort => handle.abort(),
        CloseOfPeer => far.write_all(&close(role.peer(), 4000, "")).await.unwrap(),
        Violation => far
            .write_all(&frame(role.peer(), FIN | 3, b""))
            .await
            .unwrap(),
    }
}

/// The code of the Close frame that has to leave after a writer was dropped; `None` if none leaves.
fn expected_code(progress: Progress, event: Event) -> Option<u16> {
    let is_begun = !matches!(progress, New | Refused | Ended);
    match event {
        Abort => None,
        TryClose => Some(1001),
        CloseOfPeer => Some(4000),
        Violation => Some(1002),
        CloseOfHandle | Nothing if is_begun => Some(1011),
        CloseOfHandle => Some(1001),
        Nothing => None,
    }
}

/// Every progress of a writer, and every event while it exists, before it is dropped.
#[tokio::test(start_paused = true)]
async fn a_writer_that_is_dropped_fails_the_connection_exactly_if_its_message_has_begun() {
    for role in ROLES {
        for progress in PROGRESS {
            for event in EVENTS {
                for is_split in [false, true] {
                    let case = format!("{role:?}, {progress:?}, {event:?}, split: {is_split}");
                    let (mut ws, mut far) = open(role, 200_000, &config());
                    if progress == Large {
                        (ws, far) = open(role, 300, &config());
                    }
                    let handle = ws.handle();
                    let mut read = None;
                    let mut whole = None;
                    if is_split {
                        let (reader, mut writer) = ws.split();
                        let message = writer.text_writer();
                        advance(message, progress).await;
                        read = Some((reader, writer));
                    } else {
                        let message = ws.text_writer();
                        advance(message, progress).await;
                        whole = Some(ws);
                    }
                    // The writer is gone: the event comes when 1011 is already decided, but for an end that is faster.
                    happen(event, &handle, &mut far, role).await;
                    let received = tokio::spawn(async move {
                        match (read, whole) {
                            (Some((mut reader, writer)), _) => {
                                let end = reader.recv().await;
                                drop(writer);
                                end
                            }
                            (_, Some(mut ws)) => ws.recv().await,
                            _ => unreachable!("one of both exists"),
                        }
                    });
                    let wire = read_all(&mut far).await;
                    let all = frames(role, &wire);
                    let is_begun = !matches!(progress, New | Refused | Ended);
                    let code = match event {
                        Abort => None,
                        // The Close frame of the dropped writer was queued first.
                        _ if is_begun => Some(1011),
                        event => expected_code(progress, event),
                    };
                    check_close(&all, code, &case);
                    if progress == Ended && event != Abort {
                        let data: Vec<u8> = data(&all);
                        assert_eq!(data.len(), 100_000, "{case}");
                    }
                    received.abort();
                }
            }
        }
    }
}

fn data(frames: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let data = frames.iter().filter(|(first, _)| first & 8 == 0);
    data.flat_map(|(_, payload)| payload.clone()).collect()
}

/// Checks that the last frame is a Close frame with this code, or that there is none, and that no message has ended that
/// was cut short.
fn check_close(frames: &[(u8, Vec<u8>)], code: Option<u16>, case: &str) {
    let closes: Vec<_> = frames
        .iter()
        .filter(|(first, _)| first & 0xf == CLOSE)
        .collect();
    let Some(code) = code else {
        assert!(closes.is_empty(), "{case}: {closes:?}");
        return;
    };
    assert_eq!(closes.len(), 1, "{case}");
    let (first, payload) = frames.last().unwrap();
    assert_eq!(first & 0xf, CLOSE, "{case}");
    assert_eq!(&payload[..2], code.to_be_bytes(), "{case}");
}

/// The same events while the writer exists. It is used afterwards, and then dropped.
#[tokio::test(start_paused = true)]
async fn a_writer_meets_every_event() {
    for role in ROLES {
        for event in EVENTS {
            for finishes in [false, true] {
                let case = format!("{role:?}, {event:?}, finishes: {finishes}");
                let (mut ws, mut far) = open(role, 1 << 16, &config());
                let handle = ws.handle();
                let (mut read, mut write) = ws.split();
                let reader = tokio::spawn(async move { (read.recv().await, read.recv().await) });
                let mut message = write.text_writer();
                message.write_chunk("a").await.unwrap();
                message.flush().await.unwrap();
                handle.try_send("h").unwrap();
                happen(event, &handle, &mut far, role).await;
                sleep(secs(1)).await;
                let continues = message.write_chunk("b").await;
                let is_graceful = matches!(event, Nothing | CloseOfHandle);
                assert_eq!(continues.is_ok(), is_graceful, "{case}: {continues:?}");
                let finished = match finishes {
                    true => message.finish().await.is_ok(),
                    false => {
                        drop(message);
                        false
                    }
                };
                assert_eq!(finished, finishes && is_graceful, "{case}");
                let all = frames(role, &read_all(&mut far).await);
                let code = match event {
                    Nothing if finishes => None,
                    CloseOfHandle if finishes => Some(1001),
                    event => expected_code(Flushed, event),
                };
                check_close(&all, code, &case);
                let expected: &[u8] = match finished {
                    true => b"abh",
                    // The held chunk is dropped with the writer.
                    false => b"a",
                };
                assert_eq!(data(&all), expected, "{case}");
                assert_eq!(
                    all.iter().any(|(first, _)| *first == FIN | CONTINUATION),
                    finished
                );
                reader.abort();
            }
        }
    }
}

/// Bytes that the peer takes are a sign of life, and a message that is open and idle is no backlog.
#[tokio::test(start_paused = true)]
async fn the_keepalive_judges_an_idle_writer_by_the_pongs_of_the_peer() {
    for role in ROLES {
        for answers in [true, false] {
            let config = pinging(10, 5).masking_keys(key);
            let (ws, mut far) = open(role, 1 << 16, &config);
            let (mut read, mut write) = ws.split();
            let reader = tokio::spawn(async move { read.recv().await });
            let mut message = write.binary_writer();
            message.write_chunk("a").await.unwrap();
            message.flush().await.unwrap();
            message.write_chunk("held").await.unwrap();
            let mut wire = Vec::new();
            let mut seen = 0;
            for _ in 0..10 {
                sleep(secs(10)).await;
                wire.extend(read_all(&mut far).await);
                let all = frames(role, &wire);
                for (first, payload) in &all[seen..] {
                    if answers && *first == FIN | PING {
                        let pong = frame(role.peer(), FIN | PONG, payload);
                        far.write_all(&pong).await.unwrap();
                    }
                }
                seen = all.len();
            }
            let pings = frames(role, &wire)
                .into_iter()
                .filter(|(first, _)| *first == FIN | PING);
            assert_eq!(pings.count(), if answers { 10 } else { 1 });
            assert_eq!(reader.is_finished(), !answers);
            assert_eq!(message.finish().await.is_ok(), answers);
            if answers {
                wire.extend(read_all(&mut far).await);
                assert_eq!(data(&frames(role, &wire)), b"aheld");
                reader.abort();
            }
        }
    }
}

/// A peer that takes nothing is given up while a chunk waits.
#[tokio::test(start_paused = true)]
async fn a_writer_whose_chunk_is_not_taken_gives_the_peer_up() {
    for role in ROLES {
        let config = pinging(10, 5).masking_keys(key);
        let (mut ws, _far) = open(role, 100, &config);
        let mut message = ws.binary_writer();
        let sent = timeout(secs(100), message.write_chunk(vec![7; 100_000])).await;
        let error = sent.unwrap().unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Ping { .. })),
            "{error:?}"
        );
        assert!(message.finish().await.is_err());
    }
}

/// Pongs leave while the writer waits for a slow peer, and while it is idle and the other half waits.
#[tokio::test(start_paused = true)]
async fn pings_are_answered_between_the_frames_of_a_writer() {
    for role in ROLES {
        let (mut ws, mut far) = open(role, 50_000, &config());
        far.write_all(&frame(role.peer(), FIN | PING, b"1"))
            .await
            .unwrap();
        let writer = tokio::spawn(async move {
            let mut message = ws.binary_writer();
            for _ in 0..10 {
                message.write_chunk(vec![7; 30_000]).await.unwrap();
            }
            message.finish().await.unwrap();
            ws
        });
        sleep(secs(1)).await;
        assert!(!writer.is_finished());
        let all = frames(role, &read_all(&mut far).await);
        let place = all
            .iter()
            .position(|(first, _)| *first == FIN | PONG)
            .unwrap();
        assert!((1..8).contains(&place), "{place}");
        assert_eq!(data(&all).len(), 300_000);
        drop(writer.await.unwrap());

        let (ws, mut far) = open(role, 1 << 16, &config());
        let (mut read, mut write) = ws.split();
        let reader = tokio::spawn(async move { read.recv().await });
        let mut message = write.binary_writer();
        message.write_chunk("a").await.unwrap();
        far.write_all(&frame(role.peer(), FIN | PING, b"2"))
            .await
            .unwrap();
        expect(&mut far, &frame(role, FIN | PONG, b"2")).await;
        message.finish().await.unwrap();
        expect(&mut far, &frame(role, FIN | BINARY, b"a")).await;
        reader.abort();
    }
}

/// Each flush brings all bytes to the peer, compressed or not, and leaves the context as the peer has it.
#[tokio::test(start_paused = true)]
async fn everything_that_was_flushed_can_be_decoded() {
    for role in ROLES {
        for takeover in [None, Some(true), Some(false)] {
            let config = match takeover {
                None => Config::new(),
                Some(takeover) => Config::new().extension(deflate(15, takeover)),
            };
            let (client, server) = agree(&config, &config);
            let (ours, theirs) = match role {
                Role::Client => (client, server),
                Role::Server => (server, client),
            };
            let (near, far) = duplex(1 << 16);
            let parts = |io, role, extensions| Parts::new(io, role, &config).extensions(extensions);
            let mut ws = WebSocket::from_parts(parts(near, role, ours));
            let mut peer = WebSocket::from_parts(parts(far, role.peer(), theirs));
            for round in 0..3 {
                let mut message = ws.text_writer();
                message.write_chunk("begins ").await.unwrap();
                message.flush().await.unwrap();
                let mut reader = soon(peer.recv_stream()).await.unwrap().unwrap();
                assert_eq!(soon(reader.chunk()).await.unwrap(), Some("begins ".into()));
                for word in ["one ", "two ", "one two ", "drei ä", "一"] {
                    message.write_chunk(word).await.unwrap();
                    message.flush().await.unwrap();
                    message.flush().await.unwrap();
                    assert_eq!(soon(reader.chunk()).await.unwrap(), Some(word.into()));
                }
                message.finish().await.unwrap();
                if round == 1 {
                    drop(reader);
                } else {
                    assert_eq!(soon(reader.chunk()).await.unwrap(), None);
                }
                ws.send("begins one two").await.unwrap();
                assert_eq!(
                    soon(peer.recv()).await.unwrap(),
                    Some("begins one two".into())
                );
            }
        }
    }
}

/// A leaked writer must not delay the connection without a limit.
#[tokio::test(start_paused = true)]
async fn a_leaked_writer_fails_the_connection_with_the_next_message() {
    for role in ROLES {
        let (mut ws, mut far) = open(role, 1 << 16, &config());
        let mut message = ws.text_writer();
        message.write_chunk("a").await.unwrap();
        mem::forget(message);
        assert!(soon(ws.send("next")).await.is_err());
        assert!(poll_once(ws.recv()).is_pending());
        check_close(
            &frames(role, &read_all(&mut far).await),
            Some(1011),
            "leaked",
        );
    }
}

/// A message without an end must not hold up a close beyond its deadline, even if no call ever waits.
#[tokio::test(start_paused = true)]
async fn a_close_that_waits_for_a_message_without_an_end_is_bounded() {
    for role in ROLES {
        for is_flushed in [true, false] {
            let config = config().close_timeout(secs(5));
            let (mut ws, mut far) = open(role, 1 << 16, &config);
            let handle = ws.handle();
            let reads = tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while far.read(&mut buffer).await.is_ok_and(|len| len > 0) {}
            });
            let mut message = ws.binary_writer();
            message.write_chunk("a").await.unwrap();
            let before = Instant::now();
            handle.close(CloseCode::GOING_AWAY, "").await.unwrap();
            let error = loop {
                let len = if is_flushed { 1 } else { 40_000 };
                let sent = async {
                    message.write_chunk(vec![7; len]).await?;
                    match is_flushed {
                        true => message.flush().await,
                        false => Ok(()),
                    }
                };
                if let Err(error) = sent.await {
                    break error;
                }
                assert!(before.elapsed() < secs(10), "the close is never sent");
                sleep(secs(1)).await;
            };
            assert!(
                matches!(error, Error::Timeout(Timeout::Close { .. })),
                "{error:?}"
            );
            drop(message);
            reads.abort();
        }
    }
}

/// A task that only writes chunks, which never wait, sees the requests of handles.
#[tokio::test(start_paused = true)]
async fn a_writer_that_never_waits_hears_of_the_requests_of_handles() {
    for role in ROLES {
        for event in [CloseOfHandle, TryClose, Abort] {
            for len in [1, 40_000] {
                let (mut ws, mut far) = open(role, 1 << 20, &config());
                let handle = ws.handle();
                let mut message = ws.binary_writer();
                message.write_chunk("a").await.unwrap();
                happen(event, &handle, &mut far, role).await;
                let mut sent = 0;
                while sent < 5 && message.write_chunk(vec![7; len]).await.is_ok() {
                    sent += 1;
                }
                if event == CloseOfHandle {
                    assert_eq!(sent, 5);
                    message.finish().await.unwrap();
                    let all = frames(role, &read_all(&mut far).await);
                    check_close(&all, Some(1001), "graceful");
                } else {
                    assert_eq!(sent, 0, "{event:?}");
                }
            }
        }
    }
}

/// A peer that answers nothing: the end of a connection that a dropped writer has failed is bounded.
#[tokio::test(start_paused = true)]
async fn the_end_after_a_dropped_writer_has_the_close_deadline() {
    for role in ROLES {
        for is_split in [false, true] {
            let (mut ws, _far) = open(role, 1 << 16, &config().close_timeout(secs(5)));
            let before = Instant::now();
            let error = if is_split {
                let (mut read, mut write) = ws.split();
                let reader = tokio::spawn(async move { read.recv().await });
                sleep(secs(1)).await;
                advance(write.text_writer(), Held).await;
                reader.await.unwrap().unwrap_err()
            } else {
                advance(ws.text_writer(), Held).await;
                ws.recv().await.unwrap_err()
            };
            assert!(
                matches!(error, Error::Timeout(Timeout::Close { .. })),
                "{error:?}"
            );
            assert!(before.elapsed() <= secs(6), "{:?}", before.elapsed());
        }
    }
}

/// Real threads: halves send in chunks while the other ends receive in chunks, and handles send in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_send_and_receive_in_chunks() {
    const COUNT: usize = 1000;
    let payload = |number: usize| number.to_le_bytes().repeat(number % 200);
    let (near, far) = duplex(3000);
    let config = Config::new().write_high_water(1000);
    let ends = [(near, Role::Client), (far, Role::Server)];
    let mut tasks = JoinSet::new();
    for (io, role) in ends {
        let mut ws = WebSocket::new(io, role, &config);
        let handle = ws.handle();
        let (mut reader, mut writer) = ws.split();
        tasks.spawn(async move {
            for number in 0..COUNT {
                let mut message = writer.binary_writer();
                for chunk in payload(number).chunks(300) {
                    message.write_chunk(chunk.to_vec()).await.unwrap();
                    if number % 3 == 0 {
                        message.flush().await.unwrap();
                    }
                }
                message.finish().await.unwrap();
            }
            (None, Some(writer))
        });
        tasks.spawn(async move {
            for _ in 0..COUNT {
                handle.send("h").await.unwrap();
            }
            (None, None)
        });
        tasks.spawn(async move {
            let mut next = [0; 2];
            while next != [COUNT; 2] {
                let mut message = reader.recv_stream().await.unwrap().unwrap();
                let source = usize::from(message.is_text());
                let mut bytes = Vec::new();
                while let Some(chunk) = message.chunk().await.unwrap() {
                    bytes.extend_from_slice(chunk.as_bytes());
                }
                match source {
                    0 => assert_eq!(bytes, payload(next[0])),
                    _ => assert_eq!(bytes, b"h"),
                }
                next[source] += 1;
            }
            (Some(reader), None)
        });
    }
    // Halves that are done stay, because the end of a connection fails the last messages of its peer.
    let mut done = Vec::new();
    soon(async {
        while let Some(halves) = tasks.join_next().await {
            done.push(halves.unwrap());
        }
    })
    .await;
    assert_eq!(done.len(), 6);
}

/// The pings of the keepalive release memory that was not used. The contexts of an open message stay, on both sides.
#[tokio::test(start_paused = true)]
async fn a_compressed_message_that_is_idle_for_minutes_continues() {
    for role in ROLES {
        for takeover in [true, false] {
            let config = pinging(10, 5).extension(deflate(15, takeover));
            let (client, server) = agree(&config, &config);
            let (ours, theirs) = match role {
                Role::Client => (client, server),
                Role::Server => (server, client),
            };
            let (near, far) = duplex(1 << 16);
            let parts = |io, role, extensions| Parts::new(io, role, &config).extensions(extensions);
            let (mut read, mut write) = WebSocket::from_parts(parts(near, role, ours)).split();
            let mut peer = WebSocket::from_parts(parts(far, role.peer(), theirs));
            let reader = tokio::spawn(async move { read.recv().await });
            let listener = tokio::spawn(async move {
                for _ in 0..2 {
                    let mut text = String::new();
                    let mut message = peer.recv_stream().await.unwrap().unwrap();
                    while let Some(chunk) = message.chunk().await.unwrap() {
                        text.push_str(chunk.as_text().unwrap());
                    }
                    assert_eq!(text, "one two three ".repeat(3));
                }
                peer
            });
            for _ in 0..2 {
                let mut message = write.text_writer();
                for _ in 0..3 {
                    message.write_chunk("one two three ").await.unwrap();
                    message.flush().await.unwrap();
                    sleep(secs(60)).await;
                }
                message.finish().await.unwrap();
                sleep(secs(60)).await;
            }
            drop(soon(listener).await.unwrap());
            reader.abort();
        }
    }
}
