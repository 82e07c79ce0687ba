//! Queued bytes are bounded, and are written in few system calls.

use std::task::Poll;

use tokio::io::{AsyncReadExt, duplex};
use wsimd::{Config, Message, Role, WebSocket};

use crate::support::{
    connection,
    frames::{BINARY, FIN, PING, PONG, TEXT, frame, key},
    poll_once,
    script::{Read, Script, Write},
    soon,
};

#[tokio::test]
async fn what_was_fed_leaves_in_one_write() {
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new([]).silent());
    let mut expected = Vec::new();
    for len in [0, 10, 125, 1000, 5000, 70_000, 3] {
        ws.feed(vec![7; len]).await.unwrap();
        expected.extend(frame(Role::Server, FIN | 2, &vec![7; len]));
        if seen.writes() > 0 {
            break;
        }
    }
    ws.flush().await.unwrap();
    assert_eq!(ws.buffered(), 0);
    // The last message was above the high-water mark and waited for the others.
    assert_eq!(seen.writes(), 2);
    assert_eq!(seen.written(), expected);
}

/// Sends messages of the lengths over a stream without vectored writes. Returns the bytes of each write.
async fn send_plain(lens: &[usize], write: Write) -> Vec<usize> {
    let script = Script::new([]).silent().plain().writes([write]);
    let (mut ws, seen) = connection(Role::Server, Config::new(), script);
    let mut expected = Vec::new();
    for (fill, len) in (1..).zip(lens) {
        ws.feed(vec![fill; *len]).await.unwrap();
        expected.extend(frame(Role::Server, FIN | BINARY, &vec![fill; *len]));
    }
    ws.flush().await.unwrap();
    assert_eq!(ws.buffered(), 0);
    assert!(seen.written() == expected, "{lens:?} {write:?}");
    seen.written_by_write()
}

#[tokio::test]
async fn without_vectored_writes_a_header_leaves_with_its_payload() {
    const RECORD: usize = 16 << 10;
    let whole = Write::Some(usize::MAX);
    // The bytes after the first record are written from the memory of the message.
    let writes = send_plain(&[100_000], whole).await;
    assert_eq!(writes, [RECORD, 10 + 100_000 - RECORD]);
    let writes = send_plain(&[20_000, 10], whole).await;
    assert_eq!(writes, [RECORD, 4 + 20_000 + 2 + 10 - RECORD]);
    let writes = send_plain(&[10, 5000, 0, 4096, 3], whole).await;
    assert_eq!(writes, [2 + 10 + 4 + 5000 + 2 + 4 + 4096 + 2 + 3]);
}

#[tokio::test]
async fn without_vectored_writes_partial_writes_of_every_size_lose_nothing() {
    for size in 1..=17_200 {
        send_plain(&[5, 4096, 3, 13_000, 4], Write::Some(size)).await;
    }
}

#[tokio::test]
async fn a_burst_that_is_fed_back_leaves_when_recv_is_about_to_wait() {
    let burst = frame(Role::Client, FIN | TEXT, b"ping-pong").repeat(16);
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::whole(&burst).silent());
    for _ in 0..16 {
        let message = ws.recv().await.unwrap().unwrap();
        ws.feed(message).await.unwrap();
        assert_eq!(seen.writes(), 0);
    }
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.writes(), 1);
    let expected = frame(Role::Server, FIN | TEXT, b"ping-pong").repeat(16);
    assert_eq!(seen.written(), expected);
}

#[tokio::test]
async fn send_writes_through() {
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new([]).silent());
    ws.send("one").await.unwrap();
    assert_eq!(seen.writes(), 1);
    ws.send("two").await.unwrap();
    assert_eq!(seen.writes(), 2);
}

#[tokio::test]
async fn feed_waits_above_the_high_water_mark() {
    let config = Config::new().write_high_water(100);
    let script =
        Script::new([])
            .silent()
            .writes([Write::Pending, Write::Pending, Write::Some(usize::MAX)]);
    let (mut ws, seen) = connection(Role::Server, config, script);
    ws.feed(vec![0; 98]).await.unwrap();
    assert_eq!(ws.buffered(), 100);
    ws.feed(vec![1; 1]).await.unwrap();
    assert_eq!(ws.buffered(), 103);
    assert!(poll_once(ws.feed(vec![2; 10])).is_pending());
    assert!(poll_once(ws.feed(vec![3; 10])).is_pending());
    assert_eq!(ws.buffered(), 103, "a message was accepted without room");
    ws.feed(vec![4; 10]).await.unwrap();
    ws.flush().await.unwrap();
    let expected = [
        frame(Role::Server, FIN | 2, &[0; 98]),
        frame(Role::Server, FIN | 2, &[1; 1]),
        frame(Role::Server, FIN | 2, &[4; 10]),
    ];
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn a_flood_of_pings_to_a_blocked_writer_keeps_memory_bounded_and_the_newest_pong() {
    // tokio-websockets queues every pong; 10,000 of them here.
    let config = Config::new().write_high_water(1000);
    let pings: Vec<Read> = (0..10_000_u32)
        .map(|i| Read::Data(frame(Role::Client, FIN | PING, &i.to_be_bytes())))
        .collect();
    let blocked = std::iter::repeat_n(Write::Pending, 20_000);
    let script = Script::new(pings)
        .silent()
        .writes(blocked.chain([Write::Some(usize::MAX)]));
    let (mut ws, seen) = connection(Role::Server, config, script);
    while seen.reads() <= 10_000 {
        assert!(poll_once(ws.recv()).is_pending());
        assert!(ws.buffered() <= 1000 + 127, "{}", ws.buffered());
    }
    assert!(seen.written().is_empty());
    while ws.buffered() > 0 {
        assert!(poll_once(ws.recv()).is_pending());
    }
    let written = seen.written();
    let newest = frame(Role::Server, FIN | PONG, &9_999_u32.to_be_bytes());
    assert_eq!(written[written.len() - newest.len()..], newest);
    assert!(written.len() < 1100, "{}", written.len());
}

#[tokio::test]
async fn every_pong_of_a_burst_is_sent_while_there_is_room() {
    let pings: Vec<u8> = (0..10)
        .flat_map(|i| frame(Role::Client, FIN | PING, &[i]))
        .collect();
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::whole(&pings).silent());
    assert!(poll_once(ws.recv()).is_pending());
    let pongs: Vec<u8> = (0..10)
        .flat_map(|i| frame(Role::Server, FIN | PONG, &[i]))
        .collect();
    assert_eq!(seen.written(), pongs);
    assert_eq!(seen.writes(), 1);
}

#[tokio::test]
async fn one_poll_handles_a_bounded_number_of_frames() {
    let pongs = frame(Role::Client, FIN | PONG, b"").repeat(100_000);
    let input = [pongs, frame(Role::Client, FIN | TEXT, b"at last")].concat();
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::whole(&input).silent());
    let mut polls = 0;
    let message = loop {
        polls += 1;
        match poll_once(ws.recv()) {
            Poll::Pending => {}
            Poll::Ready(message) => break message.unwrap(),
        }
    };
    assert_eq!(message, Some(Message::from("at last")));
    assert!(polls > 100, "{polls} polls for 100,000 frames");
    assert!(seen.reads() < 20);
}

#[tokio::test]
async fn a_loop_over_buffered_messages_lets_other_tasks_run() {
    let input = frame(Role::Client, FIN | TEXT, b"m").repeat(8000);
    let (mut ws, _) = connection(Role::Server, Config::new(), Script::whole(&input));
    let other = tokio::spawn(std::future::ready(()));
    let mut received = 0;
    while !other.is_finished() {
        ws.recv().await.unwrap().unwrap();
        received += 1;
    }
    assert!(received < 1000, "{received} messages without a pause");
}

#[tokio::test]
async fn a_connection_sends_through_any_pattern_of_partial_writes() {
    for most in 1..=40 {
        let script = Script::new([]).silent().writes([Write::Some(most)]);
        let seen = script.seen.clone();
        let config = Config::new().masking_keys(key);
        let mut ws = WebSocket::new(script, Role::Client, &config);
        let mut expected = Vec::new();
        for len in [0, 1, 125, 126, 1023, 1024, 3000] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            expected.extend(frame(Role::Client, FIN | 2, &payload));
            ws.feed(payload).await.unwrap();
        }
        ws.flush().await.unwrap();
        assert_eq!(seen.written(), expected, "{most} bytes a write");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inbox_larger_than_the_high_water_mark_leaves_without_another_wake_up() {
    // The stream takes everything that is queued, so that nothing else wakes the task.
    for high_water in [0, 1000, 64 << 10] {
        let (near, mut far) = duplex(1 << 20);
        let config = Config::new().write_high_water(high_water);
        let mut ws = WebSocket::new(near, Role::Server, &config);
        let handle = ws.handle();
        let message = vec![7; 40_000];
        for _ in 0..10 {
            handle.try_send(message.clone()).unwrap();
        }
        let task = tokio::spawn(async move { ws.recv().await });
        let mut received = vec![0; 10 * (4 + 40_000)];
        soon(far.read_exact(&mut received)).await.unwrap();
        task.abort();
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_stream_takes_all_of_a_long_message() {
    let ping = Read::Data(frame(Role::Client, FIN | PING, b"now"));
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new([ping]).silent());
    ws.try_feed(vec![0; 48 << 20]).unwrap();
    let mut polls = 0;
    while !seen.written().contains(&(FIN | PONG)) {
        polls += 1;
        assert!(polls <= 3, "no pong, and {} bytes wait", ws.buffered());
        assert!(poll_once(ws.flush()).is_pending());
    }
}
