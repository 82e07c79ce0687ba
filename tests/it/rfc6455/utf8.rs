//! RFC 6455 §8.1: text is UTF-8, and the first invalid byte fails the connection.

use bytes::BytesMut;
use wsimd::{Config, ProtocolError, Role, protocol::Receiver};

use crate::support::{
    frames::{CONTINUATION, FIN, PING, TEXT, frame},
    runner::{Vector, check_both},
};

#[test]
fn characters_may_be_split_across_fragments() {
    let text = "aß€😀".as_bytes();
    for split in 0..=text.len() {
        check_both(|role, peer| {
            let input = [
                frame(peer, TEXT, &text[..split]),
                frame(peer, FIN | CONTINUATION, &text[split..]),
            ];
            Vector::new(role, input.concat()).event("aß€😀")
        });
    }
}

#[test]
fn invalid_text_is_refused() {
    let dead: [&[u8]; 9] = [
        b"\x80",
        b"a\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xed\xa0\x80",
        b"\xf0\x80\x80\xaf",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
    ];
    for payload in dead {
        check_both(|role, peer| {
            Vector::new(role, frame(peer, FIN | TEXT, payload)).error(ProtocolError::InvalidUtf8)
        });
    }
}

#[test]
fn a_text_that_ends_inside_a_character_is_refused() {
    check_both(|role, peer| {
        Vector::new(role, frame(peer, FIN | TEXT, b"\xe2\x82")).error(ProtocolError::InvalidUtf8)
    });
    // The last fragment may be empty.
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"\xe2\x82"),
            frame(peer, FIN | CONTINUATION, b""),
        ];
        Vector::new(role, input.concat()).error(ProtocolError::InvalidUtf8)
    });
}

#[test]
fn a_dead_text_is_refused_inside_an_unfinished_frame() {
    // Python's websockets, fastwebsockets, tungstenite, yawc and wtx wait for more.
    let input = frame(
        Role::Client,
        TEXT,
        b"\xce\xba\xf4\x90 and much more to come",
    );
    let dead_at = 6 + 4;
    let mut receiver = Receiver::new(Role::Server, &Config::new());
    let mut buffer = BytesMut::from(&input[..dead_at - 1]);
    assert_eq!(receiver.receive(&mut buffer), Ok(None));
    buffer.extend_from_slice(&input[dead_at - 1..dead_at]);
    assert_eq!(
        receiver.receive(&mut buffer),
        Err(ProtocolError::InvalidUtf8)
    );
}

#[test]
fn the_text_of_pings_is_nobodys_business() {
    check_both(|role, peer| {
        let input = [
            frame(peer, TEXT, b"\xe2"),
            frame(peer, FIN | PING, b"\xff\xfe"),
            frame(peer, FIN | CONTINUATION, b"\x82\xac"),
        ];
        Vector::new(role, input.concat())
            .event(wsimd::Event::Ping(b"\xff\xfe".as_slice().into()))
            .event("€")
    });
}
