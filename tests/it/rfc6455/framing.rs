//! RFC 6455 §5.1–§5.3, §5.6: single frames, masks, lengths, reserved bits and opcodes.

use wsimd::{Message, ProtocolError, Role};

use crate::support::{
    frames::{BINARY, FIN, KEY, PING, TEXT, frame},
    runner::{Vector, check_both},
};

#[test]
fn the_examples_of_the_rfc() {
    // §5.7
    Vector::new(Role::Client, b"\x81\x05\x48\x65\x6c\x6c\x6f".to_vec())
        .event("Hello")
        .check();
    Vector::new(
        Role::Server,
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58".to_vec(),
    )
    .event("Hello")
    .check();
    Vector::new(
        Role::Client,
        b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f".to_vec(),
    )
    .event("Hello")
    .check();
    Vector::new(Role::Client, b"\x89\x05\x48\x65\x6c\x6c\x6f".to_vec())
        .event(wsimd::Event::Ping("Hello".into()))
        .check();
}

#[test]
fn payloads_of_every_length_form() {
    for len in [0, 1, 125, 126, 127, 300, 65_535, 65_536] {
        let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        check_both(|role, peer| {
            Vector::new(role, frame(peer, FIN | BINARY, &payload)).event(payload.clone())
        });
    }
}

#[test]
fn messages_follow_each_other_without_a_gap() {
    check_both(|role, peer| {
        let input = [
            frame(peer, FIN | TEXT, "eins".as_bytes()),
            frame(peer, FIN | TEXT, b""),
            frame(peer, FIN | BINARY, b"zwei"),
            frame(peer, FIN | TEXT, "drei €".as_bytes()),
        ];
        Vector::new(role, input.concat())
            .event("eins")
            .event("")
            .event(b"zwei".as_slice())
            .event("drei €")
    });
}

#[test]
fn a_violation_comes_after_the_messages_before_it() {
    check_both(|role, peer| {
        let input = [
            frame(peer, FIN | TEXT, b"first"),
            frame(peer, FIN | 3, b"x"),
        ];
        Vector::new(role, input.concat())
            .event("first")
            .error(ProtocolError::ReservedOpcode(3))
    });
}

#[test]
fn reserved_opcodes_and_bits_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        check_both(|role, peer| {
            Vector::new(role, frame(peer, FIN | opcode, b"x"))
                .error(ProtocolError::ReservedOpcode(opcode))
        });
    }
    for bits in 1..=7 {
        for (opcode, error) in [
            (TEXT, ProtocolError::ReservedBits(bits)),
            (BINARY, ProtocolError::ReservedBits(bits)),
            (PING, ProtocolError::ReservedControlBits(bits)),
        ] {
            check_both(|role, peer| {
                Vector::new(role, frame(peer, FIN | bits << 4 | opcode, b"x")).error(error)
            });
        }
    }
}

#[test]
fn a_server_refuses_frames_without_a_mask() {
    // fastwebsockets accepts them.
    Vector::new(Role::Server, frame(Role::Server, FIN | TEXT, b"plain"))
        .error(ProtocolError::MissingMask)
        .check();
}

#[test]
fn a_client_refuses_frames_with_a_mask() {
    // fastwebsockets and yawc return the payload, which is still masked. wtx misreads it.
    Vector::new(Role::Client, frame(Role::Client, FIN | TEXT, b"masked"))
        .error(ProtocolError::UnexpectedMask)
        .check();
}

#[test]
fn an_empty_masked_frame_still_has_its_key() {
    let input = [frame(Role::Client, FIN | TEXT, b""), vec![FIN | TEXT, 0x80]];
    Vector::new(Role::Server, [input.concat(), KEY.to_vec()].concat())
        .event("")
        .event("")
        .check();
}

#[test]
fn lengths_not_in_their_shortest_form_are_refused() {
    // Python's websockets 6.0, fastwebsockets, tungstenite, yawc, wtx and uWebSockets accept them.
    let long = |len: u64| [&[FIN | BINARY, 127][..], &len.to_be_bytes()].concat();
    for input in [
        vec![FIN | BINARY, 126, 0, 0],
        vec![FIN | BINARY, 126, 0, 125],
        long(0),
        long(125),
        long(126),
        long(65_535),
    ] {
        Vector::new(Role::Client, input)
            .error(ProtocolError::NonMinimalLength)
            .check();
    }
}

#[test]
fn a_length_with_the_top_bit_is_refused() {
    let input = [&[FIN | BINARY, 127][..], &(1_u64 << 63).to_be_bytes()].concat();
    Vector::new(Role::Client, input)
        .error(ProtocolError::LengthOverflow)
        .check();
}

#[test]
fn a_message_keeps_its_kind() {
    check_both(|role, peer| {
        let input = [
            frame(peer, FIN | BINARY, b"ascii"),
            frame(peer, FIN | TEXT, b"ascii"),
        ];
        Vector::new(role, input.concat())
            .event(Message::Binary("ascii".into()))
            .event(Message::Text("ascii".into()))
    });
}
