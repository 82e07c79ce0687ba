//! Closures and types that parse, panic or allocate while a document is parsed.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Poll,
};

use serde::{Deserialize, Deserializer, de::Error as _};
use wsimd::{Config, Message, Role, WebSocket, json::Value};

use crate::support::{
    connection,
    frames::{FIN, ROLES, TEXT, frame},
    memory, poll_once,
    script::Script,
};

/// A document within a string, as some servers send it. Both parsers read it.
#[derive(Debug, PartialEq)]
struct Embedded {
    typed: Vec<u64>,
    dynamic: Option<u64>,
}

impl<'de> Deserialize<'de> for Embedded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let message = Message::from(String::deserialize(deserializer)?);
        let typed = message.json().map_err(D::Error::custom)?;
        let dynamic = message.json_with(|it| it.at(1)?.as_u64());
        Ok(Self {
            typed,
            dynamic: dynamic.map_err(D::Error::custom)?,
        })
    }
}

/// A connection whose peer sends these texts.
fn received(role: Role, texts: &[&str]) -> WebSocket<Script> {
    let frames = texts
        .iter()
        .map(|it| frame(role.peer(), FIN | TEXT, it.as_bytes()));
    let input = frames.collect::<Vec<_>>().concat();
    connection(role, Config::new(), Script::whole(&input).silent()).0
}

/// Panics without a message, whose memory would be counted.
fn panic_silently() -> ! {
    resume_unwind(Box::new(()))
}

fn panics<T>(f: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[tokio::test]
async fn a_type_may_parse_documents_itself() {
    for role in ROLES {
        let text = r#"["[1,2]","[3,4]"]"#;
        let mut ws = received(role, &[text, r#"["[1,"]"#, text]);
        let embedded = |values: [[u64; 2]; 2]| {
            values.map(|typed| Embedded {
                dynamic: Some(typed[1]),
                typed: typed.into(),
            })
        };
        let expected = embedded([[1, 2], [3, 4]]);
        let value = ws.recv_json::<[Embedded; 2]>().await.unwrap();
        assert_eq!(value.as_ref(), Some(&expected));
        let error = ws.recv_json::<Vec<Embedded>>().await.unwrap_err();
        assert!(error.to_string().contains("[0]"), "{error}");
        let value = ws.recv_json::<[Embedded; 2]>().await.unwrap();
        assert_eq!(value, Some(expected));
    }
}

#[test]
fn documents_within_documents_keep_their_values() {
    fn nested(levels: usize) -> usize {
        let text = format!("{{\"level\":{levels},\"name\":\"\\u00e9{levels}\"}}");
        let check = |it: Value<'_>| {
            let name = format!("é{levels}");
            assert_eq!(it.get("level").and_then(Value::as_u64), Some(levels as u64));
            assert_eq!(it.get("name").and_then(Value::as_str), Some(&*name));
        };
        let inner = Message::from(text).json_with(|it| {
            check(it);
            let inner = if levels == 0 { 0 } else { nested(levels - 1) };
            Message::from("[").json_with(|_| ()).unwrap_err();
            check(it);
            inner
        });
        inner.unwrap() + 1
    }
    assert_eq!(nested(10), 11);
}

#[tokio::test]
async fn a_document_may_be_received_within_another() {
    for role in ROLES {
        let mut outer = received(role, &["[\"outer\",1]", "[2]"]);
        let mut inner = received(role, &["[\"inner\",1]", "[3]"]);
        let first = |it: Value<'_>| it.at(0)?.as_str().map(str::to_owned);
        let both = outer.recv_json_with(|it| {
            let Poll::Ready(Ok(inner)) = poll_once(inner.recv_json_with(first)) else {
                panic!("no document within another")
            };
            [first(it), inner.flatten()]
        });
        let expected = ["outer", "inner"].map(|it| Some(it.to_owned()));
        assert_eq!(both.await.unwrap(), Some(expected));
        assert_eq!(outer.recv_json::<[u8; 1]>().await.unwrap(), Some([2]));
        assert_eq!(inner.recv_json::<[u8; 1]>().await.unwrap(), Some([3]));
    }
}

#[tokio::test]
async fn a_closure_or_type_that_panics_loses_its_document_and_no_memory() {
    #[derive(Debug)]
    struct Panics;
    impl<'de> Deserialize<'de> for Panics {
        fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic_silently()
        }
    }
    for role in ROLES {
        let texts = [r#"{"a":"\u0041"}"#, "[1]"].repeat(20);
        let mut ws = received(role, &texts);
        let mut held = 0;
        for round in 0..10 {
            panics(|| poll_once(ws.recv_json_with(|_| panic_silently())));
            assert_eq!(ws.recv_json::<[u8; 1]>().await.unwrap(), Some([1]));
            panics(|| poll_once(ws.recv_json::<Panics>()));
            let first = |it: Value<'_>| it.at(0)?.as_u64();
            assert_eq!(ws.recv_json_with(first).await.unwrap(), Some(Some(1)));
            match round {
                0..5 => held = memory::held(),
                _ => assert_eq!(memory::held(), held),
            }
        }
    }
}

#[test]
fn the_memory_of_a_large_document_is_given_back() {
    let parse = |text: &str| {
        let len = Message::from(text).json_with(|it| it.len());
        len.unwrap()
    };
    parse("[1]");
    let before = memory::held();
    for text in [
        format!("[{}1]", "1,".repeat(1 << 20)),
        format!("[\"{}\"]", "\\n".repeat(1 << 20)),
    ] {
        assert!(parse(&text) > 0);
    }
    assert!(memory::held() <= before);
    let shared = Message::from(format!("[{}1]", "1,".repeat(1 << 20)));
    let before = memory::held();
    shared.clone().json_with(|it| it.len()).unwrap();
    assert!(
        memory::held() <= before + 100,
        "{}",
        memory::held() - before
    );
}

#[test]
fn owned_messages_are_parsed_without_an_allocation() {
    #[derive(Deserialize)]
    struct Borrowed<'a> {
        #[serde(borrow)]
        names: [&'a str; 2],
    }
    let message = Message::from(r#"{"names":["a","é"],"text":"a\nb","more":1.5}"#);
    let parse = || {
        let typed: Borrowed<'_> = message.json().unwrap();
        assert_eq!(typed.names, ["a", "é"]);
        // The payload is shared, so that it is copied to memory of the thread.
        let dynamic = message.clone().json_with(|it| {
            let text = it.get("text")?.as_str()?;
            Some(text.len())
        });
        assert_eq!(dynamic.unwrap(), Some(3));
    };
    parse();
    let ((), allocated) = memory::peak(|| (0..100).for_each(|_| parse()));
    assert_eq!(allocated, 0);
}
