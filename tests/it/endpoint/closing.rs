//! RFC 6455 §7: every order of two Close frames, and every other end, as both endpoints see it.

use std::time::Duration;

use wsimd::{CloseCode, Config, Event, ProtocolError, Role, protocol::Step};

use crate::support::{
    frames::{CONTINUATION, FIN, ROLES, TEXT, close, frame},
    pair::Pair,
    side::CLOSE_TIMEOUT,
};

fn code(code: u16) -> Option<CloseCode> {
    Some(code.into())
}

/// Checks that both sides have ended and know the same Close frames.
fn check_agreement(pair: &Pair) {
    assert!(pair.client.is_done() && pair.server.is_done(), "{pair:?}");
    let (client, server) = (pair.client.closed(), pair.server.closed());
    assert!(client.is_complete() && server.is_complete(), "{pair:?}");
    assert_eq!(client.received, server.sent);
    assert_eq!(server.received, client.sent);
    assert!(!(client.received_first && server.received_first));
}

#[test]
fn a_close_frame_is_echoed_and_both_sides_end_without_a_wait() {
    for role in ROLES {
        for len in [1, 2, 3, usize::MAX] {
            let mut pair = Pair::new(&Config::new());
            assert!(pair.close(role, 4000, "reason"));
            pair.drive_by(len);
            check_agreement(&pair);
            assert!(!pair.side(role).closed().received_first);
            assert!(pair.side(role.peer()).closed().received_first);
            for side in [&pair.client, &pair.server] {
                let closed = side.closed();
                assert_eq!((closed.code(), closed.reason()), (4000.into(), "reason"));
                assert_eq!(closed.sent, closed.received);
            }
        }
    }
}

#[test]
fn an_empty_close_frame_is_echoed_as_an_empty_one() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        let (side, _) = pair.both(role);
        side.endpoint
            .close(wsimd::CloseFrame::EMPTY, &mut side.output);
        pair.drive();
        check_agreement(&pair);
        assert!(pair.client.closed().is_clean() && pair.server.closed().is_clean());
        assert_eq!(pair.client.closed().code(), CloseCode::NO_STATUS);
    }
}

#[test]
fn close_frames_that_cross_end_both_sides_with_the_code_of_the_other() {
    for len in [1, 2, 3, usize::MAX] {
        let mut pair = Pair::new(&Config::new());
        assert!(pair.close(Role::Client, 1000, "client"));
        assert!(pair.close(Role::Server, 1001, "server"));
        pair.drive_by(len);
        check_agreement(&pair);
        let (client, server) = (pair.client.closed(), pair.server.closed());
        assert!(!client.received_first && !server.received_first);
        assert_eq!((client.reason(), server.reason()), ("server", "client"));
    }
}

#[test]
fn a_close_frame_that_has_arrived_in_part_does_not_count() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        let len = pair.side(role).output.len();
        pair.deliver(role, len - 1);
        assert!(pair.close(role.peer(), 1001, ""));
        pair.drive();
        check_agreement(&pair);
        assert!(!pair.client.closed().received_first && !pair.server.closed().received_first);
    }
}

#[test]
fn the_first_close_frame_counts() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        assert!(pair.close(role, 1000, "first"));
        assert!(!pair.close(role, 1001, "second"));
        pair.drive();
        assert!(!pair.close(role, 1001, "third"));
        check_agreement(&pair);
        assert_eq!(pair.side(role).closed().sent.unwrap().reason(), "first");
    }
}

#[test]
fn a_close_frame_between_the_fragments_of_a_message_is_answered() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.inject(role, &frame(role, TEXT, b"unfinished"));
        pair.close(role, 1000, "");
        pair.drive();
        check_agreement(&pair);
        assert!(pair.side(role.peer()).messages().is_empty());
    }
}

#[test]
fn messages_arrive_after_our_close_frame_until_the_peers() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        pair.send(role.peer(), "one").unwrap();
        pair.send(role.peer(), "two").unwrap();
        pair.deliver(role.peer(), 7);
        pair.drive();
        check_agreement(&pair);
        assert_eq!(pair.side(role).messages().len(), 2);
    }
}

#[test]
fn bytes_after_the_close_frame_are_ignored() {
    for role in ROLES {
        for more in [
            frame(role, FIN | TEXT, b"late"),
            frame(role, FIN | 3, b"reserved"),
            close(role, 1002, "again"),
        ] {
            let mut pair = Pair::new(&Config::new());
            pair.close(role, 1000, "");
            pair.inject(role, &more);
            pair.drive();
            check_agreement(&pair);
            let other = pair.side(role.peer());
            assert!(matches!(other.events[..], [Event::Close(_)]));
            assert_eq!(other.endpoint.violation(), None);
        }
    }
}

#[test]
fn the_server_ends_its_direction_first() {
    // §7.1.1. The client reads to the end before it ends its own direction.
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        let mut order = Vec::new();
        for _ in 0..10 {
            pair.deliver(Role::Client, 1000);
            pair.deliver(Role::Server, 1000);
            for role in ROLES {
                if pair.side(role).half_closed && !order.contains(&role) {
                    order.push(role);
                }
            }
            pair.deliver_eof(Role::Client);
            pair.deliver_eof(Role::Server);
        }
        assert_eq!(order, [Role::Server, Role::Client]);
        check_agreement(&pair);
    }
}

#[test]
fn a_violation_is_told_and_the_peer_echoes_the_close_frame() {
    for role in ROLES {
        let violations = [
            (frame(role, FIN | 3, b""), ProtocolError::ReservedOpcode(3)),
            (frame(role, FIN, b""), ProtocolError::UnexpectedContinuation),
            (frame(role, FIN | TEXT, b"\xff"), ProtocolError::InvalidUtf8),
            (close(role, 1006, ""), ProtocolError::InvalidCloseCode(1006)),
            (
                frame(role, FIN | 2, &vec![0; 1001]),
                ProtocolError::FrameTooBig {
                    size: 1001,
                    limit: 1000,
                    is_message_limit: true,
                },
            ),
        ];
        for (bytes, error) in violations {
            let mut pair = Pair::new(&Config::new().max_message_size(1000));
            pair.send(role.peer(), "sent before").unwrap();
            pair.inject(role, &bytes);
            pair.deliver(role, usize::MAX);
            let other = pair.side(role.peer());
            assert_eq!(other.endpoint.violation(), Some(error));
            assert_eq!(other.endpoint.next_step(), Step::Flush);
            pair.drive();
            let (side, other) = pair.both(role);
            // The echo is no longer read.
            assert_eq!(other.closed().code(), CloseCode::ABNORMAL);
            assert_eq!(other.closed().sent, Some(error.close_frame()));
            assert_eq!(side.closed().received, Some(error.close_frame()));
            assert!(side.closed().received_first && side.closed().is_complete());
            assert_eq!(side.messages().len(), 1);
            assert!(side.is_done() && other.is_done());
        }
    }
}

#[test]
fn a_violation_after_our_close_frame_is_not_told() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        pair.inject(role.peer(), &frame(role.peer(), FIN | CONTINUATION, b""));
        pair.deliver(role.peer(), usize::MAX);
        pair.drive();
        let (side, other) = pair.both(role);
        assert_eq!(side.closed().sent.unwrap().code(), code(1000));
        assert_eq!(
            side.endpoint.violation(),
            Some(ProtocolError::UnexpectedContinuation)
        );
        assert_eq!(other.closed().code(), CloseCode::NORMAL);
    }
}

#[test]
fn both_sides_may_violate_at_once() {
    for len in [1, usize::MAX] {
        let mut pair = Pair::new(&Config::new());
        for role in ROLES {
            pair.inject(role, &frame(role, FIN | 3, b""));
        }
        pair.drive_by(len);
        for side in [&pair.client, &pair.server] {
            assert_eq!(side.closed().received, None);
            assert_eq!(side.closed().sent.unwrap().code(), code(1002));
            assert!(side.is_done());
        }
    }
}

#[test]
fn the_end_of_the_stream_is_abnormal_until_the_close_frame_has_arrived() {
    // One side sends two messages and a Close frame. Its stream ends after `len` bytes.
    for role in ROLES {
        for len in 0.. {
            let mut pair = Pair::new(&Config::new());
            pair.send(role, "one").unwrap();
            pair.send(role, vec![2; 200]).unwrap();
            pair.close(role, 1000, "bye");
            let all = pair.side(role).output.len();
            pair.cut(role, len);
            pair.drive();
            let other = pair.side(role.peer());
            let expected = if len < all { 1006 } else { 1000 };
            assert_eq!(u16::from(other.closed().code()), expected, "{len} of {all}");
            assert_eq!(other.closed().is_complete(), len >= all);
            assert_eq!(other.closed().sent.is_some(), len >= all);
            assert!(other.is_done());
            if len == all {
                break;
            }
        }
    }
}

#[test]
fn the_end_of_the_stream_after_our_close_frame_is_abnormal_without_the_peers() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        pair.cut(role.peer(), 0);
        pair.drive();
        let closed = pair.side(role).closed();
        assert_eq!(closed.code(), CloseCode::ABNORMAL);
        assert_eq!(closed.sent.unwrap().code(), code(1000));
        assert!(closed.received.is_none() && !closed.received_first);
        assert!(pair.side(role).is_done());
    }
}

#[test]
fn the_end_of_the_stream_while_the_output_is_flushed_changes_no_step() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.close(role, 1000, "");
        pair.deliver(role, usize::MAX);
        let other = pair.side(role.peer());
        other.endpoint.receive_eof();
        assert_eq!(other.endpoint.next_step(), Step::Flush);
        assert!(other.closed().is_complete());
    }
}

#[test]
fn a_peer_that_never_answers_costs_one_deadline() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.advance(Duration::from_secs(7));
        pair.close(role, 1000, "");
        pair.deliver(role, usize::MAX);
        pair.advance(CLOSE_TIMEOUT - Duration::from_nanos(1));
        assert!(!pair.side(role).is_done());
        pair.advance(Duration::from_nanos(1));
        assert!(pair.side(role).is_done() && pair.side(role).timed_out);
        assert_eq!(pair.side(role).closed().code(), CloseCode::ABNORMAL);
    }
}

#[test]
fn a_client_waits_a_second_at_most_for_the_end_of_the_stream() {
    let mut pair = Pair::new(&Config::new());
    pair.close(Role::Server, 1000, "");
    pair.deliver(Role::Server, usize::MAX);
    assert_eq!(pair.client.endpoint.next_step(), Step::Flush);
    pair.deliver(Role::Client, usize::MAX);
    assert!(pair.server.is_done());
    assert_eq!(pair.client.endpoint.next_step(), Step::Drain);
    pair.advance(Step::LINGER);
    assert!(pair.client.is_done() && !pair.client.timed_out);
    assert!(pair.client.closed().is_clean());
}

#[test]
fn a_peer_that_talks_on_after_its_violation_is_discarded_within_bounds() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.inject(role, &frame(role, FIN | 3, b""));
        pair.deliver(role, usize::MAX);
        pair.deliver(role.peer(), usize::MAX);
        assert_eq!(pair.side(role.peer()).endpoint.next_step(), Step::Drain);
        let mut delivered = 0;
        while !pair.side(role.peer()).is_done() {
            // The side does not end on its own, and its output never stops.
            pair.side(role).output.resize(1 << 20, 0);
            delivered += pair.deliver(role, 1 << 20);
            assert!(delivered <= Step::MAX_DRAIN + (1 << 20));
        }
        assert!(delivered >= Step::MAX_DRAIN);
    }
}
