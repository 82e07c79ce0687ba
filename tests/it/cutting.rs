//! A message is cut into frames as it leaves (RFC 6455 §5.4). The tests interrupt a half-sent message, plain
//! and compressed (RFC 7692 §6.1).

use std::time::Duration;

use bytes::BytesMut;
use tokio::time::{sleep, timeout};
use wsimd::{
    CloseCode, CloseFrame, Config, Error, Event, Message, ProtocolError, Role, Timeout,
    TryFeedError, WebSocket,
    extension::Deflate,
    protocol::{Endpoint, Step},
};

use crate::support::{
    cut::{Coding, HIGH_WATER, OVERHEAD, SIZE, TAKEN, cases, config, next, payload},
    deflate::{agree, noise},
    frames::{BINARY, CLOSE, FIN, PING, PONG, close_payload},
    poll_once,
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn the_output_holds_one_frame_and_not_the_message() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        let mut wire = BytesMut::new();
        while !output.is_empty() {
            let most = HIGH_WATER + SIZE + OVERHEAD + 14;
            assert!(output.len() <= most, "{} bytes", output.len());
            assert!(endpoint.unfinished_len() == 0 || !endpoint.has_room(&output));
            wire.unsplit(output.split_to(7.min(output.len())));
            endpoint.on_written(&mut output);
        }
        assert_eq!(endpoint.unfinished_len(), 0);
        assert_eq!(case.decoder().all(&wire), [(BINARY, payload())]);
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
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        endpoint.send(next(), &mut output).unwrap();
        let expected = [(BINARY, payload()), (BINARY, next())];
        assert_eq!(case.decoder().all(&output), expected);
    }
}

#[test]
fn a_close_frame_follows_the_message_and_is_recorded_then() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
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
        let expected = [(BINARY, payload()), (CLOSE, vec![])];
        assert_eq!(case.decoder().all(&wire), expected);
    }
}

#[test]
fn the_end_of_the_stream_drops_the_rest() {
    for end in [Endpoint::receive_eof, Endpoint::abandon] {
        for case in cases() {
            let mut endpoint = case.endpoint(&config());
            let mut output = BytesMut::new();
            endpoint.send(payload(), &mut output).unwrap();
            end(&mut endpoint);
            assert_eq!(endpoint.unfinished_len(), 0);
            assert_ne!(endpoint.next_step(), Step::Continue);
            let len = output.len();
            endpoint.on_written(&mut output);
            assert_eq!(output.len(), len);
            assert_eq!(case.decoder().all(&output), []);
        }
    }
}

#[tokio::test]
async fn the_next_poll_sends_the_rest_of_a_message_whose_send_was_dropped() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move {
            let received = ws.recv().await;
            ws.send(next()).await.unwrap();
            received
        });
        far.expect(BINARY, &payload()).await;
        far.send_text("all is here").await;
        far.expect(BINARY, &next()).await;
        assert_eq!(task.await.unwrap().unwrap(), Some("all is here".into()));
        far.expect_end().await;
    }
}

#[tokio::test]
async fn the_rest_of_a_message_counts_as_buffered() {
    for case in cases() {
        let (ws, _far) = case.half_cut(&config());
        let header = if case.role == Role::Client { 6 } else { 2 };
        let least = payload().len() + header - TAKEN;
        let is_plain = case.coding == Coding::Plain;
        let most = if is_plain { least } else { least + OVERHEAD };
        assert!((least..=most).contains(&ws.buffered()));
    }
}

#[tokio::test]
async fn there_is_no_room_beside_the_rest_of_a_message() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let full = ws.try_feed("more").unwrap_err();
        assert!(matches!(full, TryFeedError::Full(Message::Text(_))));
        assert!(poll_once(ws.reserve()).is_pending());
        assert!(poll_once(ws.feed("not accepted")).is_pending());
        assert!(poll_once(ws.send("not accepted")).is_pending());
        let task = tokio::spawn(async move {
            ws.reserve().await.unwrap().send(next()).unwrap();
            ws.flush().await.unwrap();
            ws.try_feed(next()).unwrap();
            ws.flush().await.unwrap();
        });
        far.expect(BINARY, &payload()).await;
        far.expect(BINARY, &next()).await;
        far.expect(BINARY, &next()).await;
        task.await.unwrap();
        far.expect_end().await;
    }
}

#[tokio::test]
async fn the_message_of_a_handle_follows() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let handle = ws.handle();
        handle.try_send(next()).unwrap();
        let task = tokio::spawn(async move { ws.recv().await });
        far.expect(BINARY, &payload()).await;
        far.expect(BINARY, &next()).await;
        task.abort();
    }
}

#[tokio::test]
async fn a_graceful_close_follows_the_message() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move {
            ws.close(CloseCode::NORMAL, "done").await.unwrap();
            ws.closed().unwrap()
        });
        far.expect(BINARY, &payload()).await;
        far.expect(CLOSE, &close_payload(1000, "done")).await;
        far.send(CLOSE, &close_payload(1000, "")).await;
        far.expect_end().await;
        assert!(task.await.unwrap().is_clean());
    }
}

#[tokio::test]
async fn a_close_of_the_peer_is_echoed_between_two_frames() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move { (ws.send("never").await, ws.recv().await) });
        far.send(CLOSE, &close_payload(1001, "")).await;
        far.expect_between(CLOSE, &close_payload(1001, "")).await;
        far.expect_end().await;
        let (sent, received) = task.await.unwrap();
        assert!(matches!(sent, Err(Error::Closed(_))), "{sent:?}");
        assert_eq!(received.unwrap(), None);
    }
}

#[tokio::test]
async fn the_close_frame_of_a_violation_stands_between_two_frames() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move { ws.send("never").await });
        far.send(3, b"").await;
        let error = ProtocolError::ReservedOpcode(3);
        let expected = close_payload(1002, error.close_frame().reason());
        far.expect_between(CLOSE, &expected).await;
        far.expect_end().await;
        let sent = task.await.unwrap();
        assert!(
            matches!(sent, Err(Error::Protocol(it)) if it == error),
            "{sent:?}"
        );
    }
}

#[tokio::test]
async fn a_ping_is_answered_between_two_frames() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move {
            ws.flush().await.unwrap();
            ws.send(next()).await.unwrap();
        });
        far.send(PING, b"now").await;
        far.expect_between(PONG, b"now").await;
        far.expect(BINARY, &payload()).await;
        far.expect(BINARY, &next()).await;
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_ping_is_answered_while_a_half_sends() {
    for case in cases() {
        let (ws, mut far) = case.connect(&config());
        let (mut read, mut write) = ws.split();
        let writer = tokio::spawn(async move {
            write.send(payload()).await.unwrap();
            write.send(next()).await
        });
        let reader = tokio::spawn(async move { read.recv().await });
        far.send(PING, b"now").await;
        far.expect(PONG, b"now").await;
        far.expect(BINARY, &payload()).await;
        far.expect(BINARY, &next()).await;
        writer.await.unwrap().unwrap();
        reader.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn the_keepalive_drops_the_rest_for_a_peer_that_takes_nothing() {
    for case in cases() {
        let secs = Duration::from_secs;
        let config = config().ping_interval(secs(20)).ping_timeout(secs(20));
        let (mut ws, far) = case.half_cut(&config);
        let sent = timeout(secs(100), ws.send("never")).await.unwrap();
        let is_timeout = matches!(sent, Err(Error::Timeout(Timeout::Ping)));
        assert!(is_timeout, "{sent:?}");
        assert_eq!(ws.buffered(), 0);
        drop(ws);
        far.expect_half_a_frame().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_close_deadline_drops_the_rest() {
    for case in cases() {
        let config = config().close_timeout(Duration::from_secs(5));
        let (mut ws, far) = case.half_cut(&config);
        let closed = timeout(Duration::from_secs(6), ws.close(CloseCode::NORMAL, "")).await;
        let is_timeout = matches!(closed, Ok(Err(Error::Timeout(Timeout::Close))));
        assert!(is_timeout, "{closed:?}");
        assert_eq!(ws.buffered(), 0);
        drop(ws);
        far.expect_half_a_frame().await;
    }
}

#[tokio::test]
async fn abort_of_a_handle_drops_the_rest() {
    for case in cases() {
        let (mut ws, far) = case.half_cut(&config());
        ws.handle().abort();
        assert!(ws.send("never").await.is_err());
        assert_eq!(ws.buffered(), 0);
        drop(ws);
        far.expect_half_a_frame().await;
    }
}

#[tokio::test]
async fn a_connection_taken_apart_continues_with_the_rest() {
    for case in cases() {
        let (ws, mut far) = case.half_cut(&config());
        let parts = ws.into_parts();
        let all = TAKEN + parts.write_buf.len();
        let mut ws = WebSocket::from_parts(parts);
        assert_eq!(ws.buffered(), all - TAKEN);
        let task = tokio::spawn(async move { ws.send(next()).await });
        far.expect(BINARY, &payload()).await;
        assert_eq!(far.decoder.len, all);
        far.expect(BINARY, &next()).await;
        task.await.unwrap().unwrap();
        far.expect_end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_write_drops_the_rest() {
    for case in cases() {
        let (mut ws, far) = case.half_cut(&config());
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
