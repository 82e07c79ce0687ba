//! RFC 6455 §5.5: control frames.

use wsimd::{CloseCode, CloseFrame, Event, ProtocolError};

use crate::support::{
    frames::{CLOSE, FIN, PING, PONG, TEXT, close, close_payload, frame},
    runner::{Vector, check_both},
};

#[test]
fn pings_are_answered_with_their_payload() {
    check_both(|role, peer| {
        let longest = [0xa5; 125];
        let input = [
            frame(peer, FIN | PING, b""),
            frame(peer, FIN | PING, b"payload"),
            frame(peer, FIN | PING, &longest),
        ];
        Vector::new(role, input.concat())
            .event(Event::Ping("".into()))
            .event(Event::Ping("payload".into()))
            .event(Event::Ping(longest.to_vec().into()))
    });
}

#[test]
fn pongs_that_nobody_asked_for_are_ignored() {
    check_both(|role, peer| {
        let input = [frame(peer, FIN | PONG, b"?"), frame(peer, FIN | TEXT, b"!")];
        Vector::new(role, input.concat())
            .event(Event::Pong("?".into()))
            .event("!")
    });
}

#[test]
fn control_frames_longer_than_125_bytes_are_refused() {
    // fastwebsockets and yawc accept a Close frame and a pong of 200 bytes.
    for opcode in [CLOSE, PING, PONG] {
        check_both(|role, peer| {
            Vector::new(role, frame(peer, FIN | opcode, &[0; 200]))
                .error(ProtocolError::ControlTooLong)
        });
    }
}

#[test]
fn fragmented_control_frames_are_refused() {
    for opcode in [CLOSE, PING, PONG] {
        check_both(|role, peer| {
            Vector::new(role, frame(peer, opcode, b"")).error(ProtocolError::FragmentedControl)
        });
    }
}

#[test]
fn a_close_frame_is_echoed_and_what_follows_it_is_ignored() {
    for (code, reason) in [(1000, ""), (1001, "leaving"), (1012, ""), (4999, "κ")] {
        check_both(|role, peer| {
            let input = [
                close(peer, code, reason),
                frame(peer, FIN | PING, b"no pong"),
                frame(peer, FIN | 7, b"not even an error"),
            ];
            Vector::new(role, input.concat())
                .event(Event::Close(CloseFrame::new(code, reason).unwrap()))
        });
    }
}

#[test]
fn an_empty_close_frame_is_answered_with_an_empty_one() {
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | CLOSE, b"")).event(Event::Close(CloseFrame::EMPTY))
    });
}

#[test]
fn codes_1012_to_1014_are_accepted() {
    // Python's websockets 6.0 refuses them.
    for code in 1012..=1014 {
        check_both(|role, peer| {
            Vector::new(role, close(peer, code, "")).event(Event::Close(
                CloseFrame::new(CloseCode::from(code), "").unwrap(),
            ))
        });
    }
}

#[test]
fn malformed_close_frames_are_refused() {
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | CLOSE, b"\x03")).error(ProtocolError::CloseTooShort)
    });
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | CLOSE, b"\x03\xe8\xc3\x28"))
            .error(ProtocolError::InvalidCloseReason)
    });
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        check_both(|role, peer| {
            Vector::new(role, frame(peer, FIN | CLOSE, &close_payload(code, "")))
                .error(ProtocolError::InvalidCloseCode(code))
        });
    }
}
