//! `FrameCodec`: single frames.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::codec::{Decoder, Framed};
use wsimd::{
    CloseFrame, Config, Error, Frame, FrameCodec, ProtocolError, Role, SendError,
    frame::{Opcode, Rsv},
};

use super::{config, send_error, violation};
use crate::support::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, ROLES, TEXT, close, frame},
    script::Script,
};

fn plain(fin: bool, opcode: Opcode, payload: &[u8]) -> Frame {
    Frame {
        fin,
        rsv: Rsv::NONE,
        opcode,
        payload: Bytes::copy_from_slice(payload),
    }
}

fn frames(role: Role, script: Script) -> Framed<Script, FrameCodec> {
    Framed::new(script, FrameCodec::new(role, &config()))
}

#[tokio::test]
async fn frames_go_through_as_they_are_in_both_roles() {
    let sent = [
        plain(true, Opcode::Text, "κόσμε".as_bytes()),
        plain(false, Opcode::Text, b"frag"),
        plain(true, Opcode::Ping, b"between"),
        plain(false, Opcode::Continuation, b""),
        plain(true, Opcode::Pong, b""),
        plain(true, Opcode::Continuation, &[b'x'; 70_000]),
        plain(true, Opcode::Binary, b""),
        plain(true, Opcode::Close, &[3, 0xe8]),
    ];
    for role in ROLES {
        let (near, far) = duplex(4096);
        let mut sender = Framed::new(near, FrameCodec::new(role, &Config::new()));
        let mut receiver = Framed::new(far, FrameCodec::new(role.peer(), &Config::new()));
        let send = async {
            for frame in &sent {
                sender.feed(frame.clone()).await.unwrap();
            }
            sender.flush().await.unwrap();
            sender.close().await.unwrap();
        };
        let receive = async {
            let mut received = Vec::new();
            while let Some(frame) = receiver.next().await {
                received.push(frame.unwrap());
            }
            received
        };
        let ((), received) = tokio::join!(send, receive);
        assert_eq!(received, sent);
    }
}

#[tokio::test]
async fn frames_look_on_the_wire_as_they_should() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let mut framed = frames(role, script);
        framed.send(plain(false, Opcode::Text, b"a")).await.unwrap();
        framed
            .send(plain(true, Opcode::Continuation, &[b'b'; 126]))
            .await
            .unwrap();
        let mut compressed = plain(true, Opcode::Binary, b"c");
        compressed.rsv = Rsv::RSV1;
        framed.send(compressed).await.unwrap();
        let expected = [
            frame(role, TEXT, b"a"),
            frame(role, FIN, &[b'b'; 126]),
            frame(role, FIN | 0x40 | BINARY, b"c"),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn frames_do_not_depend_on_how_the_bytes_are_cut() {
    for role in ROLES {
        let input = [
            frame(role.peer(), TEXT, b"frag"),
            frame(role.peer(), FIN | PING, b""),
            frame(role.peer(), FIN, &[b'x'; 130]),
        ]
        .concat();
        let expected = [
            plain(false, Opcode::Text, b"frag"),
            plain(true, Opcode::Ping, b""),
            plain(true, Opcode::Continuation, &[b'x'; 130]),
        ];
        let bytes = Script::chunks(input.chunks(1));
        let splits = (1..input.len()).map(|at| Script::chunks([&input[..at], &input[at..]]));
        for script in splits.chain([Script::whole(&input), bytes]) {
            let mut framed = frames(role, script);
            for frame in &expected {
                assert_eq!(framed.next().await.unwrap().unwrap(), *frame);
            }
            assert!(framed.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn reserved_bits_pass_where_they_are_allowed() {
    for role in ROLES {
        let peer = role.peer();
        let input = [
            frame(peer, FIN | 0x40 | TEXT, b"1"),
            frame(peer, FIN | 0x60 | BINARY, b"12"),
            frame(peer, FIN | 0x10 | PING, b"3"),
        ]
        .concat();
        let codec = FrameCodec::new(role, &config()).rsv(Rsv::RSV1.union(Rsv::RSV2));
        let mut framed = Framed::new(Script::whole(&input), codec);
        let first = framed.next().await.unwrap().unwrap();
        assert_eq!((first.rsv, first.opcode), (Rsv::RSV1, Opcode::Text));
        let second = framed.next().await.unwrap().unwrap();
        assert_eq!(second.rsv, Rsv::RSV1.union(Rsv::RSV2));
        let error = violation(framed.next().await.unwrap());
        assert_eq!(error, ProtocolError::ReservedControlBits(1));
    }
}

#[tokio::test]
async fn what_a_header_shows_is_refused() {
    for role in ROLES {
        let peer = role.peer();
        let own_mask = match role {
            Role::Client => ProtocolError::UnexpectedMask,
            Role::Server => ProtocolError::MissingMask,
        };
        let cases = [
            (frame(role, FIN | TEXT, b"x"), own_mask),
            (
                frame(peer, FIN | 0x40 | TEXT, b"x"),
                ProtocolError::ReservedBits(4),
            ),
            (frame(peer, FIN | 5, b"x"), ProtocolError::ReservedOpcode(5)),
            (
                frame(peer, FIN, b"x"),
                ProtocolError::UnexpectedContinuation,
            ),
            (
                [frame(peer, TEXT, b"x"), frame(peer, FIN | TEXT, b"x")].concat(),
                ProtocolError::ExpectedContinuation,
            ),
            (
                [
                    frame(peer, TEXT, b"x"),
                    frame(peer, FIN, b"x"),
                    frame(peer, FIN, b"x"),
                ]
                .concat(),
                ProtocolError::UnexpectedContinuation,
            ),
            (frame(peer, PING, b"x"), ProtocolError::FragmentedControl),
            (
                frame(peer, FIN | CLOSE, &[0; 126]),
                ProtocolError::ControlTooLong,
            ),
        ];
        for (input, expected) in cases {
            let mut framed = frames(role, Script::whole(&input).silent());
            let error = loop {
                match framed.next().await.unwrap() {
                    Ok(_) => {}
                    error => break violation(error),
                }
            };
            assert_eq!(error, expected);
            // The error is sticky.
            let mut codec = FrameCodec::new(role, &config());
            let mut buffer = BytesMut::from(&input[..]);
            while let Ok(Some(_)) = codec.decode(&mut buffer) {}
            buffer.extend_from_slice(&frame(peer, FIN | TEXT, b"legal"));
            assert_eq!(violation(codec.decode(&mut buffer)), expected);
            assert_eq!(violation(codec.decode_eof(&mut buffer)), expected);
        }
    }
}

#[tokio::test]
async fn a_frame_over_the_limit_is_refused_by_its_header() {
    for role in ROLES {
        let peer = role.peer();
        let config = config().max_frame_size(300);
        let exact = frame(peer, BINARY, &[7; 300]);
        // The second frame ends after its length.
        let input = [&exact[..], &frame(peer, FIN, &[7; 301])[..4]].concat();
        let codec = FrameCodec::new(role, &config);
        let mut framed = Framed::new(Script::whole(&input).silent(), codec);
        assert_eq!(framed.next().await.unwrap().unwrap().payload.len(), 300);
        let error = violation(framed.next().await.unwrap());
        assert_eq!(
            error,
            ProtocolError::FrameTooBig {
                size: 301,
                limit: 300,
                is_message_limit: false
            }
        );
    }
}

#[tokio::test]
async fn what_only_a_payload_or_a_message_shows_passes() {
    for role in ROLES {
        let peer = role.peer();
        let input = [
            // Invalid UTF-8, a Close frame with an illegal code and reason, and a frame after it.
            frame(peer, FIN | TEXT, b"\xff\xfe"),
            frame(peer, FIN | CLOSE, b"\0\0\xff"),
            // A message with more bytes and frames than the limits.
            frame(peer, BINARY, &[0; 10]),
            frame(peer, CONTINUATION, &[1; 10]),
            frame(peer, CONTINUATION, &[2; 10]),
            frame(peer, FIN | CONTINUATION, &[3; 10]),
        ];
        let config = config()
            .max_message_size(15)
            .max_frame_size(10)
            .max_fragments(2);
        let codec = FrameCodec::new(role, &config);
        let mut framed = Framed::new(Script::whole(&input.concat()), codec);
        let mut payloads = Vec::new();
        while let Some(frame) = framed.next().await {
            payloads.push(frame.unwrap().payload);
        }
        let expected: [&[u8]; 6] = [
            b"\xff\xfe",
            b"\0\0\xff",
            &[0; 10],
            &[1; 10],
            &[2; 10],
            &[3; 10],
        ];
        assert_eq!(payloads, expected);
    }
}

#[tokio::test]
async fn a_close_frame_of_one_byte_is_refused_because_its_header_shows_it() {
    for role in ROLES {
        let input = frame(role.peer(), FIN | CLOSE, b"x");
        let mut framed = frames(role, Script::whole(&input[..2]).silent());
        let error = violation(framed.next().await.unwrap());
        assert_eq!(error, ProtocolError::CloseTooShort);
    }
}

#[tokio::test]
async fn the_end_of_the_stream_inside_a_frame_is_an_error() {
    for role in ROLES {
        let input = frame(role.peer(), TEXT, &[b'x'; 130]);
        for len in 1..input.len() {
            let mut framed = frames(role, Script::whole(&input[..len]));
            let error = framed.next().await.unwrap().unwrap_err();
            assert!(
                matches!(&error, Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof),
                "{len}: {error:?}"
            );
            assert!(framed.next().await.is_none());
        }
        // Between frames the end is no error, even between the fragments of a message.
        for input in [&b""[..], &input] {
            let mut framed = frames(role, Script::whole(input));
            if !input.is_empty() {
                assert!(!framed.next().await.unwrap().unwrap().fin);
            }
            assert!(framed.next().await.is_none());
            assert!(framed.next().await.is_none());
        }
    }
}

#[tokio::test]
async fn control_frames_that_may_not_be_are_not_sent() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let mut framed = frames(role, script);
        for opcode in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
            let fragment = send_error(framed.feed(plain(false, opcode, b"x")).await);
            assert_eq!(fragment, SendError::FragmentedControl);
            let long = send_error(framed.feed(plain(true, opcode, &[0; 126])).await);
            assert_eq!(long, SendError::ControlTooLong { size: 126 });
        }
        assert!(framed.write_buffer().is_empty());
        framed
            .send(plain(true, Opcode::Ping, &[0; 125]))
            .await
            .unwrap();
        assert_eq!(seen.written(), frame(role, FIN | PING, &[0; 125]));
    }
}

#[tokio::test]
async fn a_proxy_hands_frames_on_without_looking_at_them() {
    // Replaces the mask of the client by one of its own, and changes nothing else.
    let (mut browser, front) = duplex(1 << 16);
    let (back, mut server) = duplex(1 << 16);
    let mut front = Framed::new(front, FrameCodec::new(Role::Server, &config()));
    let mut back = Framed::new(back, FrameCodec::new(Role::Client, &config()));
    let sent = [
        frame(Role::Client, TEXT, b"frag"),
        frame(Role::Client, FIN | PING, b"?"),
        frame(Role::Client, FIN, b"ment"),
        close(Role::Client, 1000, "bye"),
    ]
    .concat();
    browser.write_all(&sent).await.unwrap();
    drop(browser);
    while let Some(frame) = front.next().await {
        back.send(frame.unwrap()).await.unwrap();
    }
    back.close().await.unwrap();
    let mut arrived = Vec::new();
    server.read_to_end(&mut arrived).await.unwrap();
    assert_eq!(arrived, sent);
}

#[test]
fn frames_are_created_by_kind() {
    let close_frame = CloseFrame::new(1001, "bye").unwrap();
    for (created, opcode, payload) in [
        (Frame::text("é"), Opcode::Text, "é".as_bytes()),
        (Frame::binary(vec![1, 2]), Opcode::Binary, &[1, 2]),
        (Frame::continuation("x"), Opcode::Continuation, b"x"),
        (Frame::ping(b"a"), Opcode::Ping, b"a"),
        (Frame::pong(String::from("b")), Opcode::Pong, b"b"),
        (Frame::close(&close_frame), Opcode::Close, b"\x03\xe9bye"),
        (Frame::close(&CloseFrame::EMPTY), Opcode::Close, b""),
    ] {
        assert_eq!(created, plain(true, opcode, payload));
    }
    let long = format!("{:?}", Frame::binary(vec![7; 100_000]));
    assert!(long.ends_with("... (100000 bytes) }") && long.len() < 2000);
}
