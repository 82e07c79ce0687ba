//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 §9.1). No other module parses or writes elements of
//! this header.

use std::fmt;

/// The parameters of an extension in order: names, some with a value.
///
/// Names and values must be tokens (RFC 9110 §5.6.2). Otherwise the handshake that would send them fails.
///
/// ```
/// use wsimd::extension::Params;
///
/// let params = Params::new().value("server_max_window_bits", 10).flag("client_max_window_bits");
/// assert_eq!(params.to_string(), "; server_max_window_bits=10; client_max_window_bits");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, Option<String>)>);

impl Params {
    /// Creates an empty list of parameters.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a parameter without a value.
    #[must_use]
    pub fn flag(mut self, name: impl Into<String>) -> Self {
        self.0.push((name.into(), None));
        self
    }

    /// Adds a parameter with a value.
    #[must_use]
    pub fn value(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.0.push((name.into(), Some(value.to_string())));
        self
    }

    /// Returns an iterator over the names and values of the parameters, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let params = self.0.iter();
        params.map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// Returns whether all names and values are tokens, as the grammar requires.
    pub(crate) fn is_valid(&self) -> bool {
        self.iter().all(|(name, value)| {
            is_token(name.as_bytes()) && value.is_none_or(|value| is_token(value.as_bytes()))
        })
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.iter() {
            write!(f, "; {name}")?;
            if let Some(value) = value {
                write!(f, "={value}")?;
            }
        }
        Ok(())
    }
}

/// Returns whether the bytes are a token (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

/// Parses one element of the list, without the commas around it. Returns the name and its parameters, or
/// `None` if the element is malformed.
///
/// ```text
/// extension       = token *( ";" extension-param )
/// extension-param = token [ "=" ( token / quoted-string ) ]
/// ```
///
/// The content of a quoted string must be a token, so that it contains no comma and no semicolon.
pub(crate) fn parse(element: &[u8]) -> Option<(String, Params)> {
    let mut parts = element.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = token(parts.next()?)?;
    let params = parts.map(param).collect::<Option<_>>()?;
    Some((name, Params(params)))
}

fn param(part: &[u8]) -> Option<(String, Option<String>)> {
    let Some(equals) = part.iter().position(|&byte| byte == b'=') else {
        return Some((token(part)?, None));
    };
    let (name, value) = part.split_at(equals);
    let value = value.get(1..)?.trim_ascii();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => token(&unquote(quoted)?),
        None => token(value),
    };
    Some((token(name.trim_ascii())?, Some(value?)))
}

/// Returns the content of a quoted string (RFC 9110 §5.6.4). `quoted` begins after the opening quote.
fn unquote(quoted: &[u8]) -> Option<Vec<u8>> {
    let inner = quoted.strip_suffix(b"\"")?;
    let mut unquoted = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        unquoted.push(match byte {
            b'\\' => bytes.next()?,
            b'"' => return None,
            byte => byte,
        });
    }
    Some(unquoted)
}

fn token(bytes: &[u8]) -> Option<String> {
    if !is_token(bytes) {
        return None;
    }
    Some(str::from_utf8(bytes).ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        parse(text.as_bytes()).map(|(name, params)| format!("{name}{params}"))
    }

    #[test]
    fn an_element_is_a_name_and_parameters() {
        for (text, expected) in [
            ("foo", "foo"),
            ("foo;bar", "foo; bar"),
            (" foo ; bar = 1;baz", "foo; bar=1; baz"),
            ("foo;bar=\"1\"", "foo; bar=1"),
            ("foo;bar=\"\\1\\2\"", "foo; bar=12"),
            ("foo;bar;bar", "foo; bar; bar"),
            ("x-a!#$%&'*+-.^_`|~", "x-a!#$%&'*+-.^_`|~"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_the_grammar_does_not_allow_is_malformed() {
        for text in [
            "",
            ";",
            "foo;",
            ";foo",
            "foo bar",
            "foo;bar baz",
            "foo;=1",
            "foo;bar=",
            "foo;bar=\"\"",
            "foo;bar=\"",
            "foo;bar=\"a",
            "foo;bar=a\"",
            "foo;bar=\"a b\"",
            "foo;bar=\"a;b\"",
            "foo;bar=\"a\\\"",
            "foo;bar=\"a\"b\"",
            "foo=1",
            "foo;bar==1",
            "foo;b\u{e4}r",
            "f\0",
        ] {
            assert_eq!(shown(text), None, "{text:?}");
        }
    }

    #[test]
    fn parameters_that_are_no_tokens_are_not_valid() {
        assert!(Params::new().flag("a").value("b", 1).is_valid());
        assert!(!Params::new().flag("a b").is_valid());
        assert!(!Params::new().value("a", "b, c").is_valid());
        assert!(!Params::new().value("a", "").is_valid());
    }
}
