//! Values of a type, by serde_json.

use std::io;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;

use super::{JsonError, JsonErrorKind, JsonFault, printable};
use crate::{
    error::Error,
    frame::SendError,
    message::{Message, MessageRef},
    protocol::{Endpoint, Output},
};

impl Message {
    /// Parses the payload as a value of type `T`, which may borrow from the message.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Trade<'a> {
    ///     symbol: &'a str,
    ///     price: f64,
    /// }
    ///
    /// let message = wsimd::Message::from(r#"{"symbol": "BTC-USD", "price": 101.5}"#);
    /// let trade: Trade<'_> = message.json()?;
    /// assert_eq!((trade.symbol, trade.price), ("BTC-USD", 101.5));
    /// # Ok::<(), wsimd::JsonError>(())
    /// ```
    ///
    /// A `&str` cannot borrow a string with escapes. `Cow<'_, str>` with `#[serde(borrow)]` can hold both.
    ///
    /// # Errors
    ///
    /// [`JsonErrorKind::Syntax`] and [`JsonErrorKind::Data`].
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        parse(self.as_text(), self.as_bytes())
    }

    /// Creates a text message with the JSON document of a value, for a [`Handle`](crate::Handle) or for several
    /// receivers.
    ///
    /// # Errors
    ///
    /// [`JsonErrorKind::Serialize`], for example for a map whose keys are no strings.
    pub fn from_json<T: Serialize + ?Sized>(value: &T) -> Result<Self, JsonError> {
        serde_json::to_string(value)
            .map_or_else(|error| Err(unsendable(&error)), |it| Ok(it.into()))
    }
}

impl MessageRef<'_> {
    /// Parses the payload as a value of type `T`, as [`Message::json`].
    ///
    /// # Errors
    ///
    /// As [`Message::json`].
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, JsonError> {
        parse(self.as_text(), self.as_bytes())
    }
}

impl Endpoint {
    /// Sends the JSON document of a value as a text message, as [`send`](Self::send). A document that fits in a
    /// frame and is not compressed is written straight to the output.
    ///
    /// # Errors
    ///
    /// [`Error::Json`] if the value is no JSON document; [`Error::Send`] as [`send`](Self::send).
    pub fn send_json<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        output: &mut impl Output,
    ) -> Result<(), Error> {
        self.queue_json(value, output)?;
        self.on_written(output);
        Ok(())
    }

    /// Queues the JSON document of a value.
    pub(crate) fn queue_json<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        output: &mut impl Output,
    ) -> Result<(), Error> {
        let limit = self.config().settings.max_outgoing_message_size;
        let write = |buffer: &mut BytesMut| serialize(value, limit, buffer);
        self.queue_text(write, output)
    }
}

/// Appends the JSON document of a value to `buffer`. Stops at a document of more than `limit` bytes.
pub(crate) fn serialize<T: Serialize + ?Sized>(
    value: &T,
    limit: usize,
    buffer: &mut BytesMut,
) -> Result<(), Error> {
    let mut writer = Writer {
        size: 0,
        limit,
        buffer,
    };
    match serde_json::to_writer(&mut writer, value) {
        Ok(()) => Ok(()),
        Err(_) if writer.size > limit => {
            let size = writer.size;
            Err(SendError::MessageTooBig { size, limit }.into())
        }
        Err(error) => Err(unsendable(&error).into()),
    }
}

/// Appends to a buffer. `bytes::buf::Writer` takes twice as long for the short pieces of a document.
struct Writer<'a> {
    size: usize,
    limit: usize,
    buffer: &'a mut BytesMut,
}

impl io::Write for Writer<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.size = self.size.saturating_add(bytes.len());
        if self.size > self.limit {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Parses a text, or the bytes of a binary message.
#[inline]
fn parse<'a, T: Deserialize<'a>>(text: Option<&'a str>, bytes: &'a [u8]) -> Result<T, JsonError> {
    let parsed = match text {
        Some(text) => serde_json::from_str(text),
        None => serde_json::from_slice(bytes),
    };
    parsed.map_err(|error| unexpected::<T>(&error, bytes))
}

/// Creates the error of a document. Parses it again to find the path, so that only errors pay for the path.
#[cold]
fn unexpected<'a, T: Deserialize<'a>>(error: &serde_json::Error, bytes: &'a [u8]) -> JsonError {
    if error.classify() != Category::Data {
        return fault(JsonErrorKind::Syntax, error, bytes).into();
    }
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let path = match serde_path_to_error::deserialize::<_, T>(&mut document) {
        Err(error) if error.path().iter().next().is_some() => Some(error.path().to_string()),
        _ => None,
    };
    let fault = JsonFault {
        path: path.map(|path| printable(&path)),
        ..fault(JsonErrorKind::Data, error, bytes)
    };
    fault.into()
}

fn fault(kind: JsonErrorKind, error: &serde_json::Error, bytes: &[u8]) -> JsonFault {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let place = format!(" at line {line} column {column}");
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.take(line.saturating_sub(1)).map(<[u8]>::len).sum();
    JsonFault {
        offset: (line > 0).then(|| before + column.saturating_sub(1)),
        ..JsonFault::new(kind, text.strip_suffix(&place).unwrap_or(&text))
    }
}

#[cold]
fn unsendable(error: &serde_json::Error) -> JsonError {
    JsonFault::new(JsonErrorKind::Serialize, &error.to_string()).into()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Trade<'a> {
        symbol: &'a str,
        sizes: Vec<u64>,
    }

    fn error(text: &str) -> JsonError {
        Message::from(text).json::<Trade<'_>>().unwrap_err()
    }

    #[test]
    fn a_value_borrows_from_its_message() {
        for message in [
            Message::from(r#"{"symbol":"BTC","sizes":[1]}"#),
            Message::from(br#"{"symbol":"BTC","sizes":[1]}"#.as_slice()),
        ] {
            let trade: Trade<'_> = message.json().unwrap();
            assert_eq!(trade.sizes, [1]);
            assert!(
                message
                    .as_bytes()
                    .as_ptr_range()
                    .contains(&trade.symbol.as_ptr())
            );
        }
    }

    #[test]
    fn an_error_has_its_kind_path_and_place() {
        let text = "{\"symbol\": \"é\",\n \"sizes\": [1, 2, \"3\"]}";
        let wrong = error(text);
        assert_eq!(wrong.kind(), JsonErrorKind::Data);
        assert_eq!(wrong.path(), Some("sizes[2]"));
        assert_eq!(wrong.offset(), text.find("3\"").map(|it| it + 1));
        assert_eq!(
            wrong.to_string(),
            "unexpected JSON in sizes[2] at byte 36: invalid type: string \"3\", expected u64"
        );
        for (text, offset) in [
            ("{\"symbol\": nul}", Some(14)),
            ("", None),
            ("{} x", None),
            ("[1,", None),
        ] {
            let invalid = error(text);
            if offset.is_some() {
                assert_eq!(invalid.offset(), offset, "{invalid}");
            }
        }
        assert_eq!(error("[1,").kind(), JsonErrorKind::Data);
        assert_eq!(error("{\"symbol\"").kind(), JsonErrorKind::Syntax);
        assert_eq!(error("{}").path(), None);
    }

    #[test]
    fn an_error_is_short_and_printable_whatever_the_peer_sent() {
        #[derive(Debug, Deserialize)]
        enum Kind {
            A,
        }
        let name = "\u{7}\u{1b}[2J".to_owned() + &"x".repeat(100_000);
        let text = serde_json::to_string(&name).unwrap();
        let wrong = Message::from(text).json::<Kind>().unwrap_err().to_string();
        assert!(
            wrong.len() < 1000 && !wrong.contains(char::is_control),
            "{wrong}"
        );
        assert!(matches!(Message::from("\"A\"").json::<Kind>(), Ok(Kind::A)));
    }

    #[test]
    fn a_value_without_a_document_is_refused() {
        let map = std::collections::HashMap::from([(vec![1], 2)]);
        let error = Message::from_json(&map).unwrap_err();
        assert_eq!(error.kind(), JsonErrorKind::Serialize);
        assert_eq!(
            error.to_string(),
            "the value is no JSON: key must be a string"
        );
    }
}
