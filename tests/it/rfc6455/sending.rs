//! RFC 6455 §5, §6.1: the bytes that a `Sender` writes.

use bytes::{Bytes, BytesMut};
use wsimd::{
    CloseCode, CloseFrame, Config, Event, Message, Role, SendError,
    protocol::{Output, Receiver, Sender},
};

use crate::support::frames::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame, key,
};

fn sent(role: Role, config: Config, event: impl Into<Event>) -> Vec<u8> {
    let mut output = BytesMut::new();
    let mut sender = Sender::new(role, &config.masking_keys(key));
    sender.send(event, &mut output).unwrap();
    output.to_vec()
}

#[test]
fn messages_of_every_length_form() {
    for role in ROLES {
        for len in [0, 1, 125, 126, 65_535, 65_536, 100_000] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let written = sent(role, Config::new(), payload.clone());
            assert_eq!(written, frame(role, FIN | BINARY, &payload));
        }
        let written = sent(role, Config::new(), "κόσμε");
        assert_eq!(written, frame(role, FIN | TEXT, "κόσμε".as_bytes()));
    }
}

#[test]
fn control_frames() {
    for role in ROLES {
        let payload = vec![1; 125];
        for (event, opcode) in [
            (Event::Ping(payload.clone().into()), PING),
            (Event::Pong(payload.clone().into()), PONG),
        ] {
            assert_eq!(
                sent(role, Config::new(), event),
                frame(role, FIN | opcode, &payload)
            );
        }
        let event = Event::Close(CloseFrame::new(CloseCode::GOING_AWAY, "κ").unwrap());
        assert_eq!(sent(role, Config::new(), event), close(role, 1001, "κ"));
        let event = Event::Close(CloseFrame::EMPTY);
        assert_eq!(
            sent(role, Config::new(), event),
            frame(role, FIN | CLOSE, b"")
        );
    }
}

#[test]
fn messages_are_split_at_the_frame_size_and_control_frames_are_not() {
    for role in ROLES {
        let config = Config::new().outgoing_frame_size(4);
        for (payload, expected) in [
            (&b""[..], vec![frame(role, FIN | TEXT, b"")]),
            (b"1234", vec![frame(role, FIN | TEXT, b"1234")]),
            (
                b"12345",
                vec![
                    frame(role, TEXT, b"1234"),
                    frame(role, FIN | CONTINUATION, b"5"),
                ],
            ),
            (
                b"123456789abc",
                vec![
                    frame(role, TEXT, b"1234"),
                    frame(role, CONTINUATION, b"5678"),
                    frame(role, FIN | CONTINUATION, b"9abc"),
                ],
            ),
        ] {
            let text = str::from_utf8(payload).unwrap();
            assert_eq!(sent(role, config.clone(), text), expected.concat());
        }
        let ping = Event::Ping("12345".into());
        assert_eq!(sent(role, config, ping), frame(role, FIN | PING, b"12345"));
    }
}

#[test]
fn what_may_not_be_sent_leaves_output_and_state_as_they_were() {
    for role in ROLES {
        let config = Config::new()
            .max_outgoing_message_size(10)
            .masking_keys(key);
        let mut sender = Sender::new(role, &config);
        let mut output = BytesMut::new();
        let long = Bytes::from(vec![0; 126]);
        assert_eq!(
            sender.send(vec![0; 11], &mut output),
            Err(SendError::MessageTooBig {
                size: 11,
                limit: 10
            })
        );
        assert_eq!(
            sender.send(Event::Ping(long.clone()), &mut output),
            Err(SendError::ControlTooLong { size: 126 })
        );
        assert_eq!(
            sender.send(Event::Pong(long), &mut output),
            Err(SendError::ControlTooLong { size: 126 })
        );
        assert!(output.is_empty());
        sender.send(vec![0; 10], &mut output).unwrap();
        assert_eq!(output, frame(role, FIN | BINARY, &[0; 10]));
    }
}

#[test]
fn after_our_close_frame_only_pongs_are_sent() {
    for role in ROLES {
        let mut sender = Sender::new(role, &Config::new().masking_keys(key));
        let mut output = BytesMut::new();
        sender
            .send(Event::Close(CloseFrame::EMPTY), &mut output)
            .unwrap();
        assert!(sender.is_closed());
        assert_eq!(sender.send("late", &mut output), Err(SendError::Closed));
        let ping = Event::Ping("late".into());
        assert_eq!(sender.send(ping, &mut output), Err(SendError::Closed));
        let second = CloseFrame::new(CloseCode::NORMAL, "again").unwrap();
        sender.send(Event::Close(second), &mut output).unwrap();
        sender.send(Event::Pong("p".into()), &mut output).unwrap();
        let expected = [frame(role, FIN | CLOSE, b""), frame(role, FIN | PONG, b"p")];
        assert_eq!(output, expected.concat());
    }
}

#[test]
fn replies_are_what_the_rfc_obliges_to() {
    let close = Event::Close(CloseFrame::new(CloseCode::NORMAL, "bye").unwrap());
    assert_eq!(close.reply(), Some(close.clone()));
    let ping = Event::Ping("p".into());
    assert_eq!(ping.reply(), Some(Event::Pong("p".into())));
    assert_eq!(Event::Pong("p".into()).reply(), None);
    assert_eq!(Event::from("text").reply(), None);
}

#[test]
fn masking_keys_differ_from_frame_to_frame() {
    let mut sender = Sender::new(Role::Client, &Config::new());
    let mut keys = std::collections::HashSet::new();
    for _ in 0..1000 {
        let mut output = BytesMut::new();
        sender.send("", &mut output).unwrap();
        assert_eq!(output.len(), 6);
        keys.insert(output[2..].to_vec());
    }
    assert!(keys.len() > 990, "{} different keys of 1,000", keys.len());
}

#[test]
fn what_a_sender_writes_a_receiver_reads() {
    for role in ROLES {
        let config = Config::new().outgoing_frame_size(1000);
        let mut sender = Sender::new(role, &config);
        let mut receiver = Receiver::new(role.peer(), &config);
        let mut wire = BytesMut::new();
        for len in [0, 1, 999, 1000, 1001, 50_000] {
            let message = Message::from("é".repeat(len));
            sender.send(message.clone(), &mut wire).unwrap();
            let received = receiver.receive(&mut wire).unwrap();
            assert_eq!(received, Some(Event::Message(message)));
        }
    }
}

/// An output that keeps payloads by reference, so that a test knows the copied ones.
#[derive(Default)]
struct Parts {
    buffer: BytesMut,
    payloads: Vec<Bytes>,
}

impl Output for Parts {
    const COPY_BELOW: usize = 1;

    fn len(&self) -> usize {
        self.buffer.len() + self.payloads.iter().map(Bytes::len).sum::<usize>()
    }

    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    fn append(&mut self, payload: Bytes) {
        self.payloads.push(payload);
    }
}

#[test]
fn a_server_does_not_copy_what_it_sends() {
    let payload = Bytes::from(vec![7; 100_000]);
    let mut sender = Sender::new(Role::Server, &Config::new().outgoing_frame_size(60_000));
    let mut output = Parts::default();
    sender.send(payload.clone(), &mut output).unwrap();
    assert_eq!(output.buffer.len(), 4 + 4);
    assert_eq!(output.payloads[0].as_ptr(), payload.as_ptr());
    assert_eq!(
        output.payloads[1].as_ptr(),
        payload.as_ptr().wrapping_add(60_000)
    );
}
