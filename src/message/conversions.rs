//! Conversions and comparisons of [`Message`].

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::Message;
use crate::{text::Text, utf8::InvalidUtf8};

/// Converts these types to text messages. Owned memory is kept.
macro_rules! from_strings {
    ($($string:ty),*) => {$(
        impl From<$string> for Message {
            fn from(text: $string) -> Self {
                Self::Text(text.into())
            }
        }
    )*};
}

/// Converts these types to binary messages and keeps their memory.
macro_rules! from_owned_bytes {
    ($($bytes:ty),*) => {$(
        impl From<$bytes> for Message {
            fn from(bytes: $bytes) -> Self {
                Self::Binary(bytes.into())
            }
        }
    )*};
}

/// Copies these types to binary messages.
macro_rules! from_slices {
    ($([$($generics:tt)*] $bytes:ty),*) => {$(
        impl<$($generics)*> From<$bytes> for Message {
            /// Copies the bytes.
            fn from(bytes: $bytes) -> Self {
                Self::Binary(Bytes::copy_from_slice(bytes.as_ref()))
            }
        }
    )*};
}

from_strings!(Text, &Text, &str, String, &String, Box<str>, Cow<'_, str>);
from_owned_bytes!(Bytes, BytesMut, Vec<u8>, Box<[u8]>);
from_slices!([] &[u8], [] &Vec<u8>, [const N: usize] [u8; N], [const N: usize] &[u8; N]);

impl From<&Bytes> for Message {
    /// Shares the memory.
    fn from(bytes: &Bytes) -> Self {
        bytes.clone().into()
    }
}

impl From<Cow<'_, [u8]>> for Message {
    /// Copies borrowed bytes.
    fn from(bytes: Cow<'_, [u8]>) -> Self {
        bytes.into_owned().into()
    }
}

impl From<&Self> for Message {
    /// Shares the memory.
    fn from(message: &Self) -> Self {
        message.clone()
    }
}

impl From<Message> for Bytes {
    /// Keeps the memory, as [`Message::into_bytes`].
    fn from(message: Message) -> Self {
        message.into_bytes()
    }
}

impl From<Message> for Vec<u8> {
    /// Keeps the memory of a payload that no other value shares, and copies a shared one.
    fn from(message: Message) -> Self {
        message.into_bytes().into()
    }
}

impl TryFrom<Message> for Text {
    type Error = InvalidUtf8;

    /// Keeps the memory. Validates a binary message, as [`Message::to_text`].
    fn try_from(message: Message) -> Result<Self, InvalidUtf8> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(bytes) => bytes.try_into(),
        }
    }
}

impl TryFrom<Message> for String {
    type Error = InvalidUtf8;

    /// Converts a text message as the text in it. Validates a binary message, as [`Message::to_text`], and keeps the
    /// memory of a payload that no other value shares.
    fn try_from(message: Message) -> Result<Self, InvalidUtf8> {
        match message {
            Message::Text(text) => Ok(text.into()),
            Message::Binary(bytes) => Self::from_utf8(bytes.into()).map_err(|_| InvalidUtf8),
        }
    }
}

/// Compares a message with these types, in both directions. `$payload` returns the payload of a message of the kind
/// that the type stands for.
macro_rules! compare_with {
    ($payload:expr, $([$($generics:tt)*] $other:ty),*) => {$(
        impl<$($generics)*> PartialEq<$other> for Message {
            fn eq(&self, other: &$other) -> bool {
                let other: &[u8] = other.as_ref();
                $payload(self) == Some(other)
            }
        }

        impl<$($generics)*> PartialEq<Message> for $other {
            fn eq(&self, other: &Message) -> bool {
                other == self
            }
        }
    )*};
}

compare_with!(text_of, [] str, [] &str, [] String, [] Text);
compare_with!(
    binary_of,
    [] [u8],
    [] &[u8],
    [] Vec<u8>,
    [] Bytes,
    [const N: usize] [u8; N],
    [const N: usize] &[u8; N]
);

/// Returns the bytes of a text message.
fn text_of(message: &Message) -> Option<&[u8]> {
    message.as_text().map(str::as_bytes)
}

/// Returns the bytes of a binary message.
fn binary_of(message: &Message) -> Option<&[u8]> {
    match message {
        Message::Text(_) => None,
        Message::Binary(bytes) => Some(bytes),
    }
}
