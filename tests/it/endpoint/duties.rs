//! RFC 6455 §5.5, §7.1: the duties of an [`Endpoint`] and the commands that each of its states allows.

use bytes::{Bytes, BytesMut};
use wsimd::{
    CloseFrame, Config, Event, Message, ProtocolError, Role, SendError,
    protocol::{Endpoint, Step},
};

use crate::support::{
    frames::{BINARY, FIN, PING, PONG, ROLES, TEXT, close, frame, key},
    pair::Pair,
    side::Side,
};

/// A high-water mark of 10 bytes.
fn config() -> Config {
    Config::new().masking_keys(key).write_high_water(10)
}

fn pings(sender: Role, payloads: &[&str]) -> Vec<u8> {
    let frames = payloads
        .iter()
        .map(|p| frame(sender, FIN | PING, p.as_bytes()));
    frames.collect::<Vec<_>>().concat()
}

fn pongs(sender: Role, payloads: &[&str]) -> Vec<u8> {
    let frames = payloads
        .iter()
        .map(|p| frame(sender, FIN | PONG, p.as_bytes()));
    frames.collect::<Vec<_>>().concat()
}

#[test]
fn a_ping_is_answered_with_its_payload() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        for payload in [Bytes::new(), Bytes::from("ping"), Bytes::from(vec![7; 125])] {
            pair.ping(role, payload.clone()).unwrap();
            pair.drive();
            let (side, other) = pair.both(role);
            assert_eq!(other.events.pop(), Some(Event::Ping(payload.clone())));
            assert_eq!(side.events.pop(), Some(Event::Pong(payload)));
        }
    }
}

#[test]
fn a_pong_is_not_answered() {
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        pair.pong(role, "unsolicited").unwrap();
        pair.drive();
        let (side, other) = pair.both(role);
        assert_eq!(other.pongs(), [b"unsolicited"]);
        assert!(side.events.is_empty());
    }
}

#[test]
fn every_ping_is_answered_while_there_is_room() {
    // Autobahn 2.10 sends ten pings at once and expects ten pongs.
    for role in ROLES {
        let mut pair = Pair::new(&Config::new());
        let payloads: Vec<Bytes> = (0..1000).map(|n| format!("{n}").into()).collect();
        for payload in &payloads {
            pair.ping(role, payload.clone()).unwrap();
        }
        pair.drive();
        assert_eq!(pair.side(role).pongs(), payloads);
    }
}

#[test]
fn a_ping_between_fragments_is_answered_before_the_message_is_complete() {
    for role in ROLES {
        let mut side = Side::new(role, &Config::new().masking_keys(key));
        side.receive(&frame(role.peer(), TEXT, b"a")).unwrap();
        side.receive(&pings(role.peer(), &["now"])).unwrap();
        assert_eq!(side.output, pongs(role, &["now"]));
        side.receive(&frame(role.peer(), FIN, b"b")).unwrap();
        assert_eq!(side.messages(), [&Message::from("ab")]);
        assert_eq!(side.left(), 0);
    }
}

#[test]
fn above_the_high_water_mark_the_newest_pong_alone_is_held() {
    for role in ROLES {
        let mut side = Side::new(role, &config());
        // The output is above the mark after two pongs.
        side.receive(&pings(role.peer(), &["1234", "5678", "lost", "last"]))
            .unwrap();
        assert_eq!(side.events.len(), 4);
        assert_eq!(side.output, pongs(role, &["1234", "5678"]));
        let _ = side.output.split_to(side.output.len() - 10);
        side.endpoint.on_written(&mut side.output);
        assert!(side.output.ends_with(&pongs(role, &["last"])));
        let len = side.output.len();
        side.endpoint.on_written(&mut side.output);
        assert_eq!(side.output.len(), len, "the held pong was sent twice");
    }
}

#[test]
fn a_held_pong_stays_until_there_is_room_and_no_pong_overtakes_it() {
    for role in ROLES {
        let mut side = Side::new(role, &config());
        side.endpoint.send(vec![0; 20], &mut side.output).unwrap();
        side.receive(&pings(role.peer(), &["old"])).unwrap();
        let _ = side.output.split_to(1);
        side.endpoint.on_written(&mut side.output);
        assert!(side.output.len() > 10 && !side.output.ends_with(&pongs(role, &["old"])));
        // There is room, and the owner has not reported it.
        side.output.clear();
        side.receive(&pings(role.peer(), &["new"])).unwrap();
        assert!(side.output.is_empty());
        side.endpoint.on_written(&mut side.output);
        assert_eq!(side.output, pongs(role, &["new"]));
    }
}

#[test]
fn a_ping_after_our_close_frame_is_answered_until_the_peers() {
    for role in ROLES {
        let mut side = Side::new(role, &Config::new().masking_keys(key));
        side.endpoint.close(CloseFrame::EMPTY, &mut side.output);
        side.output.clear();
        side.receive(&pings(role.peer(), &["answered"])).unwrap();
        assert_eq!(side.output, pongs(role, &["answered"]));
        let more = [
            close(role.peer(), 1000, ""),
            pings(role.peer(), &["ignored"]),
        ];
        side.receive(&more.concat()).unwrap();
        assert_eq!(side.output, pongs(role, &["answered"]));
    }
}

#[test]
fn a_held_pong_leaves_after_our_close_frame_and_not_after_the_peers() {
    for role in ROLES {
        for peer_closes in [false, true] {
            let mut side = Side::new(role, &config());
            side.endpoint.send(vec![0; 20], &mut side.output).unwrap();
            side.receive(&pings(role.peer(), &["held"])).unwrap();
            if peer_closes {
                side.receive(&close(role.peer(), 1000, "")).unwrap();
            } else {
                side.endpoint.close(CloseFrame::EMPTY, &mut side.output);
            }
            side.output.clear();
            side.endpoint.on_written(&mut side.output);
            let expected = if peer_closes { &[][..] } else { &["held"] };
            assert_eq!(side.output, pongs(role, expected));
        }
    }
}

#[test]
fn nothing_is_appended_after_the_endpoint_was_abandoned() {
    for role in ROLES {
        let mut side = Side::new(role, &config());
        side.endpoint.send(vec![0; 20], &mut side.output).unwrap();
        side.receive(&pings(role.peer(), &["held"])).unwrap();
        side.endpoint.abandon();
        side.output.clear();
        side.endpoint.on_written(&mut side.output);
        assert!(side.output.is_empty());
    }
}

#[test]
fn a_message_may_cross_the_high_water_mark() {
    // The owner asks for room. The endpoint refuses nothing.
    let mut side = Side::new(Role::Server, &config());
    assert!(side.endpoint.has_room(&side.output));
    side.endpoint.send(vec![0; 9], &mut side.output).unwrap();
    assert!(!side.endpoint.has_room(&side.output));
    side.endpoint.send("more", &mut side.output).unwrap();
    assert_eq!(side.output.len(), 17);
    let _ = side.output.split_to(7);
    assert!(side.endpoint.has_room(&side.output));
}

#[test]
fn nothing_is_received_after_the_end_of_the_stream() {
    for role in ROLES {
        for way in [Way::Eof, Way::Abandon] {
            let mut side = leave(way, role);
            let more = [pings(role.peer(), &["p"]), close(role.peer(), 1000, "")];
            let mut input = BytesMut::from(&more.concat()[..]);
            let received = side.endpoint.receive(&mut input, &mut side.output);
            assert_eq!(received, Ok(None), "{way:?}");
            assert!(input.is_empty() && side.output.is_empty());
            assert_eq!(side.closed().received, None);
        }
    }
}

#[test]
fn an_error_of_a_command_changes_nothing() {
    for role in ROLES {
        let config = Config::new().max_outgoing_message_size(5);
        let mut side = Side::new(role, &config);
        let (endpoint, output) = (&mut side.endpoint, &mut side.output);
        let too_big = SendError::MessageTooBig { size: 6, limit: 5 };
        assert_eq!(endpoint.send("longer", output), Err(too_big));
        let too_long = SendError::ControlTooLong { size: 126 };
        let payload = Bytes::from(vec![0; 126]);
        assert_eq!(endpoint.ping(payload.clone(), output), Err(too_long));
        assert_eq!(endpoint.pong(payload, output), Err(too_long));
        assert!(output.is_empty() && endpoint.is_open());
        endpoint.send("fits!", output).unwrap();
    }
}

/// The ways to leave the open state.
#[derive(Clone, Copy, Debug)]
enum Way {
    Close,
    PeersClose,
    Violation,
    Eof,
    Abandon,
}

const WAYS: [Way; 5] = [
    Way::Close,
    Way::PeersClose,
    Way::Violation,
    Way::Eof,
    Way::Abandon,
];

fn leave(way: Way, role: Role) -> Side {
    let mut side = Side::new(role, &Config::new());
    match way {
        Way::Close => assert!(side.endpoint.close(CloseFrame::EMPTY, &mut side.output)),
        Way::PeersClose => side.receive(&close(role.peer(), 1001, "")).unwrap(),
        Way::Violation => {
            side.receive(&frame(role.peer(), FIN | 3, b"")).unwrap_err();
        }
        Way::Eof => side.endpoint.receive_eof(),
        Way::Abandon => side.endpoint.abandon(),
    }
    side
}

#[test]
fn nothing_may_be_sent_once_the_endpoint_is_not_open() {
    for role in ROLES {
        for way in WAYS {
            let Side {
                mut endpoint,
                mut output,
                ..
            } = leave(way, role);
            let len = output.len();
            assert!(!endpoint.is_open(), "{way:?}");
            assert_eq!(endpoint.send("late", &mut output), Err(SendError::Closed));
            assert_eq!(
                endpoint.ping("late".into(), &mut output),
                Err(SendError::Closed)
            );
            assert_eq!(
                endpoint.pong("late".into(), &mut output),
                Err(SendError::Closed)
            );
            assert!(!endpoint.close(CloseFrame::EMPTY, &mut output));
            assert_eq!(output.len(), len, "{way:?}");
        }
    }
}

#[test]
fn each_way_out_has_its_steps() {
    use Step::{Continue, Discard, Drain, Flush, HalfClose};
    for way in WAYS {
        let expected: [&[Step]; 2] = match way {
            Way::Close => [&[Continue]; 2],
            Way::PeersClose => [&[Flush, Drain, HalfClose], &[Flush, HalfClose, Discard]],
            Way::Violation => [&[Flush, Drain, HalfClose], &[Flush, HalfClose, Drain]],
            Way::Eof => [&[HalfClose], &[HalfClose, Discard]],
            Way::Abandon => [&[]; 2],
        };
        for (role, expected) in ROLES.into_iter().zip(expected) {
            let mut endpoint = leave(way, role).endpoint;
            let mut steps = Vec::new();
            while endpoint.next_step() != Step::Done && steps != [Continue] {
                let step = endpoint.next_step();
                steps.push(step);
                endpoint.on_step(step);
            }
            assert_eq!(steps, expected, "{role:?} {way:?}");
            let last = endpoint.next_step();
            endpoint.on_step(last);
            assert_eq!(endpoint.next_step(), last);
        }
    }
}

#[test]
fn a_step_that_is_not_the_next_one_is_not_recorded() {
    // The end of the stream has come in the middle of a read.
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, &Config::new());
        endpoint.receive_eof();
        for step in [Step::Continue, Step::Flush, Step::Drain, Step::Done] {
            endpoint.on_step(step);
            assert_eq!(endpoint.next_step(), Step::HalfClose);
        }
    }
}

#[test]
fn an_abandoned_endpoint_has_no_step_left() {
    for role in ROLES {
        for way in WAYS {
            let mut endpoint = leave(way, role).endpoint;
            let closed = endpoint.close_frames();
            endpoint.abandon();
            assert_eq!(endpoint.next_step(), Step::Done);
            assert_eq!(endpoint.close_frames(), closed, "{way:?}");
        }
    }
}

#[test]
fn a_violation_is_told_once_and_returned_by_every_call() {
    for role in ROLES {
        let mut endpoint = Endpoint::new(role, &Config::new().masking_keys(key));
        let mut output = BytesMut::new();
        let error = ProtocolError::ReservedOpcode(3);
        let told = close(role, 1002, error.as_str());
        let mut input = BytesMut::from(&frame(role.peer(), FIN | 3, b"")[..]);
        assert_eq!(endpoint.receive(&mut input, &mut output), Err(error));
        for more in [
            Vec::new(),
            frame(role.peer(), FIN | TEXT, b"fine"),
            close(role.peer(), 1000, ""),
        ] {
            let mut input = BytesMut::from(&more[..]);
            assert_eq!(endpoint.receive(&mut input, &mut output), Err(error));
            assert!(input.is_empty());
            assert_eq!(output, told);
            assert_eq!(endpoint.violation(), Some(error));
            assert_eq!(endpoint.close_frames().received, None);
        }
    }
}

#[test]
fn events_before_a_violation_are_returned_first() {
    for role in ROLES {
        let mut side = Side::new(role, &Config::new().masking_keys(key));
        let input = [
            frame(role.peer(), FIN | BINARY, b"whole"),
            pings(role.peer(), &["p"]),
            frame(role.peer(), FIN, b"no message"),
        ];
        let error = side.receive(&input.concat()).unwrap_err();
        assert_eq!(error, ProtocolError::UnexpectedContinuation);
        assert_eq!(side.events.len(), 2);
        let told = close(role, 1002, error.as_str());
        assert_eq!(side.output, [pongs(role, &["p"]), told].concat());
    }
}
