//! [`Message`]: the unit that an application sends and receives.

mod message_ref;

use bytes::Bytes;

pub use self::message_ref::MessageRef;
use crate::text::Text;

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
/// All methods that send take everything that converts to a message. A conversion from `String`, [`Text`],
/// `Vec<u8>` or [`Bytes`] keeps the memory. A conversion from `&str` or `&[u8]` copies the bytes.
///
/// For JSON, use the feature `json`, or send `serde_json::to_string(&value)?` and read
/// `serde_json::from_slice(message.as_bytes())?`.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl From<Text> for Message {
    fn from(text: Text) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
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
