//! serde_json and simd-json accept the same documents with the same values. The exceptions stand here, too.

use serde_json::{Number, Value as Typed};
use wsimd::{
    JsonError, JsonErrorKind, Message,
    json::{Kind, Value},
};

/// Parses by serde_json.
fn typed(text: &str) -> Result<Typed, JsonError> {
    Message::from(text).json()
}

/// Parses by simd-json. Of several fields with one name the last one stays, as with serde_json.
fn dynamic(text: &str) -> Result<Typed, JsonError> {
    Message::from(text).json_with(copy)
}

fn copy(value: Value<'_>) -> Typed {
    match value.kind() {
        Kind::Null => Typed::Null,
        Kind::Bool => value.as_bool().unwrap().into(),
        Kind::String => value.as_str().unwrap().into(),
        Kind::Array => value.items().map(copy).collect(),
        Kind::Object => {
            let field = |(name, value): (&str, _)| (name.to_owned(), copy(value));
            value.entries().map(field).collect()
        }
        Kind::Number => match (value.as_u64(), value.as_i64()) {
            (Some(number), _) => number.into(),
            (None, Some(number)) => number.into(),
            (None, None) => Typed::Number(Number::from_f64(value.as_f64().unwrap()).unwrap()),
        },
    }
}

#[test]
fn both_parsers_accept_the_same_documents() {
    let documents = [
        "0 | 0.0 | -0.0 | -0e5 | 1e2 | 1E+2 | 1e-400 | 0e99999999999 | 1e-99999999999 | 5e-324",
        "18446744073709551615 | -9223372036854775808 | 0.1 | 1.7976931348623157e308",
        r#""" | "\"" | "\/\b\f\n\r\t\\" | "\u0000" | "\ud83d\ude00" | "\uD83D\uDE00" | "é😀""#,
        r#"null | [true, false] | {} | [] | {"": {"a": [{}]}} | {"a": 1, "a": 2}"#,
    ];
    for text in documents.iter().flat_map(|row| row.split(" | ")) {
        for text in [
            text.to_owned(),
            format!("\t\n\r {text} "),
            format!("[{text}]"),
        ] {
            let value = typed(&text).unwrap();
            assert_eq!(dynamic(&text).unwrap(), value, "{text}");
        }
    }
}

#[test]
fn both_parsers_refuse_the_same_documents() {
    let documents = [
        "01 | -01 | 1. | .5 | - | -x | --1 | - 1 | +1 | 1e | 1e+ | 1.5.5 | 1e5e5 | 0x1 | 1_0 | 1a",
        "1e400 | -1e400 | 1e99999999999 | NaN | Infinity | nul | nullx | truefalse | True",
        r#"" | "\" | "\x" | "\u12" | "\uXXXX" | "\ud800" | "\udc00" | "\ud800\u0041" | "\ud800\n" | 'a'"#,
        r#"{"a":1,} | [1,] | [,] | {,} | {"a"} | {a:1} | {1:2} | {"a":1 "b":2} | {"a" 1} | {:1}"#,
        "[1 2] | 1 2 | [] [] | []] | {}} | [ | { | ] | } | , | : | [1} | /**/1 | [1/**/] | \u{feff}1",
    ];
    for text in documents
        .iter()
        .flat_map(|row| row.split(" | "))
        .chain([""])
    {
        for text in [text.to_owned(), format!("[0,{text}]"), format!("{text}\0")] {
            assert!(typed(&text).is_err(), "{text}");
            assert!(dynamic(&text).is_err(), "{text}");
        }
    }
    // Control characters, which have to be escaped, and white space that JSON does not know.
    for byte in 0..0x20_u8 {
        let is_space = b"\t\n\r".contains(&byte);
        let byte = char::from(byte);
        for text in [format!("\"a{byte}\""), format!("\"\\{byte}\"")] {
            assert!(typed(&text).is_err() && dynamic(&text).is_err(), "{text:?}");
        }
        let text = format!("[1{byte},2]");
        assert_eq!(
            (typed(&text).is_ok(), dynamic(&text).is_ok()),
            (is_space, is_space)
        );
    }
}

#[test]
fn both_parsers_refuse_binary_documents_that_are_not_utf8() {
    for bytes in [
        b"\"\xFF\"".as_slice(),
        b"\"\xED\xA0\x80\"",
        b"[1]\x80",
        b"{\"\xC3\":1}",
    ] {
        let message = Message::from(bytes);
        assert!(message.json::<Typed>().is_err());
        assert!(message.json_with(|_| ()).is_err());
    }
}

#[test]
fn both_parsers_accept_127_levels() {
    for [open, inner, close] in [["[", "", "]"], ["[", "1", "]"], ["{\"a\":", "\"\"", "}"]] {
        let nested = |levels: usize| open.repeat(levels) + inner + &close.repeat(levels);
        assert_eq!(dynamic(&nested(127)).unwrap(), typed(&nested(127)).unwrap());
        assert!(typed(&nested(128)).is_err());
        assert!(dynamic(&nested(128)).is_err());
    }
}

#[test]
fn both_parsers_round_integers_beyond_64_bits() {
    for (text, value) in [
        ("18446744073709551616", 18_446_744_073_709_551_616.0),
        ("-9223372036854775809", -9_223_372_036_854_775_808.0),
        ("[100000000000000000000000000]", 1e26),
    ] {
        let number = dynamic(text).unwrap();
        assert_eq!(number, typed(text).unwrap(), "{text}");
        let number = number.get(0).unwrap_or(&number);
        assert_eq!(
            (number.as_f64(), number.as_u64(), number.as_i64()),
            (Some(value), None, None)
        );
    }
    assert!(typed(&"9".repeat(400)).is_err());
    assert!(dynamic(&"9".repeat(400)).is_err());
}

#[test]
fn a_negative_zero_is_a_float_for_serde_json_and_an_integer_for_simd_json() {
    let zero = Message::from("-0").json::<f64>().unwrap();
    assert!(zero == 0.0 && zero.is_sign_negative());
    let zero = Message::from("-0").json_with(|it| (it.as_i64(), it.as_f64()));
    assert_eq!(zero.unwrap(), (Some(0), Some(0.0)));
}

#[test]
fn simd_json_rounds_exactly_and_serde_json_to_16_digits() {
    for text in [
        "9007199254740993.0",
        "123456789012345678901.5",
        "2.2250738585072011e-308",
        "1.7976931348623157e308",
        "0.1234567890123456789012345678901234567890",
        "31.245270191439438",
    ] {
        let exact: f64 = text.parse().unwrap();
        assert_eq!(dynamic(text).unwrap().as_f64(), Some(exact), "{text}");
        let rounded = Message::from(text).json::<f64>().unwrap();
        assert!((rounded / exact - 1.0).abs() < 1e-15, "{text}: {rounded}");
    }
    // The next larger number is out of range.
    assert_eq!(
        dynamic("1.7976931348623158e308").unwrap().as_f64(),
        Some(f64::MAX)
    );
    assert!(dynamic("1.7976931348623159e308").is_err());
}

#[test]
fn both_parsers_read_the_last_of_the_fields_with_one_name() {
    #[derive(Debug, serde::Deserialize)]
    struct Struct {
        #[expect(dead_code, reason = "the document is refused")]
        a: u64,
    }
    let message = Message::from(r#"{"a":1,"a":2}"#);
    assert_eq!(message.json::<Typed>().unwrap()["a"], 2);
    let error = message.json::<Struct>().unwrap_err();
    assert_eq!((error.kind(), error.path()), (JsonErrorKind::Data, None));
    let fields = message.json_with(|it| {
        let all: Vec<_> = it
            .entries()
            .filter_map(|(_, value)| value.as_u64())
            .collect();
        (it.get("a").and_then(Value::as_u64), all)
    });
    assert_eq!(fields.unwrap(), (Some(2), vec![1, 2]));
}

/// serde_json checks the grammar of a field that the type does not have, and neither its levels, numbers and
/// surrogates nor, in a binary message, its UTF-8.
#[test]
fn a_field_that_the_type_does_not_have_may_break_rules_of_values() {
    #[derive(Debug, serde::Deserialize)]
    struct Struct {
        a: u64,
    }
    let levels = "[".repeat(1000) + &"]".repeat(1000);
    for ignored in [levels.as_bytes(), b"1e400", br#""\ud800""#, b"\"\xFF\""] {
        let document = [br#"{"a":1,"b":"#, ignored, b"}"].concat();
        let message = Message::from(document);
        assert_eq!(message.json::<Struct>().unwrap().a, 1);
        assert!(message.json::<Typed>().is_err());
        assert!(message.json_with(|_| ()).is_err());
    }
    assert!(Message::from(r#"{"a":1,"b":01}"#).json::<Struct>().is_err());
}
