//! RFC 6455 §5.4: messages of several frames.

use wsimd::{Event, ProtocolError};

use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, close, frame},
    runner::{Vector, check_both},
};

#[test]
fn fragments_are_put_together() {
    check_both(|role, peer| {
        let input = [
            frame(peer, BINARY, b"one "),
            frame(peer, CONTINUATION, b"two "),
            frame(peer, FIN | CONTINUATION, b"three"),
            frame(peer, FIN | TEXT, b"next"),
        ];
        Vector::new(role, input.concat())
            .event(b"one two three".as_slice())
            .event("next")
    });
}

#[test]
fn fragments_may_be_empty() {
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b""),
            frame(peer, CONTINUATION, b""),
            frame(peer, CONTINUATION, b"content"),
            frame(peer, FIN | CONTINUATION, b""),
        ];
        Vector::new(role, input.concat()).event("content")
    });
}

#[test]
fn control_frames_between_fragments_disturb_neither_the_key_nor_the_text() {
    check_both(|role, peer| {
        let text = "κόσμε".as_bytes();
        let input = [
            frame(peer, TEXT, &text[..3]),
            frame(peer, FIN | PING, b"p1"),
            frame(peer, CONTINUATION, &text[3..4]),
            frame(peer, FIN | PONG, b"p2"),
            frame(peer, FIN | PING, b""),
            frame(peer, FIN | CONTINUATION, &text[4..]),
        ];
        Vector::new(role, input.concat())
            .event(Event::Ping("p1".into()))
            .event(Event::Pong("p2".into()))
            .event(Event::Ping("".into()))
            .event("κόσμε")
    });
}

#[test]
fn a_close_between_fragments_is_answered_like_any_other() {
    // Python's websockets 6.0 reports an error. Autobahn 7.1.5 requires the answer.
    check_both(|role, peer| {
        let input = [frame(peer, TEXT, b"unfinished"), close(peer, 1000, "bye")];
        Vector::new(role, input.concat()).event(Event::Close(
            wsimd::CloseFrame::new(wsimd::CloseCode::NORMAL, "bye").unwrap(),
        ))
    });
}

#[test]
fn a_continuation_of_nothing_is_refused() {
    for first in [CONTINUATION, FIN | CONTINUATION] {
        check_both(|role, peer| {
            let input = [frame(peer, FIN | TEXT, b"whole"), frame(peer, first, b"x")];
            Vector::new(role, input.concat())
                .event("whole")
                .error(ProtocolError::UnexpectedContinuation)
        });
    }
}

#[test]
fn a_new_message_inside_a_fragmented_one_is_refused() {
    for first in [TEXT, FIN | TEXT, BINARY, FIN | BINARY] {
        check_both(|role, peer| {
            let input = [frame(peer, TEXT, b"begun"), frame(peer, first, b"x")];
            Vector::new(role, input.concat()).error(ProtocolError::ExpectedContinuation)
        });
    }
}
