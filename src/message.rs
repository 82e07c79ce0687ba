//! [`Message`]: the unit that an application sends and receives.

mod conversions;
mod message_ref;

use std::fmt;

use bytes::Bytes;

pub use self::message_ref::MessageRef;
use crate::{
    text::{Excerpt, Text},
    utf8::InvalidUtf8,
};

/// A text or binary message (RFC 6455 §5.6). Clones share the payload.
///
/// ```
/// use wsimd::Message;
///
/// fn describe(message: &Message) -> String {
///     match message {
///         Message::Text(text) => format!("{} characters", text.chars().count()),
///         Message::Binary(bytes) => format!("{} bytes", bytes.len()),
///     }
/// }
///
/// assert_eq!(describe(&Message::from("héllo")), "5 characters");
/// assert_eq!(describe(&Message::from(vec![1, 2, 3])), "3 bytes");
/// ```
///
/// All methods that send take everything that converts to a message. Strings become text messages. Bytes become binary
/// messages, also if they are valid UTF-8. A conversion from an owned `String`, `Box<str>`, `Vec<u8>`, `Box<[u8]>`,
/// [`BytesMut`](bytes::BytesMut), [`Bytes`] or [`Text`] keeps the memory. A conversion from a reference to a `Bytes`, a
/// `Text` or a `Message` shares the memory. A conversion from another reference or from an array copies the bytes.
///
/// ```
/// use wsimd::Message;
///
/// let name = String::from("world");
/// assert_eq!(Message::from(&name), "world");
/// assert_eq!(Message::from(b"\x00\x01"), [0, 1]);
/// assert_eq!(String::try_from(Message::from("text"))?, "text");
/// assert_eq!(Vec::from(Message::from("text")), b"text");
/// # Ok::<(), wsimd::utf8::InvalidUtf8>(())
/// ```
///
/// A message equals a string if it is a text message with this text. It equals a slice if it is a binary message with
/// these bytes. `Debug` escapes control characters and shows at most the first 256 bytes of the payload.
///
/// For JSON, use the feature `json`, or send `serde_json::to_string(&value)?` and read
/// `serde_json::from_slice(message.as_bytes())?`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Message {
    /// A text message, which is valid UTF-8.
    Text(Text),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// Returns the payload of a text or binary message as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the text, or `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// Returns the payload as text, also of a binary message whose payload is valid UTF-8.
    /// [`as_text`](Self::as_text) tells text from binary messages, and validates nothing.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] for any other binary message.
    pub fn to_text(&self) -> Result<&str, InvalidUtf8> {
        match self {
            Self::Text(text) => Ok(text),
            Self::Binary(bytes) => str::from_utf8(bytes).map_err(|_| InvalidUtf8),
        }
    }

    /// Returns the payload of a text or binary message as bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the payload for `mem::take`. The caller must leave it unchanged or empty.
    pub(crate) const fn payload_mut(&mut self) -> &mut Bytes {
        match self {
            Self::Text(text) => text.payload_mut(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns whether this is a text message.
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    /// Returns the length of the payload, in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Default for Message {
    /// Returns an empty text message.
    fn default() -> Self {
        Self::Text(Text::default())
    }
}

impl AsRef<[u8]> for Message {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Message {
    /// Writes the text, or the size of a binary message. The text may contain control characters, which `Debug`
    /// escapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Binary(bytes) => write!(f, "{} bytes of binary data", bytes.len()),
        }
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_message(self.as_text(), self.as_bytes(), f)
    }
}

/// Writes the kind of a message and the start of its payload.
fn fmt_message(text: Option<&str>, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (name, excerpt) = match text {
        Some(text) => ("Text", Excerpt::Text(text)),
        None => ("Binary", Excerpt::Binary(bytes)),
    };
    f.debug_tuple(name).field(&excerpt).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_text_and_bytes_are_binary() {
        assert_eq!(Message::from("é").as_text(), Some("é"));
        assert_eq!(Message::from(b"\xff".as_slice()).as_text(), None);
        assert_eq!(Message::from(String::from("é")).len(), 2);
        assert!(Message::from(Vec::new()).is_empty());
    }
}
