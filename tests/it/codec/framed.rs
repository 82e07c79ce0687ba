//! `Codec` under `Framed`, `FramedRead` and `FramedWrite`.

use std::io;

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, StreamExt};
use tokio::io::duplex;
use tokio_util::codec::{Decoder, Framed, FramedRead, FramedWrite};
use wsimd::{Closed, Codec, Config, Error, Event, FrameCodec, Message, ProtocolError, Role, Text};

use super::{close_event, config, framed, violation};
use crate::support::{
    frames::{BINARY, FIN, PING, PONG, ROLES, TEXT, close, frame},
    script::{Script, Write},
};

#[tokio::test]
async fn a_client_and_a_server_echo_over_framed() {
    let (near, far) = duplex(1024);
    let mut client = Framed::new(near, Codec::client());
    let mut server = Framed::new(far, Codec::server());
    let echo = async {
        // The loop in the documentation of `Codec`.
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
    // With a second `Encoder` impl, the types of `into`, `flush` and `close` could not be inferred.
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
        let peer = role.peer();
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
        let peer = role.peer();
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
        let peer = role.peer();
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
    // The error supplies the Close frame to send.
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
        let peer = role.peer();
        let bad = frame(peer, FIN | 3, b"");
        let more = frame(peer, FIN | TEXT, b"more");
        let script = Script::chunks([&bad[..], &more, &more, &more]).silent();
        let (mut framed, _) = framed(role, script);
        for _ in 0..3 {
            let error = violation(framed.next().await.unwrap());
            assert_eq!(error, ProtocolError::ReservedOpcode(3));
            // `Framed` ends here as well, and reads again when it is polled again.
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
