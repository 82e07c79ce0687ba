//! A message is cut into frames while it is written (RFC 6455 §5.4), plain and compressed (RFC 7692
//! §6.1).

use bytes::BytesMut;
use wsimd::{
    CloseFrame, Config, Event, Message, Role,
    extension::{Deflate, Extensions},
    protocol::{Endpoint, Step},
};

use crate::support::{
    cut::{Coding, HIGH_WATER, SIZE, cases, config, long, next, payload},
    deflate::{agree, noise},
    frames::{BINARY, CLOSE, FIN, ROLES, close_payload},
};

#[test]
fn the_output_holds_one_frame_and_not_the_message() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        let mut wire = BytesMut::new();
        while !output.is_empty() {
            let most = HIGH_WATER + SIZE + 14;
            assert!(output.len() <= most, "{} bytes", output.len());
            assert!(endpoint.unfinished_len() == 0 || !endpoint.has_room(&output));
            wire.unsplit(output.split_to(7.min(output.len())));
            endpoint.on_written(&mut output);
        }
        assert_eq!(endpoint.unfinished_len(), 0);
        assert_eq!(case.decoder().all(&wire), [(BINARY, payload())]);
    }
}

#[test]
fn a_message_that_fits_into_one_frame_is_not_cut() {
    let mut endpoint = Endpoint::new(Role::Server, &Config::new());
    let mut output = BytesMut::new();
    endpoint.send(vec![7; 256 << 10], &mut output).unwrap();
    assert_eq!(endpoint.unfinished_len(), 0);
    assert_eq!(output[..2], [FIN | BINARY, 127]);
    output.clear();
    endpoint
        .send(vec![7; (256 << 10) + 1], &mut output)
        .unwrap();
    assert_eq!(endpoint.unfinished_len(), 1);
    let mut endpoint = Endpoint::new(Role::Server, &Config::new().outgoing_frame_size(None));
    endpoint.send(vec![7; 1 << 20], &mut output).unwrap();
    assert_eq!(endpoint.unfinished_len(), 0);
}

#[test]
fn a_message_sent_without_room_follows_the_whole_one_before() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        endpoint.send(next(), &mut output).unwrap();
        let expected = [(BINARY, payload()), (BINARY, next())];
        assert_eq!(case.decoder().all(&output), expected);
    }
}

#[test]
fn the_next_message_refers_to_the_one_before_with_context_takeover() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        while endpoint.unfinished_len() > 0 {
            output.clear();
            endpoint.on_written(&mut output);
        }
        let before = output.len();
        endpoint.send(next(), &mut output).unwrap();
        let len = output.len() - before;
        match case.coding {
            Coding::Plain => assert!(len >= next().len()),
            Coding::Takeover | Coding::Pieces => assert!(len < next().len() / 4, "{len} bytes"),
            Coding::NoTakeover => assert!(len > next().len() / 2, "{len} bytes"),
        }
    }
}

#[test]
fn other_extensions_drop_a_message_that_is_being_encoded() {
    let config = config().write_high_water(0);
    for case in cases() {
        let mut endpoint = case.endpoint(&config);
        let mut output = BytesMut::new();
        endpoint.send(long(), &mut output).unwrap();
        assert!(endpoint.unfinished_len() > 0);
        endpoint.set_extensions(Extensions::default());
        assert_eq!(endpoint.unfinished_len(), 0);
        output.clear();
        endpoint.on_written(&mut output);
        assert!(output.is_empty());
    }
}

#[test]
fn a_close_frame_follows_the_message_and_is_recorded_then() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        assert!(endpoint.close(CloseFrame::EMPTY, &mut output));
        assert!(!endpoint.close(CloseFrame::EMPTY, &mut output));
        assert!(!endpoint.is_open());
        assert_eq!(endpoint.close_frames().sent, None);
        let mut wire = BytesMut::new();
        while !output.is_empty() {
            wire.unsplit(output.split());
            endpoint.on_written(&mut output);
        }
        assert_eq!(endpoint.close_frames().sent, Some(CloseFrame::EMPTY));
        let expected = [(BINARY, payload()), (CLOSE, vec![])];
        assert_eq!(case.decoder().all(&wire), expected);
    }
}

#[test]
fn the_end_of_the_stream_drops_the_rest() {
    for end in [Endpoint::receive_eof, Endpoint::abandon] {
        for case in cases() {
            let mut endpoint = case.endpoint(&config());
            let mut output = BytesMut::new();
            endpoint.send(payload(), &mut output).unwrap();
            end(&mut endpoint);
            assert_eq!(endpoint.unfinished_len(), 0);
            assert_ne!(endpoint.next_step(), Step::Continue);
            let len = output.len();
            endpoint.on_written(&mut output);
            assert_eq!(output.len(), len);
            assert_eq!(case.decoder().all(&output), []);
        }
    }
}

#[test]
fn the_close_frame_of_a_give_up_stands_between_two_frames() {
    for case in cases() {
        let mut endpoint = case.endpoint(&config());
        let mut output = BytesMut::new();
        endpoint.send(payload(), &mut output).unwrap();
        endpoint.give_up(&mut output);
        let expected = close_payload(1011, "keepalive ping timeout");
        let mut decoder = case.decoder();
        assert_eq!(decoder.all(&output), [(CLOSE, expected)]);
        assert_eq!(decoder.cut, 1);
        assert_eq!(endpoint.unfinished_len(), 0);
    }
}

/// A client's and a server's endpoint that compress.
fn compressing() -> [Endpoint; 2] {
    let config = Config::new()
        .extension(Deflate::new())
        .max_message_size(8 << 20);
    let (client, server) = agree(&config, &config);
    let mut endpoints = ROLES.map(|role| Endpoint::new(role, &config));
    endpoints[0].set_extensions(client);
    endpoints[1].set_extensions(server);
    endpoints
}

#[test]
fn a_long_message_is_compressed_as_it_leaves() {
    let message = Message::from(noise(1 << 20, 1));
    for sender in [0, 1] {
        let mut endpoints = compressing();
        let (mut output, mut wire) = (BytesMut::new(), BytesMut::new());
        endpoints[sender]
            .send(message.clone(), &mut output)
            .unwrap();
        let mut frames = 0;
        while !output.is_empty() {
            assert!(output.len() < 400_000, "{} bytes", output.len());
            frames += 1;
            wire.unsplit(output.split());
            endpoints[sender].on_written(&mut output);
        }
        assert!(frames > 3, "{frames} turns");
        let received = endpoints[1 - sender].receive(&mut wire, &mut output);
        assert_eq!(received.unwrap(), Some(message.clone().into()));
    }
}

#[test]
fn a_compressed_message_whose_rest_is_dropped_leaves_a_whole_close_frame() {
    for sender in [0, 1] {
        let mut endpoints = compressing();
        let (mut output, mut answer) = (BytesMut::new(), BytesMut::new());
        endpoints[sender]
            .send(noise(1 << 20, 1), &mut output)
            .unwrap();
        assert!(endpoints[sender].unfinished_len() > 0);
        endpoints[1 - sender].close(CloseFrame::EMPTY, &mut answer);
        let close = endpoints[sender].receive(&mut answer, &mut output).unwrap();
        assert_eq!(close, Some(Event::Close(CloseFrame::EMPTY)));
        assert_eq!(endpoints[sender].unfinished_len(), 0);
        let echo = endpoints[1 - sender].receive(&mut output, &mut answer);
        assert_eq!(echo.unwrap(), Some(Event::Close(CloseFrame::EMPTY)));
    }
}
