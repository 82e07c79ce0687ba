//! [`Credentials`]: user name and password of Basic authentication (RFC 7617), for both sides.

use std::fmt;
use std::hint::black_box;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};

use super::headers;

/// The user name and the password of a request (RFC 7617). `Debug` does not print the password.
///
/// Basic authentication protects the password only over TLS.
///
/// ```
/// use wsimd::handshake::{Credentials, server};
/// use wsimd::http::{Request, Response};
///
/// // The answer to a request without the right credentials.
/// fn refusal(request: &Request<()>) -> Option<Response<String>> {
///     match Credentials::from_headers(request.headers()) {
///         Some(credentials) if credentials.matches("Aladdin", "open sesame") => None,
///         _ => Some(server::unauthorized("cave")),
///     }
/// }
///
/// let request = Request::builder().header("authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
/// assert!(refusal(&request.body(())?).is_none());
/// assert_eq!(refusal(&Request::new(())).unwrap().status(), 401);
/// # Ok::<(), wsimd::http::Error>(())
/// ```
#[derive(Clone)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Reads the credentials of a request. Returns `None` unless `Authorization` appears once and contains
    /// well-formed Basic credentials in UTF-8.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers::singleton(headers, "Authorization").ok()??;
        let (scheme, encoded) = value.split_at_checked("Basic ".len())?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim_ascii_start()).ok()?;
        let (user, password) = str::from_utf8(&decoded).ok()?.split_once(':')?;
        is_valid(user, password).then(|| Self {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    }

    /// Returns the user name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns the password.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Returns whether user name and password are these.
    ///
    /// The time of the comparison depends on the lengths, and not on the position of a difference. Both are
    /// always compared.
    pub fn matches(&self, user: &str, password: &str) -> bool {
        is_equal(self.user.as_bytes(), user.as_bytes())
            & is_equal(self.password.as_bytes(), password.as_bytes())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Compares all bytes, whether or not an earlier byte differs. `black_box` keeps the compiler from adding an
/// early exit.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let pairs = left.iter().zip(right);
    let differences = pairs.fold(0, |bits, (left, right)| black_box(bits | (left ^ right)));
    (left.len() == right.len()) & (differences == 0)
}

/// Returns whether Basic authentication can carry the credentials: the user name has no colon, and neither has
/// control characters (RFC 7617 §2).
pub(super) fn is_valid(user: &str, password: &str) -> bool {
    !user.contains(':') && !user.chars().chain(password.chars()).any(char::is_control)
}

/// Returns the value of `Authorization`, which `Debug` does not print. The credentials are
/// [valid](is_valid).
pub(super) fn authorization(user: &str, password: &str) -> Option<HeaderValue> {
    let credentials = STANDARD.encode(format!("{user}:{password}"));
    let mut value = HeaderValue::from_str(&format!("Basic {credentials}")).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Returns the value of `WWW-Authenticate` for a realm.
pub(super) fn challenge(realm: &str) -> HeaderValue {
    let mut quoted = String::new();
    for character in realm.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            ' '..='~' => quoted.push(character),
            _ => quoted.push('?'),
        }
    }
    let value = format!("Basic realm=\"{quoted}\", charset=\"UTF-8\"");
    // The text is printable ASCII.
    HeaderValue::from_str(&value).unwrap_or(const { HeaderValue::from_static("Basic") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&'static str]) -> Option<Credentials> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("authorization", HeaderValue::from_static(value));
        }
        Credentials::from_headers(&headers)
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        // RFC 7617 §2 and §2.1. The second has a pound sign.
        let first = read(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]).unwrap();
        assert_eq!((first.user(), first.password()), ("Aladdin", "open sesame"));
        let second = read(&["basic   dGVzdDoxMjPCow=="]).unwrap();
        assert_eq!((second.user(), second.password()), ("test", "123\u{a3}"));
        // "a:b:c", ":", "a:".
        for (value, user, password) in [
            ("BASIC YTpiOmM=", "a", "b:c"),
            ("Basic Og==", "", ""),
            ("Basic YTo=", "a", ""),
        ] {
            let read = read(&[value]).unwrap();
            assert_eq!((read.user(), read.password()), (user, password));
        }
    }

    #[test]
    fn other_headers_have_no_credentials() {
        let values: [&[&str]; 10] = [
            &[],
            &[""],
            &["Basic"],
            &["Basic "],
            &["Bearer YTpi"],
            &["Basic YTpi", "Basic YTpi"],
            // No base64, no colon, no UTF-8, a control character.
            &["Basic ?"],
            &["Basic YWI="],
            &["Basic /zr/"],
            &["Basic YTpiCg=="],
        ];
        for value in values {
            assert!(read(value).is_none(), "{value:?}");
        }
    }

    #[test]
    fn credentials_match_as_a_whole() {
        let credentials = read(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]).unwrap();
        assert!(credentials.matches("Aladdin", "open sesame"));
        for (user, password) in [
            ("Aladdin", "open sesam"),
            ("Aladdin", "open sesame!"),
            ("Aladdin", "Open sesame"),
            ("Aladdin", ""),
            ("aladdin", "open sesame"),
            ("Aladdi", "open sesame"),
            ("", ""),
        ] {
            assert!(!credentials.matches(user, password), "{user} {password}");
        }
    }

    #[test]
    fn the_password_is_not_printed() {
        let credentials = read(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]).unwrap();
        assert_eq!(
            format!("{credentials:?}"),
            r#"Credentials { user: "Aladdin", .. }"#
        );
    }

    #[test]
    fn a_realm_is_quoted() {
        assert_eq!(
            challenge("a \"b\" \\ c\r\n\u{e9}"),
            r#"Basic realm="a \"b\" \\ c???", charset="UTF-8""#
        );
    }
}
