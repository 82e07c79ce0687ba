//! A violation is refused at the earliest byte that proves it, although the rest of the frame has not
//! arrived (RFC 6455 §7.1.7). The rules of the header's bytes are in `frame/header.rs`.

use wsimd::{Config, Event, ProtocolError, Role, extension::Deflate};

use crate::support::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, close_payload, frame},
    runner::Vector,
};

/// The length of the header of a short frame to an endpoint of this role.
const fn header_len(role: Role) -> usize {
    match role {
        Role::Client => 2,
        Role::Server => 6,
    }
}

/// Runs `input` in both roles, without extensions and with one. It is built from the sender's role, and
/// is refused after the header and `payload_len` bytes of the payload of the last frame.
fn refused_in_payload(
    error: ProtocolError,
    payload_len: usize,
    before: &dyn Fn(Role) -> Vec<u8>,
    last: (u8, &[u8]),
) {
    for role in [Role::Client, Role::Server] {
        for config in configs() {
            let before = before(role.peer());
            let len = before.len() + header_len(role) + payload_len;
            let input = [before, frame(role.peer(), last.0, last.1)].concat();
            Vector::new(role, input)
                .config(config)
                .error(error)
                .check_refused_after(len);
        }
    }
}

fn configs() -> [Config; 2] {
    [Config::new(), Config::new().extension(Deflate::new())]
}

fn nothing(_: Role) -> Vec<u8> {
    Vec::new()
}

#[test]
fn a_close_frame_of_one_byte_is_refused_at_its_length() {
    for role in [Role::Client, Role::Server] {
        for config in configs() {
            Vector::new(role, frame(role.peer(), FIN | CLOSE, b"\x03"))
                .config(config)
                .error(ProtocolError::CloseTooShort)
                .check_refused_after(2);
        }
    }
}

#[test]
fn a_close_code_is_judged_when_its_two_bytes_are_there() {
    for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
        let payload = close_payload(code, "and a reason that may never come");
        let error = ProtocolError::InvalidCloseCode(code);
        refused_in_payload(error, 2, &nothing, (FIN | CLOSE, &payload));
    }
}

#[test]
fn a_close_reason_is_judged_as_it_arrives() {
    let error = ProtocolError::InvalidCloseReason;
    for (reason, len) in [
        (&b"\xff and more"[..], 1),
        (b"ok \xc3\x28 and more", 5),
        (b"\xed\xa0\x80", 2),
        (b"\xf4\x90\x80\x80", 2),
        // The frame has no room for the rest of the character.
        (b"ok \xe2\x82", 4),
        (b"\xf0\x9f", 1),
        (b"\xf0\x9f\x98", 1),
        (b"\xf0", 1),
    ] {
        let payload = [&[3, 0xe8], reason].concat();
        refused_in_payload(error, 2 + len, &nothing, (FIN | CLOSE, &payload));
    }
}

#[test]
fn a_close_frame_is_judged_between_the_fragments_of_a_message() {
    let payload = close_payload(1005, "reason");
    let before = |sender| frame(sender, TEXT, b"\xe2\x82");
    let error = ProtocolError::InvalidCloseCode(1005);
    refused_in_payload(error, 2, &before, (FIN | CLOSE, &payload));
}

#[test]
fn a_legal_close_frame_is_taken_however_it_arrives() {
    for role in [Role::Client, Role::Server] {
        for (code, reason) in [(1000, ""), (3000, "€"), (4999, "κλείσε 😀")] {
            let close = wsimd::CloseFrame::new(code, reason).unwrap();
            let input = frame(role.peer(), FIN | CLOSE, &close_payload(code, reason));
            Vector::new(role, input).event(Event::Close(close)).check();
        }
    }
}

#[test]
fn a_text_is_refused_where_its_last_frame_has_no_room_for_the_character() {
    let error = ProtocolError::InvalidUtf8;
    for (text, len) in [
        (&b"a\xe2\x82"[..], 2),
        (b"a\xc3", 2),
        (b"\xf0\x9f\x98", 1),
        (b"a\xf0\x9f", 2),
        (b"a\xf0", 2),
    ] {
        refused_in_payload(error, len, &nothing, (FIN | TEXT, text));
    }
    // The character begins in an earlier fragment: the length of the last one proves it.
    let before = |sender| {
        let fragments = [
            frame(sender, TEXT, b"\xf0"),
            frame(sender, CONTINUATION, b""),
        ];
        fragments.concat()
    };
    refused_in_payload(error, 0, &before, (FIN | CONTINUATION, b"\x9f\x98"));
    refused_in_payload(error, 0, &before, (FIN | CONTINUATION, b""));
}

#[test]
fn a_large_text_is_refused_where_its_frame_has_no_room_for_the_character() {
    // A connection reads most of the payload from the stream straight into the message.
    let text = [&[b'a'; 70_000][..], b"\xe2\x82"].concat();
    for role in [Role::Client, Role::Server] {
        let input = frame(role.peer(), FIN | TEXT, &text);
        let len = input.len() - 1;
        Vector::new(role, input)
            .error(ProtocolError::InvalidUtf8)
            .check_refused_after(len);
    }
}

#[test]
fn a_text_that_another_fragment_may_complete_is_no_violation() {
    for role in [Role::Client, Role::Server] {
        let sender = role.peer();
        let input = [
            frame(sender, TEXT, b"\xf0"),
            frame(sender, CONTINUATION, b"\x9f"),
            frame(sender, FIN | CONTINUATION, b"\x98\x80"),
        ];
        Vector::new(role, input.concat()).event("😀").check();
    }
}

#[test]
fn a_fragment_too_many_is_refused_at_its_first_byte() {
    let error = ProtocolError::TooManyFragments { limit: 2 };
    for role in [Role::Client, Role::Server] {
        for config in configs() {
            for (first, last) in [(BINARY, CONTINUATION), (BINARY, FIN | CONTINUATION)] {
                let sender = role.peer();
                let before = [
                    frame(sender, FIN | BINARY, b"whole"),
                    frame(sender, first, b"1"),
                    frame(sender, CONTINUATION, b"2"),
                    frame(sender, FIN | PING, b"not counted"),
                ];
                let before = before.concat();
                let input = [&before[..], &frame(sender, last, b"3")].concat();
                Vector::new(role, input)
                    .config(config.clone().max_fragments(2))
                    .event(b"whole".as_slice())
                    .event(Event::Ping("not counted".into()))
                    .error(error)
                    .check_refused_after(before.len() + 1);
            }
        }
    }
}
