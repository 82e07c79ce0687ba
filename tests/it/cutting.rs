//! A message is cut into frames as it leaves (RFC 6455 §5.4). The tests interrupt a half-sent message.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{sleep, timeout},
};
use wsimd::{
    CloseCode, CloseFrame, Config, Error, Event, Message, ProtocolError, Role, Timeout,
    TryFeedError, WebSocket,
    extension::Deflate,
    protocol::{Endpoint, Step},
};

use crate::support::{
    deflate::{agree, noise},
    expect,
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, close, frame, key, peer},
    poll_once, soon,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const SIZE: usize = 100;
const HIGH_WATER: usize = 10;

fn config() -> Config {
    Config::new()
        .masking_keys(key)
        .outgoing_frame_size(SIZE)
        .write_high_water(HIGH_WATER)
}

fn payload() -> Vec<u8> {
    (0..1050).map(|i| (i % 251) as u8).collect()
}

/// The frames of [`payload`].
fn fragments(role: Role) -> Vec<Vec<u8>> {
    let payload = payload();
    let chunks = payload.chunks(SIZE);
    let last = chunks.len() - 1;
    let first = |i| if i == 0 { BINARY } else { CONTINUATION };
    let fin = |i| if i == last { FIN } else { 0 };
    let frames = chunks.enumerate();
    frames
        .map(|(i, chunk)| frame(role, fin(i) | first(i), chunk))
        .collect()
}

/// A connection that has sent half of the first frame of [`payload`] and waits, and the peer's end.
fn half_cut(role: Role, config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(64);
    let mut ws = WebSocket::new(near, role, config);
    assert!(poll_once(ws.send(payload())).is_pending());
    (ws, far)
}

/// Expects all frames of [`payload`], and then `rest`.
async fn expect_all(far: &mut DuplexStream, role: Role, rest: &[u8]) {
    expect(far, &fragments(role).concat()).await;
    expect(far, rest).await;
}

/// Expects the frames of [`payload`] that were cut when `frame` came, and then `frame`. Returns the
/// number of the former.
async fn expect_between(far: &mut DuplexStream, role: Role, frame: &[u8]) -> usize {
    let mut wire = vec![];
    // Bytes behind the frame stay in the stream.
    let mut chunk = [0; 1];
    while !wire.ends_with(frame) {
        let len = soon(far.read(&mut chunk)).await.unwrap();
        assert!(len > 0, "{frame:?} has not come");
        wire.extend_from_slice(&chunk[..len]);
    }
    wire.truncate(wire.len() - frame.len());
    let mut cut = 0;
    let mut rest = &wire[..];
    for fragment in fragments(role) {
        let Some(behind) = rest.strip_prefix(&fragment[..]) else {
            break;
        };
        (rest, cut) = (behind, cut + 1);
    }
    assert!(rest.is_empty(), "not between two frames");
    cut
}

#[test]
fn the_output_holds_one_frame_and_not_the_message() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, &config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        let mut wire = BytesMut::new();
        while !output.is_empty() {
            let most = HIGH_WATER + SIZE + 14;
            assert!(output.len() <= most, "{} bytes", output.len());
            assert!(endpoint.unfinished_len() == 0 || !endpoint.has_room(&output));
            wire.unsplit(output.split_to(7.min(output.len())));
            endpoint.on_written(&mut output);
        }
        assert_eq!(endpoint.unfinished_len(), 0);
        assert_eq!(wire, fragments(role).concat());
    }
}

#[test]
fn a_message_that_fits_into_one_frame_is_not_cut() {
    let mut endpoint = Endpoint::new(Role::Server, &Config::new());
    let mut output = BytesMut::new();
    endpoint.send(vec![7; 256 << 10], &mut output).unwrap();
    assert_eq!(endpoint.unfinished_len(), 0);
    assert_eq!(output[..2], [FIN | BINARY, 127]);
    output.clear();
    endpoint
        .send(vec![7; (256 << 10) + 1], &mut output)
        .unwrap();
    assert_eq!(endpoint.unfinished_len(), 1);
    let mut endpoint = Endpoint::new(Role::Server, &Config::new().outgoing_frame_size(None));
    endpoint.send(vec![7; 1 << 20], &mut output).unwrap();
    assert_eq!(endpoint.unfinished_len(), 0);
}

#[test]
fn a_message_sent_without_room_follows_the_whole_one_before() {
    let mut endpoint = Endpoint::new(Role::Server, &config());
    let mut output = BytesMut::new();
    endpoint.send(payload(), &mut output).unwrap();
    endpoint.send("next", &mut output).unwrap();
    let next = frame(Role::Server, FIN | TEXT, b"next");
    assert_eq!(output, [fragments(Role::Server).concat(), next].concat());
}

#[test]
fn a_close_frame_follows_the_message_and_is_recorded_then() {
    let mut endpoint = Endpoint::new(Role::Server, &config());
    let mut output = BytesMut::new();
    endpoint.send(payload(), &mut output).unwrap();
    assert!(endpoint.close(CloseFrame::EMPTY, &mut output));
    assert!(!endpoint.close(CloseFrame::EMPTY, &mut output));
    assert!(!endpoint.is_open());
    assert_eq!(endpoint.closed().sent, None);
    let mut wire = BytesMut::new();
    while !output.is_empty() {
        wire.unsplit(output.split());
        endpoint.on_written(&mut output);
    }
    assert_eq!(endpoint.closed().sent, Some(CloseFrame::EMPTY));
    let close = [0x88, 0];
    assert_eq!(
        wire,
        [&fragments(Role::Server).concat()[..], &close].concat()
    );
}

#[test]
fn the_end_of_the_stream_drops_the_rest() {
    for end in [Endpoint::receive_eof, Endpoint::abandon] {
        let mut endpoint = Endpoint::new(Role::Server, &config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        end(&mut endpoint);
        assert_eq!(endpoint.unfinished_len(), 0);
        assert_ne!(endpoint.next_step(), Step::Continue);
    }
}

#[tokio::test]
async fn whoever_polls_next_sends_the_rest_of_a_message_whose_send_was_dropped() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        assert_eq!(ws.buffered(), fragments_left(role));
        let receiver = tokio::spawn(async move { ws.recv().await });
        expect_all(&mut far, role, b"").await;
        let answer = frame(peer(role), FIN | TEXT, b"all is here");
        far.write_all(&answer).await.unwrap();
        let message = receiver.await.unwrap().unwrap();
        assert_eq!(message, Some("all is here".into()));
    }
}

/// The number of waiting bytes: the payload and one header, without the 64 bytes in the duplex.
fn fragments_left(role: Role) -> usize {
    payload().len() + fragments(role)[0].len() - SIZE - 64
}

#[tokio::test]
async fn there_is_no_room_beside_the_rest_of_a_message() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let full = ws.try_feed("more").unwrap_err();
        assert!(matches!(full, TryFeedError::Full(Message::Text(_))));
        assert!(poll_once(ws.reserve()).is_pending());
        assert!(poll_once(ws.feed("not accepted")).is_pending());
        let task = tokio::spawn(async move {
            ws.reserve().await.unwrap().send("by a permit").unwrap();
            ws.flush().await.unwrap();
        });
        let next = frame(role, FIN | TEXT, b"by a permit");
        expect_all(&mut far, role, &next).await;
        task.await.unwrap();
    }
}

#[tokio::test]
async fn the_message_of_a_handle_follows() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let handle = ws.handle();
        handle.try_send("from elsewhere").unwrap();
        let task = tokio::spawn(async move { ws.recv().await });
        let next = frame(role, FIN | TEXT, b"from elsewhere");
        expect_all(&mut far, role, &next).await;
        task.abort();
    }
}

#[tokio::test]
async fn a_graceful_close_follows_the_message() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let task = tokio::spawn(async move {
            ws.close(CloseCode::NORMAL, "done").await.unwrap();
            ws.closed().unwrap()
        });
        expect_all(&mut far, role, &close(role, 1000, "done")).await;
        far.write_all(&close(peer(role), 1000, "")).await.unwrap();
        drop(far);
        assert!(task.await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_close_of_the_peer_is_echoed_between_two_frames() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let task = tokio::spawn(async move { (ws.send("never").await, ws.recv().await) });
        far.write_all(&close(peer(role), 1001, "")).await.unwrap();
        let cut = expect_between(&mut far, role, &close(role, 1001, "")).await;
        assert!((1..4).contains(&cut), "{cut} frames before the echo");
        drop(far);
        let (sent, received) = task.await.unwrap();
        assert!(matches!(sent, Err(Error::Closed(_))), "{sent:?}");
        assert_eq!(received.unwrap(), None);
    }
}

#[tokio::test]
async fn a_violation_is_told_between_two_frames() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let task = tokio::spawn(async move { ws.send("never").await });
        far.write_all(&frame(peer(role), FIN | 3, b""))
            .await
            .unwrap();
        let error = ProtocolError::ReservedOpcode(3);
        let told = error.close_frame();
        let told = close(role, 1002, told.reason());
        let cut = expect_between(&mut far, role, &told).await;
        assert!((1..4).contains(&cut), "{cut} frames before the Close frame");
        drop(far);
        let sent = task.await.unwrap();
        assert!(
            matches!(sent, Err(Error::Protocol(it)) if it == error),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_ping_is_answered_between_two_frames() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        let task = tokio::spawn(async move {
            ws.flush().await.unwrap();
            ws
        });
        far.write_all(&frame(peer(role), FIN | PING, b"now"))
            .await
            .unwrap();
        let pong = frame(role, FIN | PONG, b"now");
        let cut = expect_between(&mut far, role, &pong).await;
        assert!((1..4).contains(&cut), "{cut} frames before the pong");
        expect(&mut far, &fragments(role)[cut..].concat()).await;
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_half_sends() {
    for role in ROLES {
        let (near, mut far) = duplex(64);
        let (mut read, mut write) = WebSocket::new(near, role, &config()).split();
        let writer = tokio::spawn(async move { write.send(payload()).await });
        let reader = tokio::spawn(async move { read.recv().await });
        far.write_all(&frame(peer(role), FIN | PING, b"now"))
            .await
            .unwrap();
        let pong = frame(role, FIN | PONG, b"now");
        let cut = expect_between(&mut far, role, &pong).await;
        expect(&mut far, &fragments(role)[cut..].concat()).await;
        writer.await.unwrap().unwrap();
        reader.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn the_keepalive_drops_the_rest_for_a_peer_that_takes_nothing() {
    for role in ROLES {
        let secs = Duration::from_secs;
        let config = config().ping_interval(secs(20)).ping_timeout(secs(20));
        let (mut ws, far) = half_cut(role, &config);
        let sent = timeout(secs(100), ws.send("never")).await.unwrap();
        let is_timeout = matches!(sent, Err(Error::Timeout(Timeout::Ping)));
        assert!(is_timeout, "{sent:?}");
        assert_eq!(ws.buffered(), 0);
        drop(far);
    }
}

#[tokio::test(start_paused = true)]
async fn the_close_deadline_drops_the_rest() {
    for role in ROLES {
        let config = config().close_timeout(Duration::from_secs(5));
        let (mut ws, far) = half_cut(role, &config);
        let closed = timeout(Duration::from_secs(6), ws.close(CloseCode::NORMAL, "")).await;
        let is_timeout = matches!(closed, Ok(Err(Error::Timeout(Timeout::Close))));
        assert!(is_timeout, "{closed:?}");
        assert_eq!(ws.buffered(), 0);
        drop(far);
    }
}

#[tokio::test]
async fn abort_of_a_handle_drops_the_rest() {
    for role in ROLES {
        let (mut ws, mut far) = half_cut(role, &config());
        ws.handle().abort();
        assert!(ws.send("never").await.is_err());
        drop(ws);
        let mut wire = vec![];
        far.read_to_end(&mut wire).await.unwrap();
        assert_eq!(wire.len(), 64);
    }
}

#[tokio::test]
async fn a_connection_taken_apart_continues_with_the_rest() {
    for role in ROLES {
        let (ws, mut far) = half_cut(role, &config());
        let parts = ws.into_parts();
        let all = fragments(role).concat();
        assert_eq!(parts.write_buf, all[64..]);
        let mut ws = WebSocket::from_parts(parts);
        let task = tokio::spawn(async move { ws.send("next").await });
        expect_all(&mut far, role, &frame(role, FIN | TEXT, b"next")).await;
        task.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_drops_the_rest() {
    for role in ROLES {
        let (mut ws, far) = half_cut(role, &config());
        drop(far);
        assert!(ws.send("never").await.is_err());
        assert_eq!(ws.buffered(), 0);
        sleep(Duration::from_secs(1)).await;
    }
}

/// A client's and a server's endpoint that compress.
fn compressing() -> [Endpoint; 2] {
    let config = Config::new()
        .extension(Deflate::new())
        .max_message_size(8 << 20);
    let (client, server) = agree(&config, &config);
    let mut endpoints = ROLES.map(|role| Endpoint::new(role, &config));
    endpoints[0].set_extensions(client);
    endpoints[1].set_extensions(server);
    endpoints
}

#[test]
fn a_long_message_is_compressed_as_it_leaves() {
    let message = Message::from(noise(1 << 20, 1));
    for sender in [0, 1] {
        let mut endpoints = compressing();
        let (mut output, mut wire) = (BytesMut::new(), BytesMut::new());
        endpoints[sender]
            .send(message.clone(), &mut output)
            .unwrap();
        let mut frames = 0;
        while !output.is_empty() {
            assert!(output.len() < 200_000, "{} bytes", output.len());
            frames += 1;
            wire.unsplit(output.split());
            endpoints[sender].on_written(&mut output);
        }
        assert!(frames > 8, "{frames} turns");
        let received = endpoints[1 - sender].receive(&mut wire, &mut output);
        assert_eq!(received.unwrap(), Some(message.clone().into()));
    }
}

#[test]
fn a_compressed_message_whose_rest_is_dropped_leaves_a_whole_close_frame() {
    for sender in [0, 1] {
        let mut endpoints = compressing();
        let (mut output, mut answer) = (BytesMut::new(), BytesMut::new());
        endpoints[sender]
            .send(noise(1 << 20, 1), &mut output)
            .unwrap();
        assert!(endpoints[sender].unfinished_len() > 0);
        endpoints[1 - sender].close(CloseFrame::EMPTY, &mut answer);
        let close = endpoints[sender].receive(&mut answer, &mut output).unwrap();
        assert_eq!(close, Some(Event::Close(CloseFrame::EMPTY)));
        assert_eq!(endpoints[sender].unfinished_len(), 0);
        let echo = endpoints[1 - sender].receive(&mut output, &mut answer);
        assert_eq!(echo.unwrap(), Some(Event::Close(CloseFrame::EMPTY)));
    }
}
