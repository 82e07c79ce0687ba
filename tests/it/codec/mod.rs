//! `Codec` and `FrameCodec` under `Framed`, `FramedRead`, `FramedWrite` and by hand.

mod parts;

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_util::codec::{Decoder, Encoder, Framed, FramedRead, FramedWrite};
use wsimd::{
    CloseCode, CloseFrame, Closed, Codec, Config, Error, Event, Frame, FrameCodec, Message,
    ProtocolError, Role, SendError, Text,
    frame::{Opcode, Rsv},
};

use crate::support::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close, frame, key, peer},
    script::{Script, Seen, Write},
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// The room that a buffer has after decoding, in bytes.
const ROOM: usize = 4096;

fn config() -> Config {
    Config::new().masking_keys(key)
}

fn framed(role: Role, script: Script) -> (Framed<Script, Codec>, Seen) {
    let seen = script.seen.clone();
    (Framed::new(script, Codec::new(role, &config())), seen)
}

fn close_event(code: u16, reason: &str) -> Event {
    Event::Close(CloseFrame::new(code.into(), reason).unwrap())
}

fn send_error<T>(result: Result<T, Error>) -> SendError {
    match result {
        Ok(_) => panic!("it was sent"),
        Err(Error::Send(error)) => error,
        Err(error) => panic!("not of sending: {error:?}"),
    }
}

fn violation<T>(result: Result<T, Error>) -> ProtocolError {
    match result {
        Ok(_) => panic!("no violation"),
        Err(Error::Protocol(error)) => error,
        Err(error) => panic!("not a violation: {error:?}"),
    }
}

// ---- Codec under Framed ----------------------------------------------------------------------

#[tokio::test]
async fn a_client_and_a_server_echo_over_framed() {
    let (near, far) = duplex(1024);
    let mut client = Framed::new(near, Codec::client());
    let mut server = Framed::new(far, Codec::server());
    let echo = async {
        // The loop of the documentation.
        while let Some(event) = server.next().await {
            let answer = match &event {
                Ok(Event::Message(message)) => Some(message.clone().into()),
                Ok(control) => control.reply(),
                Err(error) => error.close_frame().map(Event::Close),
            };
            if let Some(answer) = answer {
                server.send(answer).await?;
            }
            if let Ok(Event::Close(_)) | Err(_) = event {
                break;
            }
        }
        server.close().await?;
        Ok::<_, Error>(server.codec().close_frames())
    };
    let talk = async {
        for message in [
            Message::from("Hello, κόσμε 🌍"),
            Message::from(""),
            Message::from(vec![0xff; 100_000]),
        ] {
            client.send(message.clone().into()).await?;
            assert_eq!(client.next().await.unwrap()?, Event::Message(message));
        }
        client.send(Event::Ping("?".into())).await?;
        assert_eq!(client.next().await.unwrap()?, Event::Pong("?".into()));
        client.send(close_event(1000, "bye")).await?;
        assert_eq!(client.next().await.unwrap()?, close_event(1000, "bye"));
        assert!(client.next().await.is_none());
        Ok::<_, Error>(client.codec().close_frames())
    };
    let (server, client) = tokio::join!(echo, talk);
    let (server, client) = (server.unwrap(), client.unwrap());
    assert!(server.is_clean() && server.received_first);
    assert!(client.is_clean() && !client.received_first);
    assert_eq!(server.received, client.sent);
    assert_eq!(client.reason(), "bye");
}

#[tokio::test]
async fn every_kind_of_message_is_sent_without_naming_a_type() {
    // With a second `Encoder` neither `into` nor `flush` nor `close` would infer.
    let (mut framed, seen) = framed(Role::Server, Script::new([]));
    framed.feed("text".into()).await.unwrap();
    framed.feed(String::from("text").into()).await.unwrap();
    framed.feed(Text::from("text").into()).await.unwrap();
    framed.feed(Bytes::from("binary").into()).await.unwrap();
    framed.feed(vec![1, 2].into()).await.unwrap();
    framed.feed(b"binary".as_slice().into()).await.unwrap();
    framed.feed(Message::from("text").into()).await.unwrap();
    assert_eq!(seen.written(), b"");
    framed.flush().await.unwrap();
    let text = frame(Role::Server, FIN | TEXT, b"text");
    let binary = frame(Role::Server, FIN | BINARY, b"binary");
    let numbers = frame(Role::Server, FIN | BINARY, &[1, 2]);
    let expected = [text.repeat(3), binary.clone(), numbers, binary, text];
    assert_eq!(seen.written(), expected.concat());
    assert_eq!(seen.writes(), 1);
    assert!(!seen.shut_down());
    framed.close().await.unwrap();
    assert!(seen.shut_down());
    // Closing the sink is not the closing handshake.
    assert_eq!(seen.written(), expected.concat());
    assert_eq!(framed.codec().close_frames(), Closed::default());
}

#[tokio::test]
async fn the_halves_of_a_split_work_for_both_roles() {
    for role in ROLES {
        let peer = peer(role);
        let input = [frame(peer, FIN | TEXT, b"in"), close(peer, 1000, "")].concat();
        let (framed, seen) = framed(role, Script::whole(&input));
        let (mut sink, mut stream) = framed.split();
        sink.send("out".into()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), "in".into());
        let event = stream.next().await.unwrap().unwrap();
        sink.send(event.reply().unwrap()).await.unwrap();
        assert!(stream.next().await.is_none());
        sink.flush().await.unwrap();
        sink.close().await.unwrap();
        assert!(seen.shut_down());
        let sent = [frame(role, FIN | TEXT, b"out"), close(role, 1000, "")];
        assert_eq!(seen.written(), sent.concat());
        let framed = sink.reunite(stream).unwrap();
        assert!(framed.codec().close_frames().is_clean());
    }
}

#[tokio::test]
async fn a_decoder_and_an_encoder_work_apart() {
    for role in ROLES {
        let peer = peer(role);
        let mut output = FramedWrite::new(Vec::new(), Codec::new(peer, &config()));
        output.send("text".into()).await.unwrap();
        output.send(Event::Pong("pong".into())).await.unwrap();
        output.send(close_event(4000, "reason")).await.unwrap();
        let wire = output.into_inner();
        let expected = [
            frame(peer, FIN | TEXT, b"text"),
            frame(peer, FIN | PONG, b"pong"),
            close(peer, 4000, "reason"),
        ];
        assert_eq!(wire, expected.concat());
        let mut input = FramedRead::new(&wire[..], Codec::new(role, &config()));
        assert_eq!(input.next().await.unwrap().unwrap(), "text".into());
        assert_eq!(
            input.next().await.unwrap().unwrap(),
            Event::Pong("pong".into())
        );
        assert_eq!(
            input.next().await.unwrap().unwrap(),
            close_event(4000, "reason")
        );
        assert!(input.next().await.is_none());
        assert!(input.next().await.is_none());
    }
}

#[tokio::test]
async fn a_codec_answers_nothing_by_itself() {
    for role in ROLES {
        let peer = peer(role);
        let input = [frame(peer, FIN | PING, b"?"), close(peer, 1000, "")].concat();
        let (mut framed, seen) = framed(role, Script::whole(&input));
        assert_eq!(
            framed.next().await.unwrap().unwrap(),
            Event::Ping("?".into())
        );
        assert_eq!(framed.next().await.unwrap().unwrap(), close_event(1000, ""));
        assert!(framed.next().await.is_none());
        framed.flush().await.unwrap();
        assert!(framed.write_buffer().is_empty());
        assert_eq!((seen.written(), seen.writes()), (Vec::new(), 0));
    }
    let invalid = frame(Role::Client, FIN | TEXT, b"\xff");
    let (mut framed, seen) = framed(Role::Server, Script::whole(&invalid));
    let error = framed.next().await.unwrap().unwrap_err();
    framed.flush().await.unwrap();
    assert_eq!(seen.written(), b"");
    // What it should send is at hand.
    framed
        .send(Event::Close(error.close_frame().unwrap()))
        .await
        .unwrap();
    assert_eq!(
        seen.written(),
        close(Role::Server, 1007, "text message is not UTF-8")
    );
}

#[tokio::test]
async fn an_error_is_sticky() {
    for role in ROLES {
        let peer = peer(role);
        let bad = frame(peer, FIN | 3, b"");
        let more = frame(peer, FIN | TEXT, b"more");
        let script = Script::chunks([&bad[..], &more, &more, &more]).silent();
        let (mut framed, _) = framed(role, script);
        for _ in 0..3 {
            let error = violation(framed.next().await.unwrap());
            assert_eq!(error, ProtocolError::ReservedOpcode(3));
            // So does `Framed` end, and is read on by who asks again.
            assert!(framed.next().await.is_none());
        }
    }
}

#[test]
fn bytes_do_not_pile_up_behind_an_error() {
    fn flood<D: Decoder<Error = Error>>(mut codec: D) {
        let mut input = BytesMut::from(&frame(Role::Client, FIN | 3, b"")[..]);
        assert!(codec.decode(&mut input).is_err());
        for _ in 0..100 {
            input.extend_from_slice(&[0; 1000]);
            assert!(codec.decode(&mut input).is_err());
            assert!(input.is_empty());
        }
    }
    flood(Codec::server());
    flood(FrameCodec::new(Role::Server, &Config::new()));
}

#[tokio::test]
async fn an_error_comes_behind_the_events_before_it() {
    let input = [
        frame(Role::Client, FIN | TEXT, b"one"),
        frame(Role::Client, FIN | PING, b"two"),
        frame(Role::Server, FIN | TEXT, b"three"),
    ];
    let (mut framed, _) = framed(Role::Server, Script::whole(&input.concat()));
    assert_eq!(framed.next().await.unwrap().unwrap(), "one".into());
    assert_eq!(
        framed.next().await.unwrap().unwrap(),
        Event::Ping("two".into())
    );
    assert_eq!(
        violation(framed.next().await.unwrap()),
        ProtocolError::MissingMask
    );
}

#[tokio::test]
async fn an_error_of_the_stream_is_passed_on() {
    let script = Script::new([crate::support::script::Read::Error(
        io::ErrorKind::ConnectionReset,
    )]);
    let (mut framed, _) = framed(Role::Client, script);
    let error = framed.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Io(io) if io.kind() == io::ErrorKind::ConnectionReset));
    let script = Script::new([]).writes([Write::Error(io::ErrorKind::BrokenPipe)]);
    let (mut framed, _) = self::framed(Role::Client, script);
    let error = framed.send("x".into()).await.unwrap_err();
    assert!(matches!(error, Error::Io(io) if io.kind() == io::ErrorKind::BrokenPipe));
}

// ---- the end of the stream -------------------------------------------------------------------

#[tokio::test]
async fn a_stream_that_ends_without_close_is_1006() {
    for role in ROLES {
        let peer = peer(role);
        let whole = frame(peer, FIN | BINARY, &[7; 300]);
        let fragment = frame(peer, TEXT, b"begun");
        let header = 4 + if peer == Role::Client { 4 } else { 0 };
        // Before anything, between messages and fragments, inside headers, masks and payloads.
        let mut inputs = vec![(Vec::new(), 0), (whole.repeat(2), 2), (fragment, 0)];
        inputs.extend((1..=header).map(|len| (whole[..len].to_vec(), 0)));
        inputs.extend((1..=header).map(|len| ([&whole, &whole[..len]].concat(), 1)));
        inputs.push((whole[..whole.len() - 1].to_vec(), 0));
        for (input, messages) in inputs {
            let (mut framed, seen) = framed(role, Script::whole(&input));
            for _ in 0..messages {
                assert_eq!(framed.next().await.unwrap().unwrap(), vec![7; 300].into());
            }
            let error = framed.next().await.unwrap().unwrap_err();
            assert!(error.is_closed(), "{error:?}");
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
            assert_eq!(error.close_frame(), None, "there is nobody to tell");
            assert!(framed.next().await.is_none());
            assert_eq!(seen.written(), b"");
        }
    }
}

#[tokio::test]
async fn the_error_of_an_early_end_knows_the_close_frame_that_was_sent() {
    let (mut framed, _) = framed(Role::Client, Script::new([]));
    framed.send(close_event(1001, "away")).await.unwrap();
    let Error::Closed(closed) = framed.next().await.unwrap().unwrap_err() else {
        panic!("not closed");
    };
    assert_eq!(closed.received, None);
    assert_eq!(closed.sent.as_ref().unwrap().reason(), "away");
    assert_eq!(*closed, framed.codec().close_frames());
}

#[tokio::test]
async fn a_stream_that_ends_after_close_is_at_its_end() {
    for role in ROLES {
        let close = close(peer(role), 1001, "away");
        // What stands behind a Close frame is thrown away, be it legal or not.
        for behind in [&b""[..], b"\xff", &close[..], &[0; 10_000]] {
            let (mut framed, _) = framed(role, Script::chunks([&close[..], behind]));
            assert_eq!(
                framed.next().await.unwrap().unwrap(),
                close_event(1001, "away")
            );
            assert!(framed.next().await.is_none());
            assert!(framed.next().await.is_none());
            assert!(framed.read_buffer().is_empty());
        }
    }
}

#[test]
fn the_last_bytes_of_a_stream_are_judged_like_any_others() {
    let mut codec = Codec::new(Role::Client, &config());
    let event = frame(Role::Server, FIN | TEXT, b"last");
    let mut input = BytesMut::from(&[&event[..], &[FIN | 3]].concat()[..]);
    assert_eq!(codec.decode_eof(&mut input).unwrap(), Some("last".into()));
    for _ in 0..2 {
        let error = violation(codec.decode_eof(&mut input));
        assert_eq!(error, ProtocolError::ReservedOpcode(3));
    }
}

// ---- what may not be sent --------------------------------------------------------------------

#[tokio::test]
async fn what_may_not_be_sent_leaves_nothing_behind() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let codec = Codec::new(role, &config().max_outgoing_message_size(10));
        let mut framed = Framed::new(script, codec);
        let too_big = send_error(framed.feed(vec![0; 11].into()).await);
        assert_eq!(
            too_big,
            SendError::MessageTooBig {
                size: 11,
                limit: 10
            }
        );
        for event in [
            Event::Ping(vec![0; 126].into()),
            Event::Pong(vec![0; 126].into()),
        ] {
            let too_long = send_error(framed.feed(event).await);
            assert_eq!(too_long, SendError::ControlTooLong { size: 126 });
        }
        assert!(framed.write_buffer().is_empty());
        // It goes on as if nothing had been.
        framed.send(vec![0; 10].into()).await.unwrap();
        framed.send(Event::Ping(vec![0; 125].into())).await.unwrap();
        let sent = [
            frame(role, FIN | BINARY, &[0; 10]),
            frame(role, FIN | PING, &[0; 125]),
        ];
        assert_eq!(seen.written(), sent.concat());
    }
}

#[tokio::test]
async fn one_close_frame_is_sent_and_no_message_after_it() {
    for role in ROLES {
        let input = frame(peer(role), FIN | TEXT, b"still coming");
        let (mut framed, seen) = framed(role, Script::whole(&input).silent());
        framed.send(close_event(1000, "first")).await.unwrap();
        let sent = close(role, 1000, "first");
        assert_eq!(seen.written(), sent);
        for event in [
            Event::from("late"),
            Event::from(vec![1]),
            Event::Ping("late".into()),
        ] {
            let error = framed.feed(event).await.unwrap_err();
            assert!(error.is_closed(), "{error:?}");
            assert_eq!(send_error::<()>(Err(error)), SendError::Closed);
        }
        // A second Close is no error, for every reply may be handed to the codec.
        framed.send(close_event(1001, "second")).await.unwrap();
        framed.send(Event::Close(CloseFrame::EMPTY)).await.unwrap();
        assert!(framed.write_buffer().is_empty());
        assert_eq!(seen.written(), sent);
        assert_eq!(
            framed.codec().close_frames().sent.unwrap().reason(),
            "first"
        );
        // The other direction is open, and pongs may still be sent.
        assert_eq!(framed.next().await.unwrap().unwrap(), "still coming".into());
        framed.send(Event::Pong("p".into())).await.unwrap();
        assert_eq!(
            seen.written(),
            [sent, frame(role, FIN | PONG, b"p")].concat()
        );
    }
}

#[tokio::test]
async fn the_codec_knows_who_said_close_first() {
    for role in ROLES {
        let input = close(peer(role), 1001, "theirs");
        let (mut first, _) = framed(role, Script::whole(&input));
        first.send(close_event(1000, "ours")).await.unwrap();
        let half = first.codec().close_frames();
        assert_eq!(
            (half.code(), half.is_complete()),
            (CloseCode::ABNORMAL, false)
        );
        first.next().await.unwrap().unwrap();
        let (mut second, _) = framed(role, Script::whole(&input));
        second.next().await.unwrap().unwrap();
        let half = second.codec().close_frames();
        assert_eq!(
            (half.code(), half.is_complete()),
            (CloseCode::GOING_AWAY, false)
        );
        assert_eq!(half.sent, None);
        second.send(close_event(1000, "ours")).await.unwrap();
        for (framed, received_first) in [(first, false), (second, true)] {
            let closed = framed.codec().close_frames();
            assert!(closed.is_complete() && closed.is_clean());
            assert_eq!(closed.received_first, received_first);
            assert_eq!(
                (closed.code(), closed.reason()),
                (CloseCode::GOING_AWAY, "theirs")
            );
            assert_eq!(closed.sent.unwrap().reason(), "ours");
        }
    }
}

#[tokio::test]
async fn messages_are_sent_in_frames_of_the_configured_size() {
    for role in ROLES {
        let script = Script::new([]);
        let seen = script.seen.clone();
        let codec = Codec::new(role, &config().outgoing_frame_size(3));
        let mut framed = Framed::new(script, codec);
        framed.send("1234567".into()).await.unwrap();
        framed.send("123".into()).await.unwrap();
        framed.send("".into()).await.unwrap();
        let sent = [
            frame(role, TEXT, b"123"),
            frame(role, CONTINUATION, b"456"),
            frame(role, FIN | CONTINUATION, b"7"),
            frame(role, FIN | TEXT, b"123"),
            frame(role, FIN | TEXT, b""),
        ];
        assert_eq!(seen.written(), sent.concat());
    }
}

// ---- Codec by hand ---------------------------------------------------------------------------

/// Decodes all that is there, and checks that the buffer is then ready for a read.
fn drain<D: Decoder<Error = Error>>(codec: &mut D, input: &mut BytesMut) -> usize {
    let mut decoded = 0;
    while codec.decode(input).unwrap().is_some() {
        decoded += 1;
    }
    assert!(input.len() < 14, "{} bytes were left", input.len());
    let room = input.capacity() - input.len();
    assert!(room >= ROOM, "{room} bytes of room");
    decoded
}

#[test]
fn the_buffer_has_room_for_a_read_when_nothing_is_left_to_decode() {
    for role in ROLES {
        let peer = peer(role);
        let message = frame(peer, FIN | BINARY, &[1; 1000]);
        let begun = frame(peer, FIN | BINARY, &[1; 100_000]);
        for input in [
            vec![],
            message[..1].to_vec(),
            message.clone(),
            message.repeat(9),
            [&message[..], &message[..5]].concat(),
            begun[..8192].to_vec(),
            close(peer, 1000, ""),
        ] {
            // A buffer without a byte to spare.
            let mut buffer = BytesMut::with_capacity(input.len());
            buffer.extend_from_slice(&input);
            drain(&mut Codec::new(role, &config()), &mut buffer);
            let mut buffer = BytesMut::from(&input[..]);
            drain(&mut FrameCodec::new(role, &config()), &mut buffer);
        }
    }
}

#[test]
fn the_buffer_does_not_grow_with_the_message() {
    for role in ROLES {
        let message = frame(peer(role), FIN | BINARY, &vec![1; 1 << 20]);
        let mut codec = Codec::new(role, &config());
        let mut frames = FrameCodec::new(role, &config());
        let (mut decoded, mut buffer, mut other) = (0, BytesMut::new(), BytesMut::new());
        for chunk in message.repeat(2).chunks(ROOM) {
            for (codec, buffer) in [
                (&mut codec as &mut dyn Drains, &mut buffer),
                (&mut frames, &mut other),
            ] {
                buffer.extend_from_slice(chunk);
                decoded += codec.drain(buffer);
                assert!(buffer.capacity() < 4 * ROOM, "{}", buffer.capacity());
            }
        }
        assert_eq!(decoded, 4);
    }
}

/// [`drain`] of whatever codec.
trait Drains {
    fn drain(&mut self, input: &mut BytesMut) -> usize;
}

impl<D: Decoder<Error = Error>> Drains for D {
    fn drain(&mut self, input: &mut BytesMut) -> usize {
        drain(self, input)
    }
}

#[test]
fn a_message_shares_no_memory_with_the_read_buffer() {
    let mut codec = Codec::new(Role::Client, &config());
    let mut buffer = BytesMut::with_capacity(1 << 16);
    let start = buffer.as_ptr();
    buffer.extend_from_slice(&frame(Role::Server, FIN | BINARY, b"small"));
    let message = codec.decode(&mut buffer).unwrap();
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    // The whole buffer can be used again while the message lives.
    assert!(buffer.try_reclaim(1 << 16));
    assert_eq!(buffer.as_ptr(), start);
    assert_eq!(message, Some(b"small".as_slice().into()));
}

#[test]
fn an_encoder_appends_to_what_is_there() {
    let mut codec = Codec::new(Role::Server, &config());
    let mut output = BytesMut::from(&b"before"[..]);
    codec.encode("after".into(), &mut output).unwrap();
    send_error(codec.encode(Event::Ping(vec![0; 126].into()), &mut output));
    assert_eq!(&output[..], b"before\x81\x05after");
}

// ---- FrameCodec ------------------------------------------------------------------------------

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
        let mut receiver = Framed::new(far, FrameCodec::new(peer(role), &Config::new()));
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
            frame(peer(role), TEXT, b"frag"),
            frame(peer(role), FIN | PING, b""),
            frame(peer(role), FIN, &[b'x'; 130]),
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
        let peer = peer(role);
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
        assert_eq!(error, ProtocolError::ReservedBits(1));
    }
}

#[tokio::test]
async fn what_a_header_shows_is_refused() {
    for role in ROLES {
        let peer = peer(role);
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
            // Sticky.
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
        let peer = peer(role);
        let config = config().max_frame_size(300);
        let exact = frame(peer, BINARY, &[7; 300]);
        // No more of the second frame than its length.
        let input = [&exact[..], &frame(peer, FIN, &[7; 301])[..4]].concat();
        let codec = FrameCodec::new(role, &config);
        let mut framed = Framed::new(Script::whole(&input).silent(), codec);
        assert_eq!(framed.next().await.unwrap().unwrap().payload.len(), 300);
        let error = violation(framed.next().await.unwrap());
        assert_eq!(error, ProtocolError::FrameTooBig { limit: 300 });
    }
}

#[tokio::test]
async fn what_only_a_payload_or_a_message_shows_passes() {
    for role in ROLES {
        let peer = peer(role);
        let input = [
            // Not UTF-8, a Close frame with an illegal code and reason, then a frame behind it.
            frame(peer, FIN | TEXT, b"\xff\xfe"),
            frame(peer, FIN | CLOSE, b"\0\0\xff"),
            // A message of more bytes and frames than the limits.
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
        let input = frame(peer(role), FIN | CLOSE, b"x");
        let mut framed = frames(role, Script::whole(&input[..2]).silent());
        let error = violation(framed.next().await.unwrap());
        assert_eq!(error, ProtocolError::CloseTooShort);
    }
}

#[tokio::test]
async fn the_end_of_the_stream_inside_a_frame_is_an_error() {
    for role in ROLES {
        let input = frame(peer(role), TEXT, &[b'x'; 130]);
        for len in 1..input.len() {
            let mut framed = frames(role, Script::whole(&input[..len]));
            let error = framed.next().await.unwrap().unwrap_err();
            assert!(
                matches!(&error, Error::Io(io) if io.kind() == io::ErrorKind::UnexpectedEof),
                "{len}: {error:?}"
            );
            assert!(framed.next().await.is_none());
        }
        // Between frames it is none, even between the fragments of a message.
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
    // Takes the client's mask off and puts one of its own on; everything else stays.
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
