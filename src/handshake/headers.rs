//! Reading of headers by the grammar of RFC 9110 §5.6: singletons and lists of tokens.
//!
//! A list may span several lines of the same name and may have empty elements. It is compared element by
//! element, never by substring. Constants spell names as RFC 6455 does, for error texts and for the wire.
//! Lookups ignore case.

use std::collections::HashSet;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Excerpt, HandshakeError};
pub(super) use crate::extension::is_token;

pub(super) const HOST: &str = "Host";
pub(super) const UPGRADE: &str = "Upgrade";
pub(super) const CONNECTION: &str = "Connection";
pub(super) const ORIGIN: &str = "Origin";
pub(super) const KEY: &str = "Sec-WebSocket-Key";
pub(super) const ACCEPT: &str = "Sec-WebSocket-Accept";
pub(super) const VERSION: &str = "Sec-WebSocket-Version";
pub(super) const PROTOCOL: &str = "Sec-WebSocket-Protocol";
pub(super) const EXTENSIONS: &str = "Sec-WebSocket-Extensions";
pub(super) const CONTENT_LENGTH: &str = "Content-Length";
pub(super) const TRANSFER_ENCODING: &str = "Transfer-Encoding";

/// The maximum number of headers that the application can add.
const MAX_EXTRA_HEADERS: usize = 256;

/// Returns whether the bytes are a protocol: a name, optionally with `/` and a version (RFC 9110 §7.8).
pub(super) fn is_protocol(bytes: &[u8]) -> bool {
    match memchr::memchr(b'/', bytes).and_then(|slash| bytes.split_at_checked(slash)) {
        Some((name, version)) => is_token(name) && is_token(version.get(1..).unwrap_or_default()),
        None => is_token(bytes),
    }
}

/// Returns the trimmed value of a header that may appear at most once.
pub(super) fn singleton<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
) -> Result<Option<&'a [u8]>, HandshakeError> {
    let mut values = headers.get_all(header).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(HandshakeError::DuplicateHeader { header });
    }
    Ok(first.map(|value| value.as_bytes().trim_ascii()))
}

/// Returns the trimmed value of a header that must appear exactly once.
pub(super) fn required<'a>(
    headers: &'a HeaderMap,
    header: &'static str,
) -> Result<&'a [u8], HandshakeError> {
    singleton(headers, header)?.ok_or(HandshakeError::MissingHeader { header })
}

/// Returns the error for a value that its header does not allow.
pub(super) fn invalid(header: &'static str, value: &[u8]) -> HandshakeError {
    HandshakeError::InvalidHeader {
        header,
        value: Excerpt::new(value),
    }
}

/// Returns the elements of a list, which may span several lines. Skips empty elements.
pub(super) fn list<'a>(headers: &'a HeaderMap, header: &str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(header).iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    elements
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Returns whether a list contains an element, ignoring case. All elements must be `valid`.
pub(super) fn list_contains(
    headers: &HeaderMap,
    header: &'static str,
    wanted: &[u8],
    valid: fn(&[u8]) -> bool,
) -> Result<bool, HandshakeError> {
    let mut found = false;
    for element in list(headers, header) {
        if !valid(element) {
            return Err(invalid(header, element));
        }
        found |= element.eq_ignore_ascii_case(wanted);
    }
    Ok(found)
}

/// Returns the offered subprotocols in the client's order. The list is empty if the header is absent or
/// empty.
///
/// RFC 6455 §4.1: tokens that "MUST all be unique strings". A recipient has to ignore empty elements of a list
/// (RFC 9110 §5.6.1.2).
pub(super) fn subprotocols(headers: &HeaderMap) -> Result<Vec<&str>, HandshakeError> {
    let mut seen = HashSet::new();
    let mut offered = Vec::new();
    for element in list(headers, PROTOCOL) {
        let name = token_str(element).ok_or_else(|| invalid(PROTOCOL, element))?;
        if !seen.insert(name) {
            return Err(HandshakeError::DuplicateSubprotocol(Excerpt::new(element)));
        }
        offered.push(name);
    }
    Ok(offered)
}

fn token_str(bytes: &[u8]) -> Option<&str> {
    if !is_token(bytes) {
        return None;
    }
    str::from_utf8(bytes).ok()
}

/// Checks that the subprotocols of this side are unique tokens.
pub(super) fn check_subprotocols<I>(names: I) -> Result<Vec<String>, HandshakeError>
where
    I: IntoIterator<Item: Into<String>>,
{
    let mut checked: Vec<String> = Vec::new();
    for name in names {
        let name = name.into();
        let refuse = |rule| Err(invalid_setting("subprotocol", name.as_bytes(), rule));
        if !is_token(name.as_bytes()) {
            return refuse("it is not a token");
        }
        if checked.contains(&name) {
            return refuse("it is given twice");
        }
        checked.push(name);
    }
    Ok(checked)
}

/// Returns the error for a setting of this side that cannot be used, and the rule that it breaks.
pub(super) fn invalid_setting(
    setting: &'static str,
    value: &[u8],
    reason: &'static str,
) -> HandshakeError {
    HandshakeError::InvalidSetting {
        setting,
        value: Excerpt::new(value),
        reason,
    }
}

/// Creates a header value from a setting of this side.
pub(super) fn value(setting: &'static str, text: &str) -> Result<HeaderValue, HandshakeError> {
    const RULE: &str = "it has a character that a header cannot contain (a line break?)";
    HeaderValue::from_str(text).map_err(|_| invalid_setting(setting, text.as_bytes(), RULE))
}

/// Adds a header of the application, unless the handshake sets it itself.
///
/// A header whose name is in `once` replaces an earlier one. Values that carry credentials are marked as
/// sensitive, so that `Debug` does not print them. A value that the application has marked stays so.
pub(super) fn add_extra<N, V>(
    headers: &mut HeaderMap,
    once: &[HeaderName],
    name: N,
    value: V,
) -> Result<(), HandshakeError>
where
    N: AsRef<str>,
    V: TryInto<HeaderValue>,
{
    const NAME_RULE: &str = "it is not a token";
    const VALUE_RULE: &str = "its value has a character that is not allowed (a line break?)";
    let name = name.as_ref().as_bytes();
    let name = HeaderName::from_bytes(name)
        .map_err(|_| invalid_setting("header name", name, NAME_RULE))?;
    let refuse = |rule| invalid_setting("header", name.as_str().as_bytes(), rule);
    if is_reserved(&name) {
        return Err(HandshakeError::ReservedHeader(Excerpt::new(
            name.as_str().as_bytes(),
        )));
    }
    if headers.len() >= MAX_EXTRA_HEADERS {
        return Err(refuse("at most 256 headers can be added"));
    }
    let mut value = value.try_into().map_err(|_| refuse(VALUE_RULE))?;
    if is_secret(&name) {
        value.set_sensitive(true);
    }
    if once.contains(&name) {
        headers.insert(name, value);
    } else {
        headers.append(name, value);
    }
    Ok(())
}

/// Returns whether the handshake sets this header or requires its absence.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    let owned = [UPGRADE, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING];
    name.starts_with("sec-websocket-") || owned.iter().any(|own| own.eq_ignore_ascii_case(name))
}

/// Returns whether the values of a header must not appear in logs.
pub(super) fn is_secret(name: &HeaderName) -> bool {
    use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    fn has_upgrade(lines: &[(&'static str, &'static str)]) -> Result<bool, HandshakeError> {
        list_contains(&map(lines), CONNECTION, b"upgrade", is_token)
    }

    #[test]
    fn a_list_spans_lines_and_tolerates_empty_elements() {
        let lines = [
            ("connection", ", ,keep-alive,,"),
            ("connection", "\tUpGrAdE ,"),
        ];
        assert!(has_upgrade(&lines).unwrap());
    }

    #[test]
    fn an_absent_or_empty_list_contains_nothing() {
        assert!(!has_upgrade(&[]).unwrap());
        assert!(!has_upgrade(&[("connection", "")]).unwrap());
    }

    #[test]
    fn a_substring_is_not_an_element() {
        for text in ["notupgrade", "upgraded", "up-grade", "upgrade-insecure"] {
            assert!(!has_upgrade(&[("connection", text)]).unwrap(), "{text}");
        }
    }

    #[test]
    fn an_element_that_is_no_token_is_refused_wherever_it_stands() {
        for text in ["upgrade, a b", "a;b, upgrade", "\"upgrade\"", "up/grade"] {
            let error = has_upgrade(&[("connection", text)]).unwrap_err();
            assert!(matches!(
                error,
                HandshakeError::InvalidHeader {
                    header: CONNECTION,
                    ..
                }
            ));
        }
    }

    #[test]
    fn a_protocol_is_a_name_with_or_without_a_version() {
        for text in ["websocket", "HTTP/2.0", "h2c"] {
            assert!(is_protocol(text.as_bytes()), "{text}");
        }
        for text in ["", "/", "a/", "/1", "a/b/c", "a b"] {
            assert!(!is_protocol(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_singleton_is_trimmed_and_refused_when_repeated() {
        let once = map(&[("origin", " a ")]);
        assert_eq!(singleton(&once, ORIGIN).unwrap(), Some(&b"a"[..]));
        assert_eq!(singleton(&HeaderMap::new(), ORIGIN).unwrap(), None);
        let twice = map(&[("origin", "a"), ("origin", "a")]);
        let error = singleton(&twice, ORIGIN).unwrap_err();
        assert!(matches!(
            error,
            HandshakeError::DuplicateHeader { header: ORIGIN }
        ));
    }

    #[test]
    fn subprotocols_are_unique_tokens_in_order() {
        let headers = map(&[
            ("sec-websocket-protocol", "b, a"),
            ("sec-websocket-protocol", "A,c"),
        ]);
        assert_eq!(subprotocols(&headers).unwrap(), ["b", "a", "A", "c"]);
        assert!(subprotocols(&HeaderMap::new()).unwrap().is_empty());
        for empty in ["", ",", " , "] {
            let headers = map(&[("sec-websocket-protocol", empty)]);
            assert!(subprotocols(&headers).unwrap().is_empty());
        }
        for bad in ["a b", "a, b;c", "\"a\""] {
            let error = subprotocols(&map(&[("sec-websocket-protocol", bad)])).unwrap_err();
            assert!(matches!(
                error,
                HandshakeError::InvalidHeader {
                    header: PROTOCOL,
                    ..
                }
            ));
        }
        let twice = map(&[("sec-websocket-protocol", "a, b, a")]);
        let error = subprotocols(&twice).unwrap_err();
        assert!(matches!(error, HandshakeError::DuplicateSubprotocol(_)));
    }

    #[test]
    fn headers_of_the_handshake_cannot_be_added() {
        let mut headers = HeaderMap::new();
        for name in [
            "upgrade",
            "Connection",
            "SEC-WEBSOCKET-KEY",
            "sec-websocket-x",
            EXTENSIONS,
        ] {
            let error = add_extra(&mut headers, &[], name, "x").unwrap_err();
            assert!(matches!(error, HandshakeError::ReservedHeader(_)), "{name}");
        }
        assert!(headers.is_empty());
    }

    #[test]
    fn an_unusable_header_is_refused_without_its_value() {
        let mut headers = HeaderMap::new();
        let error = add_extra(&mut headers, &[], "X-Token", "secret\r\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid header \"x-token\": its value has a character that is not allowed (a line break?)"
        );
        let error = add_extra(&mut headers, &[], "a b", "secret").unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid header name \"a b\": it is not a token"
        );
        assert!(headers.is_empty());
    }

    #[test]
    fn extra_headers_are_bounded_and_secrets_stay_out_of_debug() {
        let mut headers = HeaderMap::new();
        for _ in 0..MAX_EXTRA_HEADERS {
            add_extra(&mut headers, &[], "cookie", "secret").unwrap();
        }
        let error = add_extra(&mut headers, &[], "cookie", "secret").unwrap_err();
        assert!(error.to_string().contains("256"), "{error}");
        assert!(!format!("{headers:?}").contains("secret"));
    }

    #[test]
    fn a_value_that_the_application_marks_as_sensitive_stays_so() {
        let mut marked = HeaderValue::from_static("secret");
        marked.set_sensitive(true);
        let mut headers = HeaderMap::new();
        add_extra(&mut headers, &[], "x-api-key", marked).unwrap();
        add_extra(&mut headers, &[], "cookie", "secret").unwrap();
        add_extra(&mut headers, &[], "x-plain", "shown").unwrap();
        let text = format!("{headers:?}");
        assert!(text.contains("shown") && !text.contains("secret"), "{text}");
    }
}
