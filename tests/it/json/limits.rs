//! Documents that are malformed, deep or huge.

use std::{
    task::Poll,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value as Typed;
use wsimd::{CloseCode, Config, Error, JsonErrorKind, Message, Role, WebSocket};

use crate::support::{
    connection,
    frames::{FIN, ROLES, TEXT, close, frame},
    memory, poll_once,
    script::Script,
};

/// A type that a document of any depth can have.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "the values are parsed and dropped")]
enum Nested {
    Array(Vec<Self>),
    Number(u64),
}

/// Runs `f` on a thread with the smallest stack that Rust gives a thread by default.
fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(2 << 20).spawn(f);
    thread.unwrap().join().unwrap();
}

#[test]
fn deep_documents_are_refused_soon_and_without_a_deep_stack() {
    on_a_small_stack(|| {
        let start = Instant::now();
        for levels in [128, 129, 1000, 100_000] {
            for [open, close] in [
                ["[", "]"],
                ["{\"a\":", "}"],
                ["[", ""],
                ["{\"a\":", ""],
                ["[{\"é\":[1,2],\"b\":", "}]"],
            ] {
                let text = open.repeat(levels) + "1" + &close.repeat(levels);
                let message = Message::from(text);
                let refused = [
                    message.json::<Typed>().err(),
                    message.json::<Nested>().err(),
                    message.clone().json_with(|_| ()).err(),
                    message.json_with(|_| ()).err(),
                ];
                let refused = refused.map(|it| it.unwrap().kind());
                assert_eq!(refused, [JsonErrorKind::Syntax; 4], "{levels} of {open}");
            }
        }
        // A parser of quadratic time would take minutes.
        assert!(start.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn deep_documents_within_the_limit_need_no_deep_stack() {
    on_a_small_stack(|| {
        let levels = 127;
        let message = Message::from("[".repeat(levels) + "1" + &"]".repeat(levels));
        message.json::<Typed>().unwrap();
        message.json::<Nested>().unwrap();
        let deepest = message.json_with(|mut value| {
            while let Some(inner) = value.at(0) {
                value = inner;
            }
            value.as_u64()
        });
        assert_eq!(deepest.unwrap(), Some(1));
    });
}

#[test]
fn levels_of_a_field_that_the_type_does_not_have_need_no_stack() {
    #[derive(Deserialize)]
    struct Struct {
        a: u64,
    }
    on_a_small_stack(|| {
        let levels = 100_000;
        let ignored = "[".repeat(levels) + &"]".repeat(levels);
        let message = Message::from(format!("{{\"b\":{ignored},\"a\":1}}"));
        assert_eq!(message.json::<Struct>().unwrap().a, 1);
        message.json::<IgnoredAny>().unwrap();
    });
}

#[test]
fn the_error_of_a_huge_document_is_small() {
    for len in [64 << 10, 2 << 20] {
        let count = len / 8;
        let string = format!("\"{}\"", "x".repeat(len));
        for text in [
            format!("[{}", "1234567,".repeat(count)),
            format!("[{}]", "\"12345\",".repeat(count)),
            format!("[\"{}", "\\\"123456".repeat(count)),
            format!("{{\"{}\":0 0}}", "x".repeat(len)),
            format!("{{{}}}", "\"123\":1,".repeat(count)),
            " ".repeat(len),
            "-".repeat(len),
            string.clone() + "x",
        ] {
            let message = Message::from(text);
            let len = message.len();
            let (error, _) = memory::peak(|| message.json::<Typed>().unwrap_err());
            assert_eq!(error.kind(), JsonErrorKind::Syntax);
            assert!(error.to_string().len() < 300, "{error}");
            let before = memory::held();
            let error = message.json_with(|_| ()).unwrap_err();
            assert_eq!(error.kind(), JsonErrorKind::Syntax);
            assert!(error.to_string().len() < 300, "{error}");
            let grown = memory::held() - before + len.cast_signed();
            assert!(grown < 2 << 20, "{grown} bytes are held after {len}");
        }
        // The texts of these errors of serde_json have the whole string.
        for text in [
            string.clone(),
            format!("{{{string}:1}}"),
            format!("{{\"a\":{string}}}"),
        ] {
            let message = Message::from(text);
            let before = memory::held();
            let (error, peak) = memory::peak(|| message.json::<Strict>().unwrap_err());
            assert_eq!(error.kind(), JsonErrorKind::Data);
            assert!(error.to_string().len() < 1000, "{error}");
            let most = 8 * message.len().cast_signed();
            assert!(peak < most, "{peak} bytes for {}", message.len());
            assert!(memory::held() - before < 4096);
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[expect(dead_code, reason = "no document has it")]
    a: u64,
}

#[tokio::test]
async fn huge_documents_are_received_and_larger_ones_than_a_message_are_not() {
    for role in ROLES {
        let number = "1234567,";
        let document = |len: usize| format!("[{}1]", number.repeat(len / number.len()));
        let frames = [64 << 10, 1 << 20, (4 << 20) - 100, 4 << 20]
            .map(|len| frame(role.peer(), FIN | TEXT, document(len).as_bytes()))
            .concat();
        let config = || Config::new().max_message_size(4 << 20);
        for size in [100_000, frames.len()] {
            let (mut dynamic, _) = connection(role, config(), Script::chunks(frames.chunks(size)));
            let (mut typed, _) = connection(role, config(), Script::chunks(frames.chunks(size)));
            for len in [64 << 10, 1 << 20, (4 << 20) - 100] {
                let count = len / number.len() + 1;
                let received = dynamic.recv_json_with(|it| {
                    let last = it.items().last()?.as_u64()?;
                    Some((it.len(), last))
                });
                assert_eq!(received.await.unwrap(), Some(Some((count, 1))));
                let received = typed.recv_json::<Vec<u64>>().await.unwrap();
                assert_eq!(received.unwrap().len(), count);
            }
            let error = dynamic.recv_json_with(|_| ()).await.unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
            let error = typed.recv_json::<Vec<u64>>().await.unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
        }
    }
}

#[tokio::test]
async fn malformed_documents_leave_both_halves_usable() {
    for role in ROLES {
        let peer = role.peer();
        let malformed = [
            "",
            "[",
            "{\"a\":}",
            "\"\\ud800\"",
            "1e400",
            "[1]]",
            "\"\u{1}\"",
            "nul",
        ];
        let mut input = Vec::new();
        for text in malformed {
            input.extend(frame(peer, FIN | TEXT, text.as_bytes()));
            input.extend(frame(peer, FIN | TEXT, b"[1,\"\\n\"]"));
        }
        input.extend(close(peer, 1000, ""));
        for size in [1, 7, input.len()] {
            for is_typed in [false, true] {
                let (ws, seen) =
                    connection(role, Config::new(), Script::chunks(input.chunks(size)));
                let (mut reader, mut writer) = ws.split();
                for text in malformed {
                    let error = match is_typed {
                        true => reader.recv_json::<Typed>().await.unwrap_err(),
                        false => reader.recv_json_with(|_| ()).await.unwrap_err(),
                    };
                    let Error::Json(error) = error else {
                        panic!("{error:?}")
                    };
                    assert_eq!(error.kind(), JsonErrorKind::Syntax);
                    let message = error.into_message();
                    assert_eq!(message, is_typed.then(|| text.into()));
                    let text = |it: wsimd::json::Value<'_>| it.at(1)?.as_str().map(str::to_owned);
                    let next = reader.recv_json_with(text).await.unwrap();
                    assert_eq!(next, Some(Some("\n".to_owned())));
                }
                writer.send_json(&[1]).await.unwrap();
                assert_eq!(seen.written(), frame(role, FIN | TEXT, b"[1]"));
                assert!(reader.recv_json_with(|_| ()).await.unwrap().is_none());
            }
        }
    }
}

#[test]
fn the_path_of_a_deep_error_is_cut() {
    let levels = 120;
    let text = "{\"a key of sixteen\":".repeat(levels) + "\"x\"" + &"}".repeat(levels);
    #[derive(Debug, Deserialize)]
    #[serde(transparent)]
    struct Level(#[expect(dead_code, reason = "never a value")] Inner);
    #[derive(Debug, Deserialize)]
    struct Inner {
        #[serde(rename = "a key of sixteen")]
        #[expect(dead_code, reason = "never a value")]
        inner: Option<Box<Self>>,
    }
    let error = Message::from(text).json::<Level>().unwrap_err();
    assert_eq!(error.kind(), JsonErrorKind::Data);
    let path = error.path().unwrap();
    assert!(path.starts_with("a key of sixteen.a key"), "{path}");
    assert!(path.chars().count() <= 201 && path.ends_with('…'), "{path}");
}

#[tokio::test]
async fn a_value_is_serialized_up_to_the_limit_of_a_message() {
    let config = Config::new().max_outgoing_message_size(1000);
    let (near, _far) = tokio::io::duplex(4096);
    let mut ws = WebSocket::new(near, Role::Server, &config);
    let value = vec!["an element"; 1_000_000];
    let (error, peak) = memory::peak(|| poll_once(ws.send_json(&value)));
    let Poll::Ready(Err(Error::Send(error))) = error else {
        panic!("{error:?}")
    };
    assert!(error.to_string().contains("limit of 1000"), "{error}");
    assert!(peak < 64 << 10, "{peak} bytes");
    let (_, mut writer) = ws.split();
    let (error, peak) = memory::peak(|| poll_once(writer.send_json(&value)));
    assert!(matches!(error, Poll::Ready(Err(Error::Send(_)))));
    assert!(peak < 64 << 10, "{peak} bytes");
    writer.send_json(&vec![1; 400]).await.unwrap();
}
