//! Implementations of `Serialize` and `Deserialize` that panic or misbehave.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};
use tokio::io::duplex;
use wsimd::{Config, Message, ReadHalf, Role, WebSocket};

use crate::support::{
    connection,
    frames::{FIN, ROLES, TEXT, frame},
    memory, poll_once,
    script::Script,
};

/// A list whose serializer panics after this number of elements.
struct Panics(usize);

impl Serialize for Panics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for _ in 0..self.0 {
            list.serialize_element("an element")?;
        }
        panic!("as the test wants it")
    }
}

/// A value whose deserializer panics.
struct Refuses;

impl<'de> Deserialize<'de> for Refuses {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("as the test wants it")
    }
}

fn panics<T>(f: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[test]
fn a_serializer_that_panics_leaves_an_idle_connection_without_a_buffer() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Config::new(), Script::new([]).silent());
        let _ = poll_once(ws.send("warm"));
        // The report of the first panic takes memory.
        panics(|| poll_once(ws.send_json(&Panics(1))));
        let sent = seen.written().len();
        let before = memory::held();
        panics(|| poll_once(ws.send_json(&Panics(100_000))));
        assert_eq!((ws.buffered(), seen.written().len()), (0, sent));
        let kept = memory::held() - before;
        assert!(kept < 64 << 10, "{kept} bytes");
        assert!(poll_once(ws.send_json(&1)).is_ready());
        assert!(seen.written().ends_with(&frame(role, FIN | TEXT, b"1")));
    }
}

#[tokio::test]
async fn a_deserializer_that_panics_loses_its_document_and_no_other() {
    let (near, far) = duplex(1000);
    let mut ws = WebSocket::new(near, Role::Server, &Config::new());
    let mut peer = WebSocket::new(far, Role::Client, &Config::new());
    for _ in 0..2 {
        peer.feed("[1]").await.unwrap();
        peer.feed("[2]").await.unwrap();
    }
    peer.flush().await.unwrap();
    panics(|| poll_once(ws.recv_json::<Refuses>()));
    assert_eq!(ws.recv_json::<[u8; 1]>().await.unwrap(), Some([2]));
    panics(|| poll_once(ws.recv_json_with(|_| panic!("as the test wants it"))));
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from("[2]")));
}

/// Strings of escaped code units: the parser either refuses them or returns UTF-8.
#[test]
fn escaped_surrogates_never_become_a_string_that_is_not_utf_8() {
    let units = [
        0, 0x22, 0x41, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000,
        0xFFFF,
    ];
    let mut tails: Vec<String> = [
        "", "x", "\\n", "\\\\", "é", "\\u", "\\ud", "\\udc", "\\udc0", "\\uD8zz",
    ]
    .map(str::to_owned)
    .into();
    tails.extend(units.map(|unit| format!("\\u{unit:04x}")));
    let mut accepted = 0;
    for first in 0..=0xFFFF_u32 {
        let tails = if units.contains(&first) {
            &tails[..]
        } else {
            &tails[..1]
        };
        for tail in tails {
            let document = format!(
                "[\"{}\\u{first:04X}{tail}\",1]",
                "-".repeat(first as usize % 70)
            );
            let typed = serde_json::from_str::<(String, u8)>(&document);
            let dynamic = Message::from(document.clone()).json_with(|it| {
                let text = it.at(0).and_then(|it| it.as_str()).unwrap();
                assert!(str::from_utf8(text.as_bytes()).is_ok(), "{document}");
                text.to_owned()
            });
            accepted += usize::from(dynamic.is_ok());
            assert_eq!(dynamic.ok(), typed.ok().map(|it| it.0), "{document}");
        }
    }
    assert!(accepted > 63_000);
}

/// A value whose serializer uses the other half of the connection.
struct Latency<'a>(&'a ReadHalf<Script>);

impl Serialize for Latency<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(self.0.latency().is_some())
    }
}

#[tokio::test]
async fn a_serializer_may_use_the_other_half() {
    for role in ROLES {
        let (ws, seen) = connection(role, Config::new(), Script::new([]).silent());
        let (reader, mut writer) = ws.split();
        writer.send_json(&Latency(&reader)).await.unwrap();
        assert_eq!(seen.written(), frame(role, FIN | TEXT, b"false"));
        panics(|| poll_once(writer.send_json(&Panics(10))));
        assert_eq!(writer.buffered(), 0);
        writer.send_json(&1).await.unwrap();
        assert!(seen.written().ends_with(&frame(role, FIN | TEXT, b"1")));
    }
}
