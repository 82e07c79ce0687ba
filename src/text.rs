//! [`Text`]: bytes that are known to be UTF-8, so that they need no second validation.

mod conversions;
mod excerpt;

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
};

use bytes::Bytes;

pub(crate) use self::excerpt::Excerpt;

/// A string that is cheap to clone: [`Bytes`] that are valid UTF-8. Dereferences to `str`.
///
/// ```
/// use wsimd::Text;
///
/// let text = Text::from("héllo");
/// assert_eq!(text, "héllo");
/// assert_eq!(text.chars().count(), 5);
/// ```
///
/// A text compares, sorts and hashes as its `str` does. `Debug` escapes control characters and shows at most the first
/// 256 bytes.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// INVARIANT: valid UTF-8. Every constructor takes the bytes from a `str` or requires validated bytes.
    bytes: Bytes,
}

impl Text {
    /// Creates a text from a static string, without a copy.
    pub const fn from_static(text: &'static str) -> Self {
        Self {
            bytes: Bytes::from_static(text.as_bytes()),
        }
    }

    /// Creates a text from bytes that the caller has validated to the end.
    pub(crate) fn from_validated(bytes: Bytes) -> Self {
        debug_assert!(str::from_utf8(&bytes).is_ok(), "not validated");
        Self { bytes }
    }

    /// Returns the text as `str`.
    pub fn as_str(&self) -> &str {
        validated_str(&self.bytes)
    }

    /// Returns the bytes for `mem::take`. The caller must leave them unchanged or empty.
    pub(crate) const fn payload_mut(&mut self) -> &mut Bytes {
        &mut self.bytes
    }

    /// Returns the bytes of the text, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }
}

/// Returns validated bytes as `str`.
///
/// The callers are [`Text::as_str`] and [`MessageRef::as_text`](crate::MessageRef::as_text), whose types have the
/// invariant that their bytes are valid UTF-8.
#[expect(
    unsafe_code,
    reason = "the one place that turns validated bytes into a str"
)]
pub(crate) fn validated_str(bytes: &[u8]) -> &str {
    // SAFETY: the constructors of both callers establish the invariant. A `Text` is immutable, and callers of
    // `payload_mut` leave it unchanged or empty. A `MessageRef` that lends its bytes for changes is consumed.
    unsafe { str::from_utf8_unchecked(bytes) }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Text {
    /// Hashes the text as `str` does, because [`Borrow`] requires equal hashes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Excerpt::Text(self).fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utf8::InvalidUtf8;

    #[test]
    fn a_text_that_the_user_builds_is_checked() {
        // tokio-websockets lets a user build a text payload of invalid bytes and panics later.
        assert_eq!(
            Text::try_from(Bytes::from_static(b"\xff")),
            Err(InvalidUtf8)
        );
        assert_eq!(Text::try_from(Bytes::from("é")).unwrap(), "é");
    }

    #[test]
    fn a_map_keyed_by_text_is_searched_with_str() {
        let map = std::collections::HashMap::from([(Text::from("key"), 1)]);
        assert_eq!(map.get("key"), Some(&1));
    }

    #[test]
    fn a_clone_shares_its_bytes() {
        let text = Text::from(String::from("shared"));
        assert_eq!(text.as_ptr(), text.clone().as_ptr());
    }
}
