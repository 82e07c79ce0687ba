//! Cancel safety: every future is dropped at every poll, and its documented outcome holds.

use std::task::Poll;

use wsimd::{CloseCode, Config};

use crate::support::{
    connection,
    frames::{BINARY, FIN, PING, PONG, ROLES, TEXT, close, frame, mixed_traffic},
    poll_once,
    script::{Read, Script, Write},
};

fn config() -> Config {
    Config::new().write_high_water(64)
}

/// A stream that waits before each byte that it takes.
fn stuttering(reads: impl IntoIterator<Item = Read>) -> Script {
    let writes = std::iter::repeat_n([Write::Pending, Write::Some(1)], 2000).flatten();
    Script::new(reads).writes(writes)
}

/// Creates futures, polls each once and drops it, until one is ready.
fn drop_until_ready<T>(mut poll: impl FnMut() -> Poll<T>) -> T {
    for _ in 0..100_000 {
        if let Poll::Ready(output) = poll() {
            return output;
        }
    }
    panic!("never ready")
}

#[tokio::test]
async fn recv_dropped_at_every_poll_loses_and_repeats_nothing() {
    // fastwebsockets forgets the bytes of a header that it has read when the future is dropped.
    for role in ROLES {
        let peer = role.peer();
        let (mut input, messages) = mixed_traffic(peer);
        input.extend(close(peer, 1001, "bye"));
        let reads = input
            .iter()
            .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
        let (mut ws, seen) = connection(role, config(), stuttering(reads));
        let mut received = Vec::new();
        let end = loop {
            match drop_until_ready(|| poll_once(ws.recv())) {
                Ok(Some(message)) => received.push(message),
                end => break end,
            }
        };
        assert_eq!(received, messages);
        assert!(matches!(end, Ok(None)), "{end:?}");
        let expected = [
            frame(role, FIN | PONG, b"1"),
            frame(role, FIN | PONG, b"2"),
            close(role, 1001, "bye"),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn recv_dropped_at_every_poll_still_reports_a_violation_and_tells_the_peer() {
    for role in ROLES {
        let input = frame(role.peer(), FIN | TEXT, b"\xff and more");
        let reads = input
            .iter()
            .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
        let (mut ws, seen) = connection(role, config(), stuttering(reads));
        let error = drop_until_ready(|| poll_once(ws.recv())).unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::INVALID_PAYLOAD));
        assert_eq!(
            seen.written(),
            close(role, 1007, "text message is not UTF-8")
        );
    }
}

/// Starts an operation, drops it after `polls` polls, writes the queue, and returns the bytes.
macro_rules! dropped_after {
    ($polls:expr, $role:expr, |$ws:ident| $operation:expr) => {{
        let (mut $ws, seen) = connection($role, config(), stuttering([]).silent());
        // The queue is full, so that the first polls wait for room.
        $ws.feed("x".repeat(80)).await.unwrap();
        let ready = {
            let mut operation = std::pin::pin!($operation);
            let mut ready = false;
            for _ in std::iter::repeat_n((), $polls) {
                ready = ready || poll_once(operation.as_mut()).is_ready();
            }
            ready
        };
        drop_until_ready(|| poll_once($ws.flush())).unwrap();
        let before = frame($role, FIN | TEXT, "x".repeat(80).as_bytes());
        let written = seen.written();
        assert_eq!(written[..before.len()], before);
        (ready, written[before.len()..].to_vec())
    }};
}

#[tokio::test]
async fn send_and_feed_dropped_at_every_poll_accept_all_of_a_message_or_nothing() {
    for role in ROLES {
        let whole = frame(role, FIN | TEXT, "κόσμε".as_bytes());
        let mut accepted = [0; 2];
        let mut refused = [0; 2];
        for polls in 0..400 {
            let (sent, send) = dropped_after!(polls, role, |ws| ws.send("κόσμε"));
            let (fed, feed) = dropped_after!(polls, role, |ws| ws.feed("κόσμε"));
            assert!(!sent || send == whole, "sent, but not written");
            // `feed` accepts at its last poll.
            assert_eq!(fed, feed == whole, "fed, but not written");
            for (i, written) in [send, feed].into_iter().enumerate() {
                accepted[i] += usize::from(written == whole);
                refused[i] += usize::from(written.is_empty());
                assert!(written == whole || written.is_empty(), "{written:?}");
            }
        }
        assert!(accepted.iter().chain(&refused).all(|count| *count > 10));
    }
}

#[tokio::test]
async fn ping_and_pong_dropped_at_every_poll_accept_all_of_a_frame_or_nothing() {
    for role in ROLES {
        for polls in 0..300 {
            let (_, ping) = dropped_after!(polls, role, |ws| async {
                drop(ws.ping_with("p").await);
            });
            assert!(ping.is_empty() || ping == frame(role, FIN | PING, b"p"));
            let (_, pong) = dropped_after!(polls, role, |ws| ws.pong("p"));
            assert!(pong.is_empty() || pong == frame(role, FIN | PONG, b"p"));
        }
    }
}

#[tokio::test]
async fn flush_dropped_at_every_poll_loses_and_repeats_nothing() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, config(), stuttering([]).silent());
        let mut expected = Vec::new();
        for len in [1, 20, 3000] {
            ws.feed(vec![7; len]).await.unwrap();
            expected.extend(frame(role, FIN | BINARY, &vec![7; len]));
            drop_until_ready(|| poll_once(ws.flush())).unwrap();
        }
        assert_eq!(seen.written(), expected);
    }
}

#[tokio::test]
async fn send_close_dropped_at_every_poll_has_queued_one_close_frame() {
    for role in ROLES {
        let expected = close(role, 1000, "bye");
        for polls in 1..300 {
            let (_, written) =
                dropped_after!(polls, role, |ws| ws.send_close(CloseCode::NORMAL, "bye"));
            assert_eq!(written, expected);
        }
        let (_, written) = dropped_after!(0, role, |ws| ws.send_close(CloseCode::NORMAL, "bye"));
        assert!(
            written.is_empty(),
            "a future does nothing before it is polled"
        );
    }
}

#[tokio::test]
async fn close_dropped_at_every_poll_closes_once_and_can_be_called_again() {
    for role in ROLES {
        let input = [
            frame(role.peer(), FIN | TEXT, b"discarded"),
            close(role.peer(), 1000, ""),
        ]
        .concat();
        let reads = input
            .iter()
            .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
        let (mut ws, seen) = connection(role, config(), stuttering(reads));
        drop_until_ready(|| poll_once(ws.close(CloseCode::NORMAL, "bye"))).unwrap();
        assert_eq!(seen.written(), close(role, 1000, "bye"));
        assert!(seen.shut_down());
        assert!(ws.closed().unwrap().is_clean());
    }
}
