//! [`Excerpt`]: the start of a payload, for `Debug`.

use std::fmt;

/// The largest number of bytes of a payload that `Debug` shows.
const MAX_SHOWN: usize = 256;

/// A payload that is written as a literal, with control characters escaped. A long payload is cut, and its length
/// follows: `"aaa"... (1000 bytes)`.
pub(crate) enum Excerpt<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl fmt::Debug for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = match self {
            Self::Text(text) => {
                write!(f, "{:?}", start_of(text))?;
                text.len()
            }
            Self::Binary(bytes) => {
                let start = bytes.get(..MAX_SHOWN).unwrap_or(bytes);
                write!(f, "b\"{}\"", start.escape_ascii())?;
                bytes.len()
            }
        };
        if len > MAX_SHOWN {
            write!(f, "... ({len} bytes)")?;
        }
        Ok(())
    }
}

/// Returns the longest start of whole characters that may be shown.
fn start_of(text: &str) -> &str {
    let mut ends = (0..=MAX_SHOWN).rev();
    ends.find_map(|end| text.get(..end)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> String {
        format!("{:?}", Excerpt::Text(text))
    }

    fn binary(bytes: &[u8]) -> String {
        format!("{:?}", Excerpt::Binary(bytes))
    }

    #[test]
    fn a_short_payload_is_shown_whole_and_escaped() {
        assert_eq!(text(""), r#""""#);
        assert_eq!(text("a\"\x1b[31mé\n"), r#""a\"\u{1b}[31mé\n""#);
        assert_eq!(binary(b""), r#"b"""#);
        assert_eq!(binary(b"a\"\x00\xff\n"), r#"b"a\"\x00\xff\n""#);
        assert_eq!(text(&"x".repeat(256)).len(), 258);
        assert_eq!(binary(&[b'x'; 256]).len(), 259);
    }

    #[test]
    fn a_long_payload_is_cut_between_characters() {
        let shown = |len: usize| format!("\"{}\"", "x".repeat(len));
        assert_eq!(text(&"x".repeat(257)), shown(256) + "... (257 bytes)");
        assert_eq!(
            binary(&[b'x'; 257]),
            format!("b{}... (257 bytes)", shown(256))
        );
        for (start, kept) in [(253, 256), (254, 254), (255, 255), (256, 256)] {
            let long = "x".repeat(start) + "€€";
            let expected: String = long.chars().take(start + (kept - start) / 3).collect();
            assert_eq!(
                text(&long),
                format!("{expected:?}... ({} bytes)", start + 6)
            );
        }
    }
}
