//! The places where a document lies: in the read buffer before other frames, at its end, or in memory of its own.

use std::task::Poll;

use bytes::BytesMut;
use serde_json::Value as Typed;
use wsimd::{
    Config, EventRef, Message, MessageRef, Parts, Role, WebSocket,
    extension::{Compress, Deflate},
    json::Value,
    protocol::{Endpoint, Receiver},
};

use crate::support::{
    deflate::agree,
    frames::{BINARY, CONTINUATION, FIN, PING, ROLES, TEXT, frame, key},
    memory, poll_once,
    script::Script,
};

/// Documents that simd-json changes in place: escapes at the start, at the end and across its blocks of 64 bytes.
fn documents() -> Vec<String> {
    let long = "é\\\"".repeat(14) + "\\u00e9";
    vec![
        r#""\n""#.to_owned(),
        r#"["\\",{"\u0061\t":"\ud83d\ude00"},"end\n"]"#.to_owned(),
        format!("{{\"{long}\":[0.1234567890123456789,\"{long}\"]}}"),
        "12345678".to_owned(),
        "true".to_owned(),
    ]
}

/// Returns all strings of a document, one behind the other.
fn strings(value: Value<'_>) -> String {
    let of_fields = value
        .entries()
        .map(|(name, value)| name.to_owned() + &strings(value));
    let own = value.as_str().unwrap_or("").to_owned();
    own + &value.items().map(strings).collect::<String>() + &of_fields.collect::<String>()
}

fn strings_of(value: &Typed) -> String {
    match value {
        Typed::String(text) => text.clone(),
        Typed::Array(items) => items.iter().map(strings_of).collect(),
        Typed::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| name.clone() + &strings_of(value));
            fields.collect()
        }
        _ => String::new(),
    }
}

/// Sends each document whole, in fragments with a ping between them, and as a binary message.
fn wire(peer: Role, config: &Config) -> Vec<u8> {
    let mut wire = BytesMut::new();
    for text in documents() {
        let (start, end) = text.as_bytes().split_at(text.len() / 2);
        wire.extend_from_slice(&frame(peer, FIN | TEXT, text.as_bytes()));
        wire.extend_from_slice(&frame(peer, TEXT, start));
        wire.extend_from_slice(&frame(peer, FIN | PING, b"ping"));
        wire.extend_from_slice(&frame(peer, FIN | CONTINUATION, end));
        wire.extend_from_slice(&frame(peer, FIN | BINARY, text.as_bytes()));
    }
    let mut endpoint = endpoint(peer, config);
    endpoint.set_compress(Compress::Always);
    for text in documents() {
        endpoint.send(text, &mut wire).unwrap();
    }
    wire.to_vec()
}

fn endpoint(role: Role, config: &Config) -> Endpoint {
    let (client, server) = agree(config, config);
    let mut endpoint = Endpoint::new(role, config);
    endpoint.set_extensions(match role {
        Role::Client => client,
        Role::Server => server,
    });
    endpoint
}

#[tokio::test]
async fn documents_are_the_same_in_all_places_and_chunkings() {
    let plain = Config::new().masking_keys(key);
    let compressed = plain.clone().extension(Deflate::new().threshold(0));
    for (role, config) in ROLES
        .into_iter()
        .flat_map(|role| [(role, &plain), (role, &compressed)])
    {
        let wire = wire(role.peer(), config);
        let connect = |chunks: &[&[u8]]| {
            let script = Script::chunks(chunks.iter().copied()).silent();
            let (client, server) = agree(config, config);
            let extensions = if role == Role::Client { client } else { server };
            WebSocket::from_parts(Parts::new(script, role, config).extensions(extensions))
        };
        let whole = vec![vec![&wire[..]], wire.chunks(1).collect()];
        let split = (1..wire.len()).map(|at| vec![&wire[..at], &wire[at..]]);
        for chunks in whole.into_iter().chain(split) {
            let (mut dynamic, mut typed) = (connect(&chunks), connect(&chunks));
            let documents = documents();
            let in_three_ways = documents.iter().flat_map(|text| [text; 3]);
            for text in in_three_ways.chain(&documents) {
                let expected: Typed = serde_json::from_str(text).unwrap();
                let seen = dynamic.recv_json_with(strings).await.unwrap();
                assert_eq!(seen, Some(strings_of(&expected)), "{text}");
                assert_eq!(typed.recv_json().await.unwrap(), Some(expected));
            }
            assert!(poll_once(dynamic.recv_json_with(strings)).is_pending());
        }
    }
}

/// The padding of the first document lies on the next frames. `make asan` runs this test, too, so that the parser stays
/// within the buffer.
#[test]
fn frames_behind_a_document_are_received_unchanged() {
    let config = Config::new().masking_keys(key);
    for role in ROLES {
        for text in documents() {
            let document = frame(role.peer(), FIN | TEXT, text.as_bytes());
            for behind in [0, 1, 2, 57, 62, 63, 64, 65, 100] {
                let payload: Vec<u8> = (0..behind).collect();
                let next = frame(role.peer(), FIN | BINARY, &payload);
                let wire = [&document[..], &next, &document].concat();
                // All bytes behind the document, some of them and none.
                for end in [wire.len(), document.len() + next.len() / 2, document.len()] {
                    let mut receiver = Receiver::new(role, &config);
                    let mut input = BytesMut::with_capacity(end);
                    input.extend_from_slice(&wire[..end]);
                    let parsed = receiver.receive_with(&mut input, |event| match event {
                        EventRef::Message(message) => message.json_with(strings),
                        other => panic!("{other:?}"),
                    });
                    let expected = strings_of(&serde_json::from_str(&text).unwrap());
                    assert_eq!(parsed.unwrap().unwrap().unwrap(), expected);
                    assert_eq!(input, wire[document.len()..end]);
                }
            }
        }
    }
}

#[test]
fn a_document_that_is_refused_leaves_the_frames_behind_it() {
    for role in ROLES {
        for text in [
            "[\"\\n\",",
            "\"\\n\\x\"",
            "{\"a\":\"\\n\"]",
            "\"\\n",
            "[[[[\"\\n\"]]]",
            "nulL",
            "12345678x",
        ] {
            let document = frame(role.peer(), FIN | TEXT, text.as_bytes());
            let wire = [&document[..], b"\"]}\"]}012345678"].concat();
            let mut receiver = Receiver::new(role, &Config::new());
            let mut input = BytesMut::from(&wire[..]);
            let parsed = receiver.receive_with(&mut input, |event| match event {
                EventRef::Message(message) => message.json_with(strings),
                other => panic!("{other:?}"),
            });
            assert!(parsed.unwrap().unwrap().is_err(), "{text}");
            assert_eq!(input, wire[document.len()..]);
        }
    }
}

#[test]
fn an_owned_message_without_room_for_padding_is_parsed_in_a_copy() {
    for text in documents() {
        let expected = strings_of(&serde_json::from_str(&text).unwrap());
        for room in 0..130 {
            let mut payload = Vec::with_capacity(text.len() + room);
            payload.extend(text.as_bytes());
            let message = Message::from(payload);
            assert_eq!(message.json_with(strings).unwrap(), expected);
        }
    }
}

/// The read buffer has 512 KiB, the last 64 bytes of which are kept free for padding.
#[test]
fn a_document_at_the_end_of_the_read_buffer_is_parsed_in_place() {
    let text = r#"["the last one\n"]"#;
    let config = Config::new().masking_keys(key);
    for role in ROLES {
        let document = frame(role.peer(), FIN | TEXT, text.as_bytes());
        let header = frame(role.peer(), FIN | BINARY, &vec![0; 1 << 16]).len() - (1 << 16);
        for missing in [0, 1, 63, 64, 65, 128] {
            let len = (512 << 10) - missing - document.len() - header;
            let filler = frame(role.peer(), FIN | BINARY, &vec![b' '; len]);
            let wire = [&filler[..], &document, &document].concat();
            let mut ws = WebSocket::new(Script::whole(&wire).silent(), role, &config);
            assert!(poll_once(ws.recv_with(|it| assert_eq!(it.len(), len))).is_ready());
            // The parser of the thread has its memory.
            Message::from(text).json_with(|_| ()).unwrap();
            for is_in_first_read in [missing >= MessageRef::PADDING, false] {
                let len = |it: Value<'_>| it.at(0)?.as_str().map(str::len);
                let (parsed, allocated) = memory::peak(|| poll_once(ws.recv_json_with(len)));
                assert!(matches!(parsed, Poll::Ready(Ok(Some(Some(13))))));
                assert!(!is_in_first_read || allocated == 0, "{allocated} bytes");
            }
            assert!(poll_once(ws.recv_with(|_| ())).is_pending());
        }
    }
}
