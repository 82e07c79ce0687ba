//! Conversions and comparisons, as a program writes them.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, Hash},
};

use bytes::{Bytes, BytesMut};
use tokio::io::{DuplexStream, duplex};
use wsimd::{
    ClientBuilder, CloseCode, CloseFrame, Config, Error, Event, Message, Role, SendError,
    ServerBuilder, Text, WebSocket, utf8::InvalidUtf8,
};

use crate::support::{secs, serve::Running, soon};

/// A payload that is longer than `Debug` shows.
const LONG: usize = 100_000;

fn text(message: impl Into<Message>) -> Message {
    let message = message.into();
    assert!(message.is_text());
    message
}

fn binary(message: impl Into<Message>) -> Message {
    let message = message.into();
    assert!(!message.is_text());
    message
}

#[test]
fn every_string_is_a_text_message() {
    let (owned, shared) = (String::from("é"), Text::from("é"));
    let message = text("é");
    for message in [
        text("é"),
        text(&owned),
        text(owned.clone()),
        text(owned.clone().into_boxed_str()),
        text(Cow::Borrowed("é")),
        text(Cow::<str>::Owned(owned)),
        text(&shared),
        text(shared),
        text(&message),
    ] {
        assert_eq!(message, "é");
    }
}

#[test]
fn bytes_are_a_binary_message_even_if_they_are_utf8() {
    let (owned, shared) = (b"abc".to_vec(), Bytes::from("abc"));
    let message = binary(b"abc");
    for message in [
        binary(b"abc"),
        binary(*b"abc"),
        binary(b"abc".as_slice()),
        binary(&owned),
        binary(owned.clone()),
        binary(owned.clone().into_boxed_slice()),
        binary(Cow::Borrowed(b"abc".as_slice())),
        binary(Cow::<[u8]>::Owned(owned)),
        binary(BytesMut::from("abc")),
        binary(&shared),
        binary(shared),
        binary(&message),
    ] {
        assert_eq!(message, b"abc");
        assert_ne!(message, "abc");
        assert_eq!(message.to_text(), Ok("abc"));
    }
}

#[test]
fn owned_memory_is_kept() {
    fn place(bytes: &[u8]) -> *const u8 {
        bytes.as_ptr()
    }
    let string = "x".repeat(LONG);
    let start = place(string.as_bytes());
    let boxed: Box<str> = String::try_from(Message::from(string)).unwrap().into();
    assert_eq!(place(boxed.as_bytes()), start);
    let vec = Vec::from(Message::from(boxed));
    assert_eq!(place(&vec), start);
    let boxed: Box<[u8]> = Vec::from(Message::from(vec)).into();
    assert_eq!(place(&boxed), start);
    let string = String::try_from(Message::from(boxed)).unwrap();
    assert_eq!(place(string.as_bytes()), start);
    let vec = string.into_bytes();
    let bytes = Bytes::from(Message::from(Cow::<[u8]>::Owned(vec)));
    assert_eq!(place(&bytes), start);
    let text = Text::try_from(Message::from(&bytes)).unwrap();
    assert_eq!(place(text.as_bytes()), start);
    drop(bytes);
    let string = String::from(Text::from(&text));
    assert_ne!(place(string.as_bytes()), start, "the memory was shared");
    assert_eq!(place(String::from(text).as_bytes()), start);
    for size in [0, 1, (64 << 10) - 1, 64 << 10] {
        let text = "é".repeat(size / 2) + &"x".repeat(size % 2);
        assert_eq!(String::from(Text::from(text.clone())), text);
    }
}

#[test]
fn a_message_is_taken_apart() {
    for message in [text("é"), binary("é".as_bytes())] {
        assert_eq!(Bytes::from(message.clone()), "é".as_bytes());
        assert_eq!(Vec::from(message.clone()), "é".as_bytes());
        assert_eq!(String::try_from(message.clone()), Ok(String::from("é")));
        assert_eq!(Text::try_from(message.clone()), Ok(Text::from("é")));
        assert_eq!(message.to_text(), Ok("é"));
        let bytes: &[u8] = message.as_ref();
        assert_eq!(bytes, "é".as_bytes());
    }
    let message = binary(b"\xff");
    assert_eq!(message.to_text(), Err(InvalidUtf8));
    assert_eq!(Text::try_from(message.clone()), Err(InvalidUtf8));
    assert_eq!(String::try_from(message), Err(InvalidUtf8));
}

/// Asserts that a value equals each of the others, in both directions.
macro_rules! assert_equals {
    ($value:expr, $($other:expr),*) => {$(
        assert_eq!($value, $other);
        assert_eq!($other, $value);
    )*};
}

#[test]
fn comparisons_work_both_ways_and_respect_the_kind() {
    let (string, vec) = (String::from("é"), "é".as_bytes().to_vec());
    let bytes = Bytes::from("é");
    let message = text("é");
    assert_equals!(message, *"é", "é", string, Text::from("é"));
    assert_ne!(message, "e");
    assert_ne!(message, vec);
    assert_ne!(message, *vec);
    let message = binary(&vec);
    assert_equals!(message, vec, *vec, vec.as_slice(), bytes);
    assert_equals!(message, [0xc3, 0xa9], b"\xc3\xa9");
    assert_ne!(message, [0xc3]);
    assert_ne!(message, "é");
    assert_ne!(message, string);
}

#[test]
fn a_text_behaves_as_its_string() {
    let text = Text::from("é");
    assert_equals!(text, *"é", "é", String::from("é"), Cow::Borrowed("é"));
    assert_ne!(text, "e");
    assert_ne!(String::new(), text);
    let parsed: Text = "é".parse().unwrap();
    assert_eq!(parsed, text);
    assert_eq!(Vec::from(text.clone()), "é".as_bytes());
    assert_eq!(Text::try_from("é".as_bytes().to_vec()), Ok(text.clone()));
    assert_eq!(Text::try_from(BytesMut::from("é")), Ok(text));
    assert_eq!(Text::try_from(vec![0xff]), Err(InvalidUtf8));
    let words = ["", "z", "é", "€", "a\u{301}", "\u{10ffff}", "a"];
    let sorted: BTreeSet<&str> = words.into();
    let texts: BTreeSet<Text> = words.map(Text::from).into();
    assert!(texts.iter().eq(&sorted));
    let map = HashMap::from([(Text::from("key"), 1)]);
    assert_eq!(map.get("key"), Some(&1));
}

#[test]
fn equal_messages_have_equal_hashes() {
    fn hash(value: &impl Hash) -> u64 {
        std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().hash_one(value)
    }
    assert_eq!(hash(&text("x")), hash(&text(String::from("x"))));
    assert_eq!(hash(&binary(b"x")), hash(&binary(vec![b'x'])));
    assert_ne!(hash(&binary(b"x")), hash(&text("x")));
}

#[test]
fn the_default_is_an_empty_text() {
    let mut message = text("taken");
    assert_eq!(std::mem::take(&mut message), "taken");
    assert_eq!(message, "");
}

#[test]
fn text_is_displayed_as_it_is_and_binary_data_by_its_size() {
    assert_eq!(text("a\nb").to_string(), "a\nb");
    assert_eq!(binary([0; LONG]).to_string(), "100000 bytes of binary data");
}

#[test]
fn debug_escapes_and_is_short() {
    assert_eq!(format!("{:?}", text("a\x1b")), r#"Text("a\u{1b}")"#);
    assert_eq!(format!("{:?}", binary(b"a\x1b")), r#"Binary(b"a\x1b")"#);
    assert_eq!(format!("{:?}", Text::from("a\n")), r#""a\n""#);
    let end = "... (100000 bytes)";
    let long = "\x1b".repeat(LONG);
    for shown in [
        format!("{:?}", text(&long)),
        format!("{:?}", binary(long.as_bytes())),
        format!("{:?}", Text::from(&long)),
        format!("{:?}", Event::from(&long)),
    ] {
        assert!(shown.contains(end), "{shown}");
        assert!(shown.len() < 2000, "{}", shown.len());
        assert!(!shown.contains('\x1b'));
    }
}

#[test]
fn a_close_frame_is_made_from_a_number() {
    let reason = String::from("later");
    let frame = CloseFrame::new(1013, &reason).unwrap();
    assert_eq!(frame.code(), Some(CloseCode::TRY_AGAIN_LATER));
    assert_eq!(frame.reason(), "later");
    assert_eq!(
        Ok(&frame),
        CloseFrame::new(CloseCode::from(1013), "later").as_ref()
    );
    assert_eq!(Event::from(frame.clone()), Event::Close(frame));
}

/// The two sides of a connection.
fn pair() -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(1 << 16);
    let config = Config::new();
    (
        WebSocket::new(near, Role::Client, &config),
        WebSocket::new(far, Role::Server, &config),
    )
}

#[tokio::test]
async fn a_connection_sends_each_kind_of_value_and_closes_with_a_number() {
    let (mut client, mut server) = pair();
    let name = String::from("name");
    client.send(b"abc").await.unwrap();
    client.send([1, 2]).await.unwrap();
    client.send(&name).await.unwrap();
    client.feed(&Text::from(&name)).await.unwrap();
    client.flush().await.unwrap();
    client.handle().try_send(&name).unwrap();
    client.flush().await.unwrap();
    assert_eq!(soon(server.recv()).await.unwrap().unwrap(), b"abc");
    assert_eq!(soon(server.recv()).await.unwrap().unwrap(), [1, 2]);
    for _ in 0..3 {
        assert_eq!(soon(server.recv()).await.unwrap().unwrap(), "name");
    }
    let both = async { tokio::join!(client.close(4000, &name), server.recv()) };
    let (closed, end) = soon(both).await;
    closed.unwrap();
    assert!(matches!(end, Err(Error::Closed(closed)) if closed.reason() == name));
}

#[tokio::test]
async fn a_handle_and_a_write_half_close_with_a_number() {
    let (mut client, mut server) = pair();
    client.handle().close(1000, "").await.unwrap();
    client.handle().try_close(1001, "replaces").unwrap();
    let (ended, end) = soon(async { tokio::join!(client.recv(), server.recv()) }).await;
    assert_eq!((ended.unwrap(), end.unwrap()), (None, None));
    assert_eq!(server.closed().unwrap().reason(), "replaces");
    let (client, mut server) = pair();
    let (mut read, mut write) = client.split();
    write.send_close(1001, String::from("bye")).await.unwrap();
    let (ended, end) = soon(async { tokio::join!(read.recv(), server.recv()) }).await;
    assert_eq!((ended.unwrap(), end.unwrap()), (None, None));
    assert_eq!(server.closed().unwrap().code(), CloseCode::GOING_AWAY);
}

#[tokio::test]
async fn a_server_shuts_down_with_a_number() {
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let handle = server.handle();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let serving = tokio::spawn(server.serve(async |mut ws| ws.recv().await.map(drop)));
    let mut client = wsimd::connect(uri).await.unwrap();
    let reason = String::from("upgrade");
    let shutdown = handle.shutdown(1012, &reason, secs(5));
    let (cut, end) = soon(async { tokio::join!(shutdown, client.recv()) }).await;
    assert_eq!(cut.unwrap(), 0);
    assert!(matches!(end, Err(Error::Closed(closed)) if closed.reason() == reason));
    soon(serving).await.unwrap();
}

#[tokio::test]
async fn the_payload_of_a_ping_may_be_borrowed() {
    let (mut client, mut server) = pair();
    let payload = String::from("borrowed");
    let long = client.ping_with([b'x'; 126]).await.unwrap_err();
    let too_long = SendError::ControlTooLong { size: 126 };
    assert!(matches!(long, Error::Send(error) if error == too_long));
    let mut pongs = vec![
        client.ping_with(b"a").await.unwrap(),
        client.ping_with(&payload).await.unwrap(),
        client.ping_with(7_u64.to_be_bytes()).await.unwrap(),
    ];
    client.pong(&payload).await.unwrap();
    let (mut read, mut write) = client.split();
    pongs.push(write.ping_with(payload.as_str()).await.unwrap());
    write.pong(b"").await.unwrap();
    let answered = async {
        for pong in pongs {
            soon(pong).await.unwrap();
        }
    };
    tokio::select! {
        () = answered => {}
        message = server.recv() => panic!("{message:?}"),
        message = read.recv() => panic!("{message:?}"),
    }
}

#[tokio::test]
async fn a_uri_may_be_owned() {
    let server = Running::start(Config::new(), async |mut ws| {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
        }
        Ok::<_, Error>(())
    })
    .await;
    let uri = server.uri();
    // A task that owns its URI.
    let connecting = tokio::spawn(wsimd::connect(format!("{uri}/path")));
    soon(connecting).await.unwrap().unwrap();
    wsimd::connect(&uri).await.unwrap();
    ClientBuilder::new().connect(uri.as_str()).await.unwrap();
    let (_, io) = duplex(64);
    let error = ClientBuilder::new().handshake(String::from("x"), io).await;
    assert!(matches!(error, Err(Error::Handshake(_))));
}
