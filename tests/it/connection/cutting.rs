//! Events that meet a half-sent message (RFC 6455 §5.4, RFC 7692 §6.1).
//!
//! Each test runs in both roles, with plain and with compressed messages. The peer decodes all bytes.

use std::time::Duration;

use tokio::{
    task::yield_now,
    time::{sleep, timeout},
};
use wsimd::{
    CloseCode, Error, Message, ProtocolError, Role, Timeout, TrySendError, WebSocket,
    extension::Compress,
};

use crate::support::{
    cut::{Coding, TAKEN, cases, config, long, next, payload},
    frames::{BINARY, CLOSE, PING, PONG, close_payload},
    poll_once,
};

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
        let plain = payload().len() + header - TAKEN;
        let expected = match case.coding {
            Coding::Plain => plain..=plain,
            _ => plain / 2..=plain + 12,
        };
        assert!(expected.contains(&ws.buffered()));
    }
}

#[tokio::test]
async fn there_is_no_room_beside_the_rest_of_a_message() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let full = ws.try_feed("more").unwrap_err();
        assert!(matches!(full, TrySendError::Full(Message::Text(_))));
        assert!(poll_once(ws.reserve()).is_pending());
        assert!(poll_once(ws.feed("not accepted")).is_pending());
        assert!(poll_once(ws.send("not accepted")).is_pending());
        let task = tokio::spawn(async move {
            ws.reserve().await.unwrap().feed(next()).unwrap();
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
async fn there_is_no_room_beside_the_rest_of_a_message_whose_frames_are_short() {
    for case in cases() {
        let config = config().write_high_water(1000);
        let (mut ws, mut far) = case.connect(&config);
        let long = long();
        assert!(poll_once(ws.send(long.clone())).is_pending());
        let full = ws.try_feed("more").unwrap_err();
        assert!(matches!(full, TrySendError::Full(Message::Text(_))));
        let task = tokio::spawn(async move { ws.send(next()).await });
        far.expect(BINARY, &long).await;
        far.expect(BINARY, &next()).await;
        task.await.unwrap().unwrap();
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
async fn close_of_a_handle_follows_the_inbox_and_try_close_only_the_message() {
    for case in cases() {
        for is_graceful in [true, false] {
            let (mut ws, mut far) = case.half_cut(&config());
            let handle = ws.handle();
            handle.try_send(next()).unwrap();
            match is_graceful {
                true => handle.close(CloseCode::GOING_AWAY, "").await.unwrap(),
                false => handle.try_close(CloseCode::GOING_AWAY, "").unwrap(),
            }
            let task = tokio::spawn(async move { ws.recv().await });
            far.expect(BINARY, &payload()).await;
            if is_graceful {
                far.expect(BINARY, &next()).await;
            }
            far.expect(CLOSE, &close_payload(1001, "")).await;
            far.send(CLOSE, &close_payload(1001, "")).await;
            far.expect_end().await;
            assert_eq!(task.await.unwrap().unwrap(), None);
        }
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
async fn a_close_of_the_peer_overtakes_our_own_that_waits_for_the_message() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        let task = tokio::spawn(async move {
            ws.close(CloseCode::NORMAL, "done").await.unwrap();
            ws.closed().unwrap()
        });
        far.send(CLOSE, &close_payload(1001, "")).await;
        far.expect_between(CLOSE, &close_payload(1001, "")).await;
        far.expect_end().await;
        assert!(task.await.unwrap().received_first);
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

#[tokio::test]
async fn a_half_sends_behind_the_message_that_was_half_sent_before_the_split() {
    for case in cases() {
        let (ws, mut far) = case.half_cut(&config());
        let (mut read, mut write) = ws.split();
        let full = write.try_feed("more").unwrap_err();
        assert!(matches!(full, TrySendError::Full(Message::Text(_))));
        let writer = tokio::spawn(async move { write.send(next()).await });
        let reader = tokio::spawn(async move { read.recv().await });
        far.send(PING, b"now").await;
        far.expect_between(PONG, b"now").await;
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
        let is_timeout = matches!(sent, Err(Error::Timeout(Timeout::Ping { .. })));
        assert!(is_timeout, "{sent:?}");
        assert_eq!(ws.buffered(), 0);
        drop(ws);
        far.expect_half_a_frame().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_keepalive_pings_behind_the_message_that_a_slow_peer_takes() {
    for case in cases() {
        let secs = Duration::from_secs;
        let config = config().ping_interval(secs(20)).ping_timeout(secs(20));
        let (mut ws, mut far) = case.half_cut(&config);
        let handle = ws.handle();
        let task = tokio::spawn(async move { ws.recv().await });
        far.pause = secs(9);
        far.expect(BINARY, &payload()).await;
        let mut arrived = far.next().await.unwrap();
        assert_eq!(arrived.0, PING);
        far.pause = Duration::ZERO;
        handle.try_send(next()).unwrap();
        while arrived.0 == PING {
            far.send(PONG, &arrived.1).await;
            arrived = far.next().await.unwrap();
        }
        assert_eq!(arrived, (BINARY, next()));
        task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn the_close_deadline_drops_the_rest() {
    for case in cases() {
        let config = config().close_timeout(Duration::from_secs(5));
        let (mut ws, far) = case.half_cut(&config);
        let closed = timeout(Duration::from_secs(6), ws.close(CloseCode::NORMAL, "")).await;
        let is_timeout = matches!(closed, Ok(Err(Error::Timeout(Timeout::Close { .. }))));
        assert!(is_timeout, "{closed:?}");
        assert_eq!(ws.buffered(), 0);
        drop(ws);
        far.expect_half_a_frame().await;
    }
}

#[tokio::test]
async fn abort_drops_the_rest_and_ends_the_send_that_waits() {
    for case in cases() {
        let (mut ws, far) = case.half_cut(&config());
        let handle = ws.handle();
        let task = tokio::spawn(async move { (ws.send("never").await, ws.buffered()) });
        yield_now().await;
        handle.abort();
        let (sent, buffered) = task.await.unwrap();
        assert!(matches!(sent, Err(Error::Closed(_))), "{sent:?}");
        assert_eq!(buffered, 0);
        far.expect_half_a_frame().await;

        let (ws, far) = case.half_cut(&config());
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

#[tokio::test]
async fn a_close_that_waits_for_the_message_is_in_the_parts() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        assert!(poll_once(ws.send_close(CloseCode::NORMAL, "done")).is_pending());
        let mut ws = WebSocket::from_parts(ws.into_parts());
        assert!(ws.send("never").await.is_err());
        let task = tokio::spawn(async move { ws.recv().await });
        far.expect(BINARY, &payload()).await;
        far.expect(CLOSE, &close_payload(1000, "done")).await;
        far.send(CLOSE, &close_payload(1000, "")).await;
        far.expect_end().await;
        assert_eq!(task.await.unwrap().unwrap(), None);
    }
}

#[tokio::test]
async fn the_rest_stays_compressed_when_compression_is_switched_off() {
    for case in cases() {
        let (mut ws, mut far) = case.half_cut(&config());
        ws.set_compress(Compress::Never);
        let task = tokio::spawn(async move { ws.flush().await });
        far.expect(BINARY, &payload()).await;
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
