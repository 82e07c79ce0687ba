//! Limits are inclusive, each error has its limit, and the peer receives 1009.

use bytes::BytesMut;
use wsimd::{Config, Event, ProtocolError, Role, protocol::Receiver};

use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, PING, TEXT, frame},
    runner::{Vector, check_both},
    tasks::runtime,
};

#[test]
fn a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
    // fastwebsockets, yawc and wtx refuse the limit itself.
    let config = Config::new().max_message_size(200);
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | BINARY, &[7; 200]))
            .config(config.clone())
            .event(vec![7; 200])
    });
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | BINARY, &[7; 201]))
            .config(config.clone())
            .error(ProtocolError::FrameTooBig {
                size: 201,
                limit: 200,
                is_message_limit: true,
            })
    });
}

#[test]
fn the_limit_counts_all_fragments_of_a_message() {
    // wtx has no limit for the sum. fastwebsockets had none.
    let config = Config::new().max_message_size(10);
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"12345"),
            frame(peer, CONTINUATION, b"67890"),
            frame(peer, FIN | CONTINUATION, b""),
            frame(peer, FIN | TEXT, b"1234567890"),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .event("1234567890")
            .event("1234567890")
    });
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"12345"),
            frame(peer, FIN | CONTINUATION, b"678901"),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .error(ProtocolError::MessageTooBig {
                size: 11,
                limit: 10,
            })
    });
}

#[test]
fn a_limit_passed_by_fragments_is_told_to_the_peer_and_stays() {
    // tokio-websockets sends no Close frame here and refuses the next text as "invalid opcode".
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"1234"),
            frame(peer, FIN | CONTINUATION, b"5678"),
            frame(peer, FIN | TEXT, b"legal"),
        ];
        Vector::new(role, input.concat())
            .config(Config::new().max_message_size(6))
            .error(ProtocolError::MessageTooBig { size: 8, limit: 6 })
    });
}

#[test]
fn frames_have_a_limit_of_their_own() {
    let config = Config::new().max_message_size(100).max_frame_size(4);
    check_both(|role, peer| {
        let input = [
            frame(peer, BINARY, b"1234"),
            frame(peer, FIN | CONTINUATION, b"5678"),
            frame(peer, FIN | BINARY, b"12345"),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .event(b"12345678".as_slice())
            .error(ProtocolError::FrameTooBig {
                size: 5,
                limit: 4,
                is_message_limit: false,
            })
    });
}

#[test]
fn fragments_are_counted_empty_ones_too() {
    let config = Config::new().max_fragments(3);
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b""),
            frame(peer, CONTINUATION, b""),
            frame(peer, FIN | CONTINUATION, b"x"),
            frame(peer, TEXT, b""),
            frame(peer, CONTINUATION, b""),
            frame(peer, CONTINUATION, b""),
            frame(peer, CONTINUATION, b""),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .event("x")
            .error(ProtocolError::TooManyFragments { limit: 3 })
    });
}

/// A message in `count` frames of `len` bytes, without its last frame.
fn fragments(peer: Role, count: usize, len: usize) -> Vec<u8> {
    let first = frame(peer, BINARY, &vec![7; len]);
    let more = frame(peer, CONTINUATION, &vec![7; len]).repeat(count - 1);
    [first, more].concat()
}

#[test]
fn a_raised_limit_of_the_message_is_enough_for_a_long_one_in_small_frames() {
    for (len, frames, frame_len) in [(40 << 20, 5120, 8192), (4 << 20, 65_536, 64)] {
        let config = Config::new().max_message_size(len);
        let mut receiver = Receiver::new(Role::Server, &config);
        let mut input = BytesMut::from(&fragments(Role::Client, frames, frame_len)[..]);
        assert_eq!(receiver.receive(&mut input), Ok(None));
        input.extend_from_slice(&frame(Role::Client, FIN | CONTINUATION, b""));
        match receiver.receive(&mut input) {
            Ok(Some(Event::Message(message))) => assert!(message.as_bytes() == vec![7; len]),
            other => panic!("{:?}", other.map(drop)),
        }
    }
}

#[test]
fn endless_tiny_frames_are_refused_at_the_first_byte_of_one_too_many() {
    for (len, limit) in [(0, 4096), (1, 4161), (2, 4228)] {
        for role in [Role::Client, Role::Server] {
            let error = ProtocolError::TooManyFragments { limit };
            assert_eq!(u16::from(error.close_code()), 1009);
            let many = fragments(role.peer(), usize::try_from(limit).unwrap(), len);
            let one_more = frame(role.peer(), FIN | CONTINUATION, &[7; 1000]);
            let vector = Vector::new(role, [&many[..], &one_more[..1]].concat());
            let mut receiver = Receiver::new(role, &vector.config);
            let mut input = BytesMut::from(&many[..]);
            assert_eq!(receiver.receive(&mut input), Ok(None));
            let vector = vector.error(error);
            for size in [1, 7, 4096, vector.input.len()] {
                vector.check_chunks(&runtime(), &vector.input.chunks(size).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn a_limit_of_fragments_that_was_set_does_not_grow_with_the_message() {
    let input = [
        fragments(Role::Client, 3, 1000),
        frame(Role::Client, FIN | CONTINUATION, b""),
    ];
    Vector::new(Role::Server, input.concat())
        .config(Config::new().max_fragments(3))
        .error(ProtocolError::TooManyFragments { limit: 3 })
        .check();
}

#[test]
fn a_limit_of_no_fragments_refuses_messages_that_arrive_whole() {
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | TEXT, b"x"))
            .config(Config::new().max_fragments(0))
            .error(ProtocolError::TooManyFragments { limit: 0 })
    });
}

#[test]
fn control_frames_do_not_count_against_the_message() {
    // Python's websockets 6.0 refuses a ping of 20 bytes when 10 bytes of the message are left.
    let config = Config::new().max_message_size(10).max_fragments(2);
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"12345"),
            frame(peer, FIN | PING, &[b'p'; 125]),
            frame(peer, FIN | PING, &[b'q'; 20]),
            frame(peer, FIN | CONTINUATION, b"67890"),
        ];
        Vector::new(role, input.concat())
            .config(config.clone())
            .event(Event::Ping(vec![b'p'; 125].into()))
            .event(Event::Ping(vec![b'q'; 20].into()))
            .event("1234567890")
    });
}

#[test]
fn without_a_limit_only_the_length_field_limits() {
    let config = Config::new().max_message_size(None).max_fragments(None);
    let payload = vec![9; 3 << 20];
    let mut receiver = Receiver::new(Role::Client, &config);
    let mut input = BytesMut::from(&frame(Role::Server, FIN | BINARY, &payload)[..]);
    assert_eq!(receiver.receive(&mut input), Ok(Some(payload.into())));
    let claim = [&[FIN | BINARY, 127][..], &(i64::MAX as u64).to_be_bytes()].concat();
    let mut input = BytesMut::from(&claim[..]);
    assert_eq!(receiver.receive(&mut input), Ok(None));
}

#[test]
fn the_defaults_are_finite() {
    let too_big = (1_u64 << 20) + 1;
    let claim = [&[FIN | BINARY, 127][..], &too_big.to_be_bytes()].concat();
    Vector::new(Role::Client, claim)
        .error(ProtocolError::FrameTooBig {
            size: too_big,
            limit: 1 << 20,
            is_message_limit: true,
        })
        .check();
}
