//! JSON: serde_json beside simd-json, in place and in a copy.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use wsimd::{
    Config, EventRef, JsonError, JsonErrorKind, Message, MessageRef,
    frame::{FrameHeader, Opcode, Rsv},
    json::{Kind, Value},
    protocol::Receiver,
};

use super::{masking_key, role};

/// The numbers of bytes behind the document in its buffer.
const BEHIND: [usize; 4] = [0, 1, MessageRef::PADDING - 1, 2 * MessageRef::PADDING];

/// A number that serde_json may round to infinity.
const ALMOST_MAX: f64 = f64::MAX * (1.0 - 1e-15);

/// The largest difference between a float of serde_json and the exact one, in units of the last place.
const MAX_ERROR: u64 = 2;

/// The number of fields of an object that are looked up by their names.
const MAX_LOOKUPS: usize = 2;

/// Parses a document by both parsers.
///
/// Input:
/// 1. a byte of flags: 1 the receiver is a server, 2 the message is binary, 12 the number of bytes behind
///    the frame in the buffer;
/// 2. the value of these bytes;
/// 3. the document. One that is not UTF-8 is a binary message.
///
/// Properties:
/// - simd-json finds the same values or the same error in place, with any bytes behind the document, and in
///   a copy. The bytes behind it are as before.
/// - A field that is looked up is the last one with its name.
/// - Both parsers accept the same documents with the same values, except for the differences that
///   `wsimd::json` documents.
pub fn json(data: &[u8]) {
    let Some((&[flags, fill], document)) = data.split_first_chunk::<2>() else {
        return;
    };
    let message = match str::from_utf8(document) {
        Ok(text) if flags & 2 == 0 => Message::from(text),
        _ => Message::from(Bytes::copy_from_slice(document)),
    };
    let behind = vec![fill; BEHIND[usize::from(flags >> 2) % BEHIND.len()]];
    let dynamic = in_place(flags & 1 != 0, &message, &behind);
    let dynamic = dynamic.map_err(|error| check_error(&error, document));
    for (how, copy) in copies(&message) {
        let seen = copy
            .json_with(tree)
            .map_err(|error| check_error(&error, document));
        assert_eq!(seen, dynamic, "{how} (left) and in place");
    }
    let typed = message.json::<Tree>();
    let typed = typed.map_err(|error| check_error(&error, document));
    compare(document, &typed, &dynamic);
}

/// Receives the message with other bytes behind it, and parses the message in the buffer.
fn in_place(is_server: bool, message: &Message, behind: &[u8]) -> Result<Tree, JsonError> {
    let role = role(is_server);
    let key = is_server.then(masking_key);
    let header = FrameHeader {
        fin: true,
        rsv: Rsv::NONE,
        opcode: if message.is_text() {
            Opcode::Text
        } else {
            Opcode::Binary
        },
        masking_key: key,
        payload_len: message.len() as u64,
    };
    let mut wire = BytesMut::new();
    header.write(&mut wire);
    let key = key.map_or([0; 4], |key| key.to_bytes());
    let masked = message.as_bytes().iter().zip(key.into_iter().cycle());
    wire.extend(masked.map(|(byte, key)| byte ^ key));
    let mut input = BytesMut::with_capacity(wire.len() + behind.len());
    input.extend_from_slice(&wire);
    input.extend_from_slice(behind);

    let mut receiver = Receiver::new(role, &Config::new());
    let parsed = receiver.receive_with(&mut input, |event| match event {
        EventRef::Message(message) => message.json_with(|value| {
            let inner = Message::from("[[1], \"\\n\"]").json_with(tree);
            assert!(inner.is_ok(), "a document within another: {inner:?}");
            tree(value)
        }),
        other => panic!("{other:?}"),
    });
    assert_eq!(input, behind, "the bytes behind the document (left)");
    parsed.expect("a legal frame").expect("a whole message")
}

/// Returns the message with a payload that is shared, one without room for padding, and one with it.
fn copies(message: &Message) -> [(&'static str, Message); 3] {
    let payload = || {
        let mut roomy = BytesMut::with_capacity(message.len() + MessageRef::PADDING);
        roomy.put_slice(message.as_bytes());
        roomy.freeze()
    };
    let with = |payload: Bytes| match message {
        Message::Text(_) => Message::Text(payload.try_into().expect("the same text")),
        Message::Binary(_) => Message::Binary(payload),
    };
    [
        ("shared", message.clone()),
        ("tight", with(Bytes::from(message.as_bytes().to_vec()))),
        ("roomy", with(payload())),
    ]
}

/// Checks an error and returns its text.
fn check_error(error: &JsonError, document: &[u8]) -> String {
    assert_eq!(error.kind(), JsonErrorKind::Syntax, "{error:?}");
    assert!(
        error.offset().is_none_or(|at| at <= document.len()),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.len() < 1000 && !text.contains(char::is_control),
        "{text:?}"
    );
    text
}

fn compare(document: &[u8], typed: &Result<Tree, String>, dynamic: &Result<Tree, String>) {
    match (typed, dynamic) {
        (Ok(typed), Ok(dynamic)) => {
            assert!(typed.is_like(dynamic), "{typed:?} is not {dynamic:?}");
        }
        (Err(_), Err(_)) => {}
        // serde_json rounds numbers close to the largest one to infinity.
        (Err(error), Ok(dynamic)) if error.ends_with("number out of range") => {
            assert!(dynamic.max() >= ALMOST_MAX, "{error}: {dynamic:?}");
        }
        _ => panic!(
            "{}: typed {typed:?}, dynamic {dynamic:?}",
            document.escape_ascii()
        ),
    }
    if let (Ok(Tree::F64(number)), Ok(text)) = (dynamic, str::from_utf8(document)) {
        let exact = text.trim_ascii().parse::<f64>();
        assert_eq!(exact.map(f64::to_bits), Ok(number.to_bits()), "{text}");
    }
}

/// A document, with all fields of an object in their order.
#[derive(Debug, PartialEq)]
enum Tree {
    Null,
    Bool(bool),
    U64(u64),
    I64(i64),
    F64(f64),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Compares the document of serde_json with that of simd-json.
    fn is_like(&self, dynamic: &Self) -> bool {
        match (self, dynamic) {
            // `-0`.
            (Self::F64(typed), Self::U64(0)) => typed.to_bits() == (-0.0_f64).to_bits(),
            (Self::F64(typed), Self::F64(exact)) => {
                typed.to_bits().abs_diff(exact.to_bits()) <= MAX_ERROR
            }
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.is_like(b))
            }
            (Self::Object(a), Self::Object(b)) => {
                let mut fields = a.iter().zip(b);
                a.len() == b.len() && fields.all(|((a, x), (b, y))| a == b && x.is_like(y))
            }
            _ => self == dynamic,
        }
    }

    /// Returns the largest absolute value of a float.
    fn max(&self) -> f64 {
        match self {
            Self::F64(number) => number.abs(),
            Self::Array(items) => items.iter().map(Self::max).fold(0.0, f64::max),
            Self::Object(fields) => fields.iter().map(|(_, it)| it.max()).fold(0.0, f64::max),
            _ => 0.0,
        }
    }
}

/// Copies a document, and checks the accesses to it.
fn tree(value: Value<'_>) -> Tree {
    match value.kind() {
        Kind::Null => Tree::Null,
        Kind::Bool => Tree::Bool(value.as_bool().expect("a boolean")),
        Kind::String => Tree::String(value.as_str().expect("a string").to_owned()),
        Kind::Number => match (value.as_u64(), value.as_i64(), value.as_f64()) {
            (Some(number), ..) => Tree::U64(number),
            (_, Some(number), _) => Tree::I64(number),
            (.., number) => Tree::F64(number.expect("a number")),
        },
        Kind::Array => {
            let items: Vec<_> = value.items().map(tree).collect();
            assert_eq!(value.len(), items.len());
            assert_eq!(value.at(items.len()).map(Value::kind), None);
            Tree::Array(items)
        }
        Kind::Object => {
            assert_eq!(value.entries().count(), value.len());
            let copy = |(name, value): (&str, _)| (name.to_owned(), tree(value));
            let facts =
                |it: Value<'_>| (it.kind(), it.len(), it.as_str().map(str::len), it.as_u64());
            for (name, _) in value.entries().take(MAX_LOOKUPS) {
                let named = value.entries().filter(|(other, _)| *other == name);
                let last = named.last().map(|(_, it)| facts(it));
                assert_eq!(value.get(name).map(facts), last, "the field {name:?}");
            }
            Tree::Object(value.entries().map(copy).collect())
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyTree)
    }
}

struct AnyTree;

impl<'de> Visitor<'de> for AnyTree {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::U64(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::I64(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::F64(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}
