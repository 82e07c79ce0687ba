//! simd-json, with memory that a thread reuses.

use std::{cell::Cell, mem};

use simd_json::{Buffers, ErrorType, Node, Tape, fill_tape_padded};

use super::{JsonError, JsonErrorKind, JsonFault, MAX_DEPTH, Value};
use crate::message::MessageRef;

/// The longest document after which the thread keeps the memory of the parser, in bytes. The buffers of simd-json
/// then take at most 640 KiB.
const MAX_LEN: usize = 128 << 10;

/// The largest tape that the thread keeps, in nodes: 1 MiB.
const MAX_NODES: usize = (1 << 20) / size_of::<Node<'_>>();

const _: () = assert!(MessageRef::PADDING >= simd_json::INPUT_PADDING);

thread_local! {
    static PARSER: Cell<Option<Box<Parser>>> = const { Cell::new(None) };
}

/// The memory of a parser.
struct Parser {
    buffers: Buffers,
    /// INVARIANT: empty.
    tape: Tape<'static>,
    /// A payload that cannot be changed in place.
    scratch: Vec<u8>,
}

impl Parser {
    /// Takes the parser of the thread, because `f` may parse another document.
    fn take() -> Box<Self> {
        PARSER.take().unwrap_or_else(|| {
            Box::new(Self {
                buffers: Buffers::with_max_depth(0, MAX_DEPTH),
                tape: Tape(Vec::new()),
                scratch: Vec::new(),
            })
        })
    }

    /// Gives the parser to the thread after a document of `len` bytes, unless its memory is large.
    fn release(self: Box<Self>, len: usize) {
        if len <= MAX_LEN && self.tape.0.capacity() <= MAX_NODES {
            PARSER.set(Some(self));
        }
    }
}

/// Parses `bytes[..len]` in place. At least [`MessageRef::PADDING`] bytes follow.
pub(super) fn parse_in_place<R>(
    bytes: &mut [u8],
    len: usize,
    f: impl FnOnce(Value<'_>) -> R,
) -> Result<R, JsonError> {
    let mut parser = Parser::take();
    let result = parse(bytes, len, &mut parser.buffers, &mut parser.tape, f);
    parser.release(len);
    result
}

/// Parses a copy of `bytes`.
pub(super) fn parse_copy<R>(bytes: &[u8], f: impl FnOnce(Value<'_>) -> R) -> Result<R, JsonError> {
    let mut parser = Parser::take();
    let Parser {
        buffers,
        tape,
        scratch,
    } = &mut *parser;
    scratch.clear();
    scratch.reserve(bytes.len() + MessageRef::PADDING);
    scratch.extend_from_slice(bytes);
    scratch.resize(bytes.len() + MessageRef::PADDING, 0);
    let result = parse(scratch, bytes.len(), buffers, tape, f);
    parser.release(bytes.len());
    result
}

fn parse<R>(
    bytes: &mut [u8],
    len: usize,
    buffers: &mut Buffers,
    kept: &mut Tape<'static>,
    f: impl FnOnce(Value<'_>) -> R,
) -> Result<R, JsonError> {
    let mut tape = mem::replace(kept, Tape(Vec::new())).reset();
    let result = match fill_tape_padded(bytes, len, buffers, &mut tape) {
        Ok(()) => Ok(f(Value::new(tape.as_value()))),
        Err(error) => Err(syntax(&error)),
    };
    *kept = tape.reset();
    result
}

#[cold]
fn syntax(error: &simd_json::Error) -> JsonError {
    // The parser reports an index of 0 if it does not know the place.
    let offset = Some(error.index()).filter(|index| *index > 0);
    let text = match error.error() {
        ErrorType::DepthLimitExceeded => format!("more than {MAX_DEPTH} levels"),
        // simd-json has no other name for most characters out of place.
        ErrorType::InternalError => String::from("unexpected character"),
        kind => words(&format!("{kind:?}")),
    };
    let fault = JsonFault {
        offset,
        ..JsonFault::new(JsonErrorKind::Syntax, &text)
    };
    fault.into()
}

/// Returns the words of a name, for example `unterminated string` of `UnterminatedString`.
fn words(name: &str) -> String {
    let mut words = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(character.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn parse(text: &str) -> Result<String, JsonError> {
        let message = Message::from(text.to_owned());
        message.json_with(|value| format!("{:?}", value.kind()))
    }

    fn keeps_parser() -> bool {
        let parser = PARSER.take();
        let keeps = parser.is_some();
        PARSER.set(parser);
        keeps
    }

    #[test]
    fn the_thread_keeps_the_memory_of_small_documents() {
        assert!(!keeps_parser());
        parse("{}").unwrap();
        assert!(keeps_parser());
        parse("{").unwrap_err();
        assert!(keeps_parser());
        parse(&format!("\"{}\"", "x".repeat(MAX_LEN))).unwrap();
        assert!(!keeps_parser());
        // Many small values in a document that is not long.
        parse(&format!("[{}1]", "1,".repeat(MAX_NODES))).unwrap();
        assert!(!keeps_parser());
    }

    #[test]
    fn errors_have_the_place_that_the_parser_knows() {
        assert_eq!(
            parse("{\"a\" 1}").unwrap_err().to_string(),
            "invalid JSON at byte 5: expected object colon"
        );
        assert_eq!(
            parse("[1, x]").unwrap_err().to_string(),
            "invalid JSON at byte 4: unexpected character"
        );
        let deep = "[".repeat(MAX_DEPTH + 1) + &"]".repeat(MAX_DEPTH + 1);
        assert!(parse(&deep[1..deep.len() - 1]).is_ok());
        let error = parse(&deep).unwrap_err().to_string();
        assert!(error.ends_with("more than 127 levels"), "{error}");
        assert_eq!(parse("").unwrap_err().offset(), None);
    }

    #[test]
    fn a_document_may_be_parsed_within_another() {
        let first = |value: Value<'_>| value.at(0)?.as_str().map(str::to_owned);
        let outer = Message::from(String::from("[\"outer\"]"));
        let both = outer.json_with(|outer| {
            let inner = Message::from(String::from("[\"inner\"]"));
            [inner.json_with(first).unwrap(), first(outer)]
        });
        let expected = ["inner", "outer"].map(|it| Some(it.to_owned()));
        assert_eq!(both.unwrap(), expected);
    }
}
