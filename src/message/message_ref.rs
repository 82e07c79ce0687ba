//! [`MessageRef`]: a received message that is lent for the time of a call.

use std::fmt;

use bytes::{Buf, BytesMut};

use super::{Message, fmt_message};
use crate::text::{Text, validated_str};

/// A received message that is lent for the time of a call.
///
/// The payload lies where it was received, unmasked and, if it is text, validated. Lending a message that arrived
/// whole in one frame neither allocates memory nor copies the payload.
/// [`WebSocket::recv_with`](crate::WebSocket::recv_with) lends messages.
///
/// [`to_message`](Self::to_message) copies a message that has to stay.
pub struct MessageRef<'a> {
    is_text: bool,
    /// INVARIANT: the first `len` bytes are the payload, valid UTF-8 if `is_text`. Others may follow.
    buffer: &'a mut BytesMut,
    len: usize,
}

impl<'a> MessageRef<'a> {
    /// The number of bytes of the padding of [`with_padding`](Self::with_padding).
    pub const PADDING: usize = 64;

    /// Lends the message at the start of `buffer`. Drops its payload afterwards, also if `f` panics. Text is
    /// valid UTF-8.
    #[inline]
    pub(crate) fn lend<R>(
        is_text: bool,
        len: usize,
        buffer: &mut BytesMut,
        f: impl FnOnce(MessageRef<'_>) -> R,
    ) -> R {
        let taken = Taken { buffer, len };
        f(MessageRef {
            is_text,
            buffer: taken.buffer,
            len,
        })
    }

    /// Returns the text, or `None` for a binary message.
    pub fn as_text(&self) -> Option<&str> {
        self.is_text.then(|| validated_str(self.as_bytes()))
    }

    /// Returns the payload of a text or binary message as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Returns whether this is a text message.
    pub const fn is_text(&self) -> bool {
        self.is_text
    }

    /// Returns the length of the payload, in bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether the payload is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Copies the message.
    pub fn to_message(&self) -> Message {
        match self.as_text() {
            Some(text) => Message::Text(Text::from(text)),
            None => Message::from(self.as_bytes()),
        }
    }

    /// Returns the payload for changes in place, for example to decrypt it.
    pub fn into_bytes_mut(self) -> &'a mut [u8] {
        &mut self.buffer[..self.len]
    }

    /// Passes the payload to a parser that works in place, such as one of JSON.
    ///
    /// `f` receives the payload followed by [`PADDING`](Self::PADDING) bytes of unspecified content, and the
    /// length of the payload. It may change all of these bytes. The padding is restored afterwards, because it
    /// may lie on the next frames.
    ///
    /// ```
    /// use wsimd::MessageRef;
    ///
    /// fn to_upper(message: MessageRef<'_>) -> Vec<u8> {
    ///     message.with_padding(|bytes, len| {
    ///         bytes[..len].make_ascii_uppercase();
    ///         bytes[..len].to_vec()
    ///     })
    /// }
    /// ```
    pub fn with_padding<R>(self, f: impl FnOnce(&mut [u8], usize) -> R) -> R {
        let padded = Padded::new(self.buffer, self.len);
        f(&mut padded.buffer[..self.len + Self::PADDING], self.len)
    }
}

impl fmt::Debug for MessageRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_message(self.as_text(), self.as_bytes(), f)
    }
}

impl Message {
    /// Lends the message. A payload that no other message shares is not copied.
    pub(crate) fn lend<R>(self, f: impl FnOnce(MessageRef<'_>) -> R) -> R {
        let (is_text, len) = (self.is_text(), self.len());
        MessageRef::lend(is_text, len, &mut self.into_bytes().into(), f)
    }
}

/// A payload at the start of a buffer, which drops it in the end.
struct Taken<'a> {
    buffer: &'a mut BytesMut,
    len: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.buffer.advance(self.len);
    }
}

/// A payload with padding behind it. In the end the bytes behind the payload are as before.
struct Padded<'a> {
    buffer: &'a mut BytesMut,
    payload_len: usize,
    /// The length of the buffer before.
    len: usize,
    /// The bytes that lay at the place of the padding.
    behind: [u8; MessageRef::PADDING],
}

impl<'a> Padded<'a> {
    fn new(buffer: &'a mut BytesMut, payload_len: usize) -> Self {
        let len = buffer.len();
        let padded_len = payload_len + MessageRef::PADDING;
        if len < padded_len {
            buffer.resize(padded_len, 0);
        }
        let mut behind = [0; MessageRef::PADDING];
        behind.copy_from_slice(&buffer[payload_len..padded_len]);
        Self {
            buffer,
            payload_len,
            len,
            behind,
        }
    }
}

impl Drop for Padded<'_> {
    fn drop(&mut self) {
        self.buffer[self.payload_len..][..MessageRef::PADDING].copy_from_slice(&self.behind);
        self.buffer.truncate(self.len);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    /// Overwrites the padding of a message at the start of `input`, and perhaps panics.
    fn overwrite(input: &mut BytesMut, len: usize, panics: bool) {
        MessageRef::lend(true, len, input, |message| {
            message.with_padding(|bytes, payload| {
                assert_eq!((bytes.len(), payload), (len + 64, len));
                bytes.fill(0xFF);
                assert!(!panics, "as the test wants it");
            });
        });
    }

    #[test]
    fn the_bytes_behind_the_payload_are_as_before_even_after_a_panic() {
        for behind in [0, 1, 63, 64, 65, 200] {
            for panics in [false, true] {
                let next: Vec<u8> = (0..behind).collect();
                let mut input = BytesMut::from("payload");
                input.extend_from_slice(&next);
                let result = catch_unwind(AssertUnwindSafe(|| overwrite(&mut input, 7, panics)));
                assert_eq!(result.is_err(), panics);
                assert_eq!(input, next);
            }
        }
    }

    #[test]
    fn padding_of_a_buffer_with_room_allocates_nothing() {
        let mut input = BytesMut::with_capacity(7 + MessageRef::PADDING);
        input.extend_from_slice(b"payload");
        let start = input.as_ptr();
        MessageRef::lend(false, 7, &mut input, |message| {
            message.with_padding(|bytes, _| assert_eq!(bytes.as_ptr(), start));
        });
        assert!(input.is_empty());
    }

    #[test]
    fn a_message_is_lent_where_it_lies_unless_it_is_shared() {
        let message = Message::from(vec![1, 2, 3]);
        let place = message.as_bytes().as_ptr();
        let shared = message.clone();
        message.lend(|it| assert_ne!(it.into_bytes_mut().as_ptr(), place));
        assert_eq!(shared.as_bytes(), [1, 2, 3]);
        shared.lend(|it| assert_eq!(it.into_bytes_mut().as_ptr(), place));
    }

    #[test]
    fn a_lent_message_is_the_owned_one() {
        for message in [Message::from("é"), Message::from(vec![0xFF])] {
            message.clone().lend(|it| {
                assert_eq!(it.to_message(), message);
                assert_eq!(it.as_text(), message.as_text());
                assert_eq!(it.is_text(), message.is_text());
                assert_eq!((it.len(), it.is_empty()), (message.len(), false));
            });
        }
    }
}
