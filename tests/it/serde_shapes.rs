//! The shapes of the feature `serde`, in JSON and in CBOR, a binary format.

use std::fmt::Debug;

use ciborium::value::Value;
use serde::{Serialize, de::DeserializeOwned};
use wsimd::{CloseCode, CloseFrame, Message, Text, protocol::Closing};

/// Checks both shapes of a value, and that it comes back out of them.
fn check<T>(value: &T, json: &str, cbor: &[u8])
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    assert_eq!(serde_json::to_string(value).unwrap(), json);
    assert_eq!(&serde_json::from_str::<T>(json).unwrap(), value);
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    assert_eq!(
        bytes,
        cbor,
        "{:?}",
        ciborium::from_reader::<Value, _>(&*bytes)
    );
    assert_eq!(&ciborium::from_reader::<T, _>(cbor).unwrap(), value);
}

fn error<T: DeserializeOwned + Debug>(json: &str) -> String {
    serde_json::from_str::<T>(json).unwrap_err().to_string()
}

#[test]
fn a_text_is_a_string_and_a_code_a_number() {
    check(&Text::from("é\n"), r#""é\n""#, b"\x63\xc3\xa9\n");
    check(&CloseCode::NORMAL, "1000", b"\x19\x03\xe8");
    check(&CloseCode::from(7), "7", b"\x07");
    assert!(error::<CloseCode>("65536").contains("u16"));
    assert!(error::<Text>("[104]").contains("expected a string"));
}

#[test]
fn a_message_is_an_enum_that_names_its_kind() {
    check(
        &Message::from("Hello"),
        r#"{"text":"Hello"}"#,
        b"\xa1\x64text\x65Hello",
    );
    check(
        &Message::from(b"\x00\xff"),
        r#"{"binary":[0,255]}"#,
        b"\xa1\x66binary\x42\x00\xff",
    );
    let from_string: Message = serde_json::from_str(r#"{"binary":"é"}"#).unwrap();
    assert_eq!(from_string, b"\xc3\xa9");
    assert!(error::<Message>(r#"{"ping":""}"#).contains("expected `text` or `binary`"));
    assert!(error::<Message>(r#""Hello""#).contains("unknown variant"));
}

#[test]
fn a_close_frame_has_a_code_and_a_reason_that_may_be_sent() {
    let frame = CloseFrame::new(1000, "bye").unwrap();
    check(
        &frame,
        r#"{"code":1000,"reason":"bye"}"#,
        b"\xa2\x64code\x19\x03\xe8\x66reason\x63bye",
    );
    check(
        &CloseFrame::EMPTY,
        r#"{"code":null,"reason":""}"#,
        b"\xa2\x64code\xf6\x66reason\x60",
    );
    assert_eq!(serde_json::from_str("{}").ok(), Some(CloseFrame::EMPTY));
    assert!(error::<CloseFrame>(r#"{"code":1006}"#).contains("close code 1006 may not be sent"));
    assert!(error::<CloseFrame>(r#"{"reason":"why"}"#).contains("without a code"));
    let long = format!(r#"{{"code":1000,"reason":"{}"}}"#, "x".repeat(124));
    assert!(error::<CloseFrame>(&long).contains("124 bytes exceeds 123 bytes"));
}

#[test]
fn the_end_of_a_connection_has_the_close_frames_of_both_sides() {
    let mut closing = Closing::default();
    closing.on_received(CloseFrame::new(4001, "").unwrap());
    check(
        &closing.close_frames(),
        r#"{"received":{"code":4001,"reason":""},"sent":null,"received_first":true}"#,
        b"\xa3\x68received\xa2\x64code\x19\x0f\xa1\x66reason\x60\x64sent\xf6\x6ereceived_first\xf5",
    );
}
