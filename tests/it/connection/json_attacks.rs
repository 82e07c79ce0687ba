//! Implementations of `Serialize` and `Deserialize` that panic or misbehave.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};
use tokio::{io::duplex, task::unconstrained};
use wsimd::{Config, Message, Role, WebSocket};

use crate::support::{
    connection,
    frames::{FIN, ROLES, TEXT, frame},
    memory, poll_once,
    script::{Read, Script, Write},
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
        let sent = seen.written().len();
        let before = memory::held();
        panics(|| poll_once(ws.send_json(&Panics(100_000))));
        assert_eq!((ws.buffered(), seen.written().len()), (0, sent));
        let kept = memory::held() - before;
        // The runtime keeps some memory for the report of a panic. The document takes 1.3 MB.
        assert!(kept < 64 << 10, "{kept} bytes");
        assert!(poll_once(ws.send_json(&1)).is_ready());
        assert!(seen.written().ends_with(&frame(role, FIN | TEXT, b"1")));
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The send waits for room, parks a message meanwhile, and panics before the reader is woken.
#[tokio::test]
async fn a_serializer_that_panics_does_not_lose_the_wake_up_of_the_reader() {
    let input = frame(Role::Client, FIN | TEXT, b"message");
    let reads = [Read::Pending, Read::Data(input)];
    let writes = [Write::Pending, Write::Pending, Write::Some(usize::MAX)];
    let script = Script::new(reads).silent().writes(writes);
    let config = Config::new().write_high_water(0);
    let (ws, _) = connection(Role::Server, config, script);
    let (mut reader, mut writer) = ws.split();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    writer.try_feed("full").unwrap();
    let mut recv = pin!(unconstrained(reader.recv()));
    let mut cx = Context::from_waker(&waker);
    assert!(recv.as_mut().poll(&mut cx).is_pending());
    wakes.0.store(0, Ordering::Relaxed);
    panics(|| poll_once(writer.send_json(&Panics(1))));
    assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
    let Poll::Ready(received) = recv.as_mut().poll(&mut cx) else {
        panic!("the message was lost")
    };
    assert_eq!(received.unwrap(), Some("message".into()));
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
