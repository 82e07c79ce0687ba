//! RFC 7692 §6.1, §7.2.1: the choice to compress, and compressed messages on the wire.

use bytes::{Bytes, BytesMut};
use wsimd::{
    Config, Event, Message, Role, SendError, WebSocket,
    extension::{Compress, Deflate},
    protocol::Output,
};

use crate::support::{
    deflate::{Inbound, Outbound, RSV1, Sent, TAIL, agree, config, deflate, frames, noise, text},
    frames::{BINARY, CONTINUATION, FIN, PING, TEXT},
    inflater::Inflater,
    opening::{URI, meet},
    zlib::Unzlib,
};

fn sent(first: u8, payload: &[u8]) -> Vec<Sent> {
    vec![Sent {
        first,
        payload: payload.to_vec(),
    }]
}

#[test]
fn messages_below_the_threshold_are_sent_as_they_are() {
    let mut outbound = Outbound::new(&config(Deflate::new().threshold(100)));
    let message = "x".repeat(100);
    assert_eq!(
        outbound.frames(&message[1..]),
        sent(FIN | TEXT, &[b'x'; 99])
    );
    let compressed = outbound.frames(message);
    assert_eq!(compressed[0].first, FIN | RSV1 | TEXT);
    assert!(compressed[0].payload.len() < 20);
    assert_eq!(outbound.frames(""), sent(FIN | TEXT, b""));
}

#[test]
fn each_message_may_be_compressed_or_not_whatever_its_size() {
    let mut outbound = Outbound::new(&config(Deflate::new().threshold(100)));
    let long = "y".repeat(200);
    let mut inflater = Inflater::default();
    for _ in 0..3 {
        outbound.0.set_compress(Compress::Never);
        assert_eq!(
            outbound.frames(long.as_str()),
            sent(FIN | TEXT, long.as_bytes())
        );
        outbound.0.set_compress(Compress::Always);
        let short = outbound.message(b"z");
        assert_eq!(inflater.message(&short), b"z");
        outbound.0.set_compress(Compress::Auto);
        let compressed = outbound.message(long.as_bytes());
        assert_eq!(inflater.message(&compressed), long.as_bytes());
    }
}

#[test]
fn the_tail_is_left_off_and_an_empty_message_is_a_zero() {
    let mut outbound = Outbound::new(&config(deflate(15, true)));
    let (mut unzlib, mut inflater) = (Unzlib::new(15), Inflater::default());
    assert_eq!(outbound.frames(""), sent(FIN | RSV1 | TEXT, &[0]));
    for len in [1, 0, 5, 63, 64, 65, 127, 128, 129, 1000, 0, 0, 70_000] {
        for message in [noise(len, 9), text(len).into_bytes()] {
            let payload = outbound.message(&message);
            assert!(!payload.ends_with(&TAIL), "{len} bytes");
            assert_eq!(inflater.message(&payload), message);
            assert_eq!(unzlib.message(&payload), message);
        }
    }
}

#[test]
fn a_message_of_any_size_is_flushed_whole_however_it_fills_the_buffer() {
    // zlib repeats the end of a flush if the output had no room for it.
    let mut outbound = Outbound::new(&config(deflate(9, true).level(1).memory_level(1)));
    let mut inflater = Inflater::default();
    for len in (1..600).chain(2040..2070) {
        let message = noise(len, len as u64);
        let payload = outbound.message(&message);
        assert_eq!(inflater.message(&payload), message, "{len} bytes");
        assert!(
            payload.len() <= len + len / 8 + 20,
            "{} of {len}",
            payload.len()
        );
    }
}

#[test]
fn a_compressed_message_is_cut_into_frames_and_flushed_at_its_end_only() {
    for takeover in [true, false] {
        let config = config(deflate(15, takeover)).outgoing_frame_size(100);
        let mut outbound = Outbound::new(&config);
        let mut inflater = Inflater::new(15, takeover);
        for len in [101, 200, 250, 5000] {
            let message = text(len);
            let fragments = outbound.frames(message.as_str());
            let whole: Vec<u8> = fragments.iter().flat_map(|it| it.payload.clone()).collect();
            assert_eq!(fragments.len(), whole.len().div_ceil(100));
            let last = fragments.len() - 1;
            for (number, fragment) in fragments.iter().enumerate() {
                let fin = if number == last { FIN } else { 0 };
                let opcode = if number == 0 {
                    RSV1 | TEXT
                } else {
                    CONTINUATION
                };
                assert_eq!(fragment.first, fin | opcode);
                assert!(number == last || fragment.payload.len() == 100);
            }
            assert!(!whole.windows(4).any(|bytes| bytes == TAIL));
            assert_eq!(inflater.message(&whole), message.as_bytes());
        }
    }
}

#[test]
fn a_message_in_fragments_is_compressed_as_a_whole_or_not_at_all() {
    let config = config(Deflate::new().threshold(1000)).outgoing_frame_size(100);
    let mut outbound = Outbound::new(&config);
    outbound.0.set_compress(Compress::Never);
    let message = text(250);
    let plain = outbound.frames(message.as_str());
    let firsts: Vec<u8> = plain.iter().map(|fragment| fragment.first).collect();
    assert_eq!(firsts, [TEXT, CONTINUATION, FIN | CONTINUATION]);
    let bytes: Vec<u8> = plain.into_iter().flat_map(|it| it.payload).collect();
    assert_eq!(bytes, message.as_bytes());
}

#[test]
fn the_threshold_is_for_the_whole_message() {
    let config = config(Deflate::new().threshold(1000)).outgoing_frame_size(100);
    let mut outbound = Outbound::new(&config);
    assert_eq!(outbound.frames(text(999))[0].first, TEXT);
    assert_eq!(outbound.frames(text(1000))[0].first, RSV1 | TEXT);
}

#[test]
fn a_message_that_is_not_compressed_leaves_both_windows_as_they_were() {
    let config = config(deflate(15, true));
    let (mut outbound, mut inflater) = (Outbound::new(&config), Inflater::default());
    let mut inbound = Inbound::new(&config);
    let message = noise(1000, 5);
    for round in 0..3 {
        let payload = outbound.message(&message);
        assert!(round == 0 || payload.len() < 50, "{} bytes", payload.len());
        assert_eq!(inflater.message(&payload), message);
        assert_eq!(inbound.message(&payload).unwrap(), message);
        outbound.0.set_compress(Compress::Never);
        let other = noise(40_000, round);
        let plain = outbound.frames(other.clone());
        assert_eq!(plain, sent(FIN | BINARY, &other));
        let received = inbound.frame(FIN | BINARY, &other).unwrap();
        assert_eq!(received, Some(Event::Message(other.into())));
        outbound.0.set_compress(Compress::Auto);
    }
}

#[test]
fn without_takeover_a_message_that_does_not_get_smaller_is_sent_as_it_is() {
    let mut outbound = Outbound::new(&config(deflate(15, false)));
    for len in [0, 1, 3, 500, 20_000] {
        let message = noise(len, 1);
        assert_eq!(
            outbound.frames(message.clone()),
            sent(FIN | BINARY, &message)
        );
    }
    let message = text(500);
    let payload = outbound.message(message.as_bytes());
    assert!(payload.len() < 500);
    assert_eq!(Inflater::default().message(&payload), message.as_bytes());
}

#[test]
fn a_message_that_may_not_be_sent_changes_nothing() {
    let config = config(deflate(15, true)).max_outgoing_message_size(1000);
    let (mut outbound, mut inflater) = (Outbound::new(&config), Inflater::default());
    let message = text(1000);
    for _ in 0..3 {
        let payload = outbound.message(message.as_bytes());
        assert_eq!(inflater.message(&payload), message.as_bytes());
        let mut wire = BytesMut::new();
        let error = outbound.0.send("z".repeat(1001), &mut wire).unwrap_err();
        let (size, limit) = (1001, 1000);
        assert_eq!(error, SendError::MessageTooBig { size, limit });
        assert!(wire.is_empty());
    }
}

/// An output that keeps the appended payloads.
struct Kept(BytesMut, Vec<Bytes>);

impl Output for Kept {
    const COPY_BELOW: usize = 4096;

    fn len(&self) -> usize {
        self.0.len() + self.1.iter().map(Bytes::len).sum::<usize>()
    }

    fn buffer(&mut self) -> &mut BytesMut {
        &mut self.0
    }

    fn append(&mut self, payload: Bytes) {
        self.1.push(payload);
    }
}

#[test]
fn what_waits_to_be_sent_takes_hardly_more_memory_than_it_is_long() {
    let zeros = [noise(4500, 1), vec![0; 1 << 20]].concat();
    for message in [zeros, noise(520_000, 4)] {
        let mut kept = Kept(BytesMut::new(), Vec::new());
        let Outbound(mut sender) = Outbound::new(&config(Deflate::new()));
        sender.send(Message::from(message), &mut kept).unwrap();
        assert_eq!(kept.1.len(), 1);
        let payload = kept.1.remove(0).try_into_mut().unwrap();
        let (len, capacity) = (payload.len(), payload.capacity());
        assert!(capacity <= len + len / 8, "{capacity} for {len}");
    }
}

#[test]
fn control_frames_are_never_compressed() {
    let mut outbound = Outbound::new(&config(deflate(15, true)));
    outbound.0.set_compress(Compress::Always);
    let mut wire = BytesMut::new();
    let payload = "p".repeat(125);
    outbound
        .0
        .send(Event::Ping(payload.clone().into()), &mut wire)
        .unwrap();
    assert_eq!(frames(&wire), sent(FIN | PING, payload.as_bytes()));
}

#[tokio::test]
async fn a_connection_sends_compressed_unless_it_is_told_not_to() {
    let config = Config::new().extension(Deflate::new());
    let script = crate::support::script::Script::new([]).silent();
    let seen = script.seen.clone();
    let parts = wsimd::Parts::new(script, Role::Server, &config);
    let mut ws = WebSocket::from_parts(parts.extensions(agree(&config, &config).1));
    let message = "a".repeat(1000);
    ws.send(message.as_str()).await.unwrap();
    ws.set_compress(Compress::Never);
    ws.send(message.as_str()).await.unwrap();
    ws.set_compress(Compress::Always);
    ws.send("a").await.unwrap();
    let firsts: Vec<u8> = frames(&seen.written()).iter().map(|it| it.first).collect();
    assert_eq!(firsts, [FIN | RSV1 | TEXT, FIN | TEXT, FIN | RSV1 | TEXT]);
}

#[tokio::test]
async fn client_and_server_talk_compressed_and_say_so() {
    let cases = [
        (Deflate::new(), Deflate::new(), "permessage-deflate"),
        (
            Deflate::new(),
            Deflate::new()
                .no_context_takeover()
                .client_max_window_bits(9),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             client_max_window_bits=9",
        ),
        (
            Deflate::new().server_max_window_bits(8),
            Deflate::new(),
            "permessage-deflate; server_max_window_bits=8",
        ),
    ];
    for (ours, theirs, expected) in cases {
        let client = wsimd::ClientBuilder::new().config(Config::new().extension(ours));
        let server = wsimd::ServerBuilder::new().config(Config::new().extension(theirs));
        let ((mut client, response), (mut server, _)) = meet(&client, &server, URI).await;
        assert_eq!(response.headers()["sec-websocket-extensions"], expected);
        for len in [0, 10, 1000, 100_000] {
            let message = Message::from(text(len));
            let (sent, received) = tokio::join!(client.send(message.clone()), server.recv());
            sent.unwrap();
            assert_eq!(received.unwrap(), Some(message.clone()));
            let (sent, received) = tokio::join!(server.send(message.clone()), client.recv());
            sent.unwrap();
            assert_eq!(received.unwrap(), Some(message));
        }
    }
}
