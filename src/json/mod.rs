//! JSON messages, with the feature `json`.
//!
//! | to … | use | parser |
//! | --- | --- | --- |
//! | receive a value of a type | `WebSocket::recv_json`, [`Message::json`] | serde_json |
//! | receive a value that borrows its strings | `WebSocket::recv_with` and [`MessageRef::json`] | serde_json |
//! | look at a few fields of a document | `WebSocket::recv_json_with`, [`MessageRef::json_with`] | simd-json |
//! | send a value | `WebSocket::send_json`, [`Message::from_json`] | serde_json |
//!
//! [`Message::json`] reads text that is validated already, so that serde_json does not validate the text again.
//! [`MessageRef::json_with`] lets simd-json work in place: the payload is changed and neither copied nor allocated.
//! Both parsers accept at most 127 levels of arrays and objects.

mod parser;
mod typed;
mod value;

#[cfg(feature = "tokio")]
pub(crate) use typed::serialize;
pub use value::{Kind, Value};

use crate::{
    error::{JsonError, JsonErrorKind, JsonFault},
    message::{Message, MessageRef},
};

/// The largest number of nested arrays and objects that a document may have. It is serde_json's limit, too.
const MAX_DEPTH: usize = 127;

/// The number of characters of a text or path in an error. The peer may have chosen them.
const MAX_TEXT: usize = 200;

impl MessageRef<'_> {
    /// Parses the payload in place, and passes the document to `f`. Returns the result of `f`.
    ///
    /// ```
    /// use wsimd::{JsonError, MessageRef};
    ///
    /// fn price(message: MessageRef<'_>) -> Result<Option<f64>, JsonError> {
    ///     message.json_with(|trade| trade.get("price")?.as_f64())
    /// }
    /// ```
    ///
    /// simd-json parses the whole document before `f` runs. The thread keeps the memory of the parser for the next
    /// document, at most 2 MiB. A document takes up to 40 times its size meanwhile.
    ///
    /// # Errors
    ///
    /// [`JsonErrorKind::Syntax`]. The payload is lost, because the parser has changed it.
    pub fn json_with<R>(self, f: impl FnOnce(Value<'_>) -> R) -> Result<R, JsonError> {
        self.with_padding(|bytes, len| parser::parse_in_place(bytes, len, f))
    }
}

impl Message {
    /// Parses the payload, and passes the document to `f`, as [`MessageRef::json_with`].
    ///
    /// A payload that another message shares is copied to memory of the thread first, and so is a payload without
    /// room for [padding](MessageRef::with_padding).
    ///
    /// # Errors
    ///
    /// As [`MessageRef::json_with`].
    pub fn json_with<R>(self, f: impl FnOnce(Value<'_>) -> R) -> Result<R, JsonError> {
        match self.into_bytes().try_into_mut() {
            Ok(mut bytes) if bytes.capacity() - bytes.len() >= MessageRef::PADDING => {
                let len = bytes.len();
                bytes.resize(len + MessageRef::PADDING, 0);
                parser::parse_in_place(&mut bytes, len, f)
            }
            Ok(bytes) => parser::parse_copy(&bytes, f),
            Err(bytes) => parser::parse_copy(&bytes, f),
        }
    }
}

impl JsonFault {
    fn new(kind: JsonErrorKind, text: &str) -> Self {
        Self {
            kind,
            text: printable(text),
            path: None,
            offset: None,
            message: None,
        }
    }
}

impl From<JsonFault> for JsonError {
    fn from(fault: JsonFault) -> Self {
        Self(Box::new(fault))
    }
}

/// Returns the first [`MAX_TEXT`] characters, with control characters escaped.
fn printable(text: &str) -> String {
    let mut printable = String::new();
    for (number, character) in text.chars().enumerate() {
        if number == MAX_TEXT {
            printable.push('…');
            break;
        }
        match character.is_control() {
            true => printable.extend(character.escape_default()),
            false => printable.push(character),
        }
    }
    printable
}
