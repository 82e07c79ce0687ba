//! `ws` and `wss` URIs (RFC 6455 §3).
//!
//! This module parses URIs itself, because `http::Uri` drops a fragment silently and gives no access to
//! user info. It refuses a URI with another scheme, a fragment, a missing or malformed host, port 0, user
//! info without a name, user info that Basic authentication cannot carry, and characters that RFC 3986
//! requires to be percent-encoded (spaces, controls, non-ASCII).

use std::error::Error;
use std::fmt;

use http::uri::PathAndQuery;
use percent_encoding::percent_decode_str;

use super::authority::Authority;

/// The address of a server: a parsed `ws` or `wss` URI.
///
/// `Display` omits the user info, and `Debug` omits the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    is_secure: bool,
    authority: Authority,
    path_and_query: PathAndQuery,
    credentials: Option<(String, String)>,
}

impl Target {
    /// Parses `ws://[user[:password]@]host[:port][/path][?query]`, or the same with `wss`.
    ///
    /// The case of scheme and host is ignored.
    ///
    /// # Errors
    ///
    /// [`UriError`] names the invalid part. It contains at most one character of the URI, and none of the user
    /// info.
    pub fn parse(uri: &str) -> Result<Self, UriError> {
        if uri.contains('#') {
            return Err(UriError::Fragment);
        }
        check_characters(uri)?;
        let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
        let is_secure = parse_scheme(scheme)?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UriError::InvalidHost)?;
        let (user_info, authority) = match authority.rsplit_once('@') {
            Some((user_info, authority)) => (Some(user_info), authority),
            None => (None, authority),
        };
        Ok(Self {
            is_secure,
            authority: Authority::parse(authority)?,
            path_and_query: parse_path(path, uri.len() - path.len())?,
            credentials: user_info.map(parse_user_info).transpose()?,
        })
    }

    /// Returns whether the scheme is `wss`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns the host in lower case and without brackets, for name resolution. An IPv6 address may have a
    /// zone: `fe80::1%eth0` for `[fe80::1%25eth0]` (RFC 6874 §2).
    pub fn host(&self) -> &str {
        self.authority.host()
    }

    /// Returns the port. Default: 80 for `ws`, 443 for `wss`.
    pub fn port(&self) -> u16 {
        self.authority.port().unwrap_or_else(|| self.default_port())
    }

    /// Returns the value of `Host`. An IPv6 address has brackets. The default port of the scheme is omitted
    /// (RFC 6455 §4.1), and so is the zone of an address, which only this host knows (RFC 6874 §4).
    pub fn host_header(&self) -> String {
        self.authority
            .clone()
            .without_zone()
            .without_default(Some(self.default_port()))
            .to_string()
    }

    /// Returns the resource name: path and query. An empty path becomes `/` (RFC 6455 §3).
    pub fn path_and_query(&self) -> &str {
        self.path_and_query.as_str()
    }

    /// Returns user name and password, percent-decoded. A missing password is empty.
    pub fn credentials(&self) -> Option<(&str, &str)> {
        let (name, password) = self.credentials.as_ref()?;
        Some((name, password))
    }

    /// Returns host and port as they stand in the URI.
    #[cfg(feature = "client")]
    pub(super) const fn authority(&self) -> &impl fmt::Display {
        &self.authority
    }

    /// Returns whether scheme, host and port are those of `other` (RFC 6454 §4).
    #[cfg(feature = "client")]
    pub(crate) fn has_origin_of(&self, other: &Self) -> bool {
        let origin = |it: &Self| (it.is_secure, it.port());
        origin(self) == origin(other) && self.host() == other.host()
    }

    /// Returns the target with the credentials of `other`, if both have one origin.
    #[cfg(feature = "client")]
    pub(super) fn with_credentials_of(mut self, other: &Self) -> Self {
        if self.has_origin_of(other) {
            self.credentials.clone_from(&other.credentials);
        }
        self
    }

    fn default_port(&self) -> u16 {
        if self.is_secure { 443 } else { 80 }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.path_and_query)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user_name = self.credentials.as_ref().map(|(name, _)| name);
        f.debug_struct("Target")
            .field("uri", &format_args!("{self}"))
            .field("user_name", &user_name)
            .finish_non_exhaustive()
    }
}

fn parse_scheme(scheme: &str) -> Result<bool, UriError> {
    if scheme.eq_ignore_ascii_case("wss") {
        return Ok(true);
    }
    if scheme.eq_ignore_ascii_case("ws") {
        return Ok(false);
    }
    Err(UriError::Scheme)
}

/// Checks that the URI is visible ASCII.
fn check_characters(uri: &str) -> Result<(), UriError> {
    let mut characters = uri.char_indices();
    let Some((at, character)) = characters.find(|(_, it)| !it.is_ascii_graphic()) else {
        return Ok(());
    };
    let start = uri.find("://").map_or(uri.len(), |end| end + "://".len());
    let (_, rest) = uri.split_at_checked(start).unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = start + authority.rfind('@').map_or(0, |at| at + 1);
    Err(match at {
        _ if (start..host).contains(&at) => UriError::InvalidUserInfo,
        _ if (host..start + authority.len()).contains(&at) && !character.is_ascii() => {
            UriError::HostNotAscii
        }
        _ => UriError::InvalidCharacter { character, at },
    })
}

/// Parses path and query, which begin at byte `start` of the URI.
fn parse_path(path: &str, start: usize) -> Result<PathAndQuery, UriError> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    PathAndQuery::try_from(format!("{slash}{path}")).map_err(|_| {
        // The visible characters that RFC 3986 does not allow there.
        let mut characters = path.char_indices();
        let found = characters.find(|(_, it)| "<>\"`".contains(*it));
        found.map_or(UriError::InvalidPath, |(at, character)| {
            let at = start + at;
            UriError::InvalidCharacter { character, at }
        })
    })
}

/// Returns user name and password, percent-decoded.
pub(super) fn parse_user_info(user_info: &str) -> Result<(String, String), UriError> {
    let (name, password) = user_info.split_once(':').unwrap_or((user_info, ""));
    if name.is_empty() {
        return Err(UriError::EmptyUserName);
    }
    let (name, password) = (decode(name)?, decode(password)?);
    if name.contains(':') {
        // "a user-id containing a colon character is invalid" (RFC 7617 §2).
        return Err(UriError::InvalidUserInfo);
    }
    Ok((name, password))
}

/// Percent-decodes the user name or the password. Allows only the characters of RFC 3986 §3.2.1, and
/// refuses decoded controls, as RFC 7617 §2 demands.
fn decode(text: &str) -> Result<String, UriError> {
    let is_allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:%".contains(&byte);
    if !text.bytes().all(is_allowed) || has_broken_escape(text) {
        return Err(UriError::InvalidUserInfo);
    }
    let decoded = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| UriError::InvalidUserInfo)?;
    if decoded.chars().any(char::is_control) {
        return Err(UriError::InvalidUserInfo);
    }
    Ok(decoded.into_owned())
}

/// Returns whether any `%` is not followed by two hexadecimal digits.
fn has_broken_escape(text: &str) -> bool {
    let is_broken = |after: &str| {
        let mut bytes = after.bytes();
        !(0..2).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit()))
    };
    text.split('%').skip(1).any(is_broken)
}

/// Why a URI is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum UriError {
    /// The scheme is neither `ws` nor `wss`.
    Scheme,
    /// The URI has a fragment. RFC 6455 §3 requires `#` to be percent-encoded.
    Fragment,
    /// The URI contains a character that has to be percent-encoded, such as a space, a control or a non-ASCII
    /// character.
    InvalidCharacter {
        /// The character.
        character: char,
        /// Its position, in bytes.
        at: usize,
    },
    /// The host is missing.
    MissingHost,
    /// The host contains a character that is not ASCII. Its punycode has to be used (RFC 3492).
    HostNotAscii,
    /// The host is neither a name nor an address.
    InvalidHost,
    /// The port is not a number from 1 to 65535.
    InvalidPort,
    /// The path or the query is malformed, or longer than 64 KiB.
    InvalidPath,
    /// The URI has user info with an empty user name.
    EmptyUserName,
    /// The user info is malformed, or cannot be sent as Basic credentials (RFC 7617 §2).
    InvalidUserInfo,
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidCharacter { character, at } => {
                let character = character.escape_default();
                return write!(
                    f,
                    "the URI has '{character}' at byte {at}, which must be percent-encoded"
                );
            }
            Self::Scheme => "the URI does not begin with ws:// or wss://",
            Self::Fragment => "the URI has a fragment; # must be written as %23",
            Self::MissingHost => "the URI has no host",
            Self::HostNotAscii => {
                "the host of the URI is not ASCII; write it in punycode, which begins with xn--"
            }
            Self::InvalidHost => "the host of the URI is neither a name nor an address",
            Self::InvalidPort => "the port of the URI is not a number from 1 to 65535",
            Self::InvalidPath => "the path of the URI is malformed or too long",
            Self::EmptyUserName => "the URI has user info without a user name",
            Self::InvalidUserInfo => {
                "the user info of the URI is malformed; its special characters must be percent-encoded"
            }
        })
    }
}

impl Error for UriError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(uri: &str) -> Target {
        Target::parse(uri).unwrap()
    }

    #[test]
    fn the_default_ports_are_80_and_443() {
        let plain = parse("ws://example.com");
        assert_eq!((plain.is_secure(), plain.port()), (false, 80));
        let secure = parse("WSS://Example.com/");
        assert_eq!((secure.is_secure(), secure.port()), (true, 443));
        assert_eq!(secure.host(), "example.com");
    }

    #[test]
    fn host_names_the_port_only_if_it_is_not_the_default() {
        assert_eq!(parse("ws://h:80/").host_header(), "h");
        assert_eq!(parse("ws://h:443/").host_header(), "h:443");
        assert_eq!(parse("wss://h:443/").host_header(), "h");
        assert_eq!(parse("wss://h:80/").host_header(), "h:80");
        assert_eq!(parse("ws://h:/").host_header(), "h");
    }

    #[test]
    fn an_ipv6_address_has_brackets_in_host_only() {
        let target = parse("ws://[::1]:9000/x");
        assert_eq!(target.host(), "::1");
        assert_eq!(target.port(), 9000);
        assert_eq!(target.host_header(), "[::1]:9000");
        assert_eq!(parse("wss://[::1]").host_header(), "[::1]");
    }

    #[test]
    fn a_zone_is_for_name_resolution_only() {
        for uri in ["ws://[fe80::1%25lo]/", "ws://[FE80::1%lo]/"] {
            let target = parse(uri);
            assert_eq!(target.host(), "fe80::1%lo");
            assert_eq!(target.host_header(), "[fe80::1]");
            assert_eq!(target.to_string(), "ws://[fe80::1%25lo]/");
        }
        assert_eq!(
            parse("ws://[fe80::1%25lo]:81").host_header(),
            "[fe80::1]:81"
        );
        assert_ne!(parse("ws://[fe80::1%25a]"), parse("ws://[fe80::1%25b]"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_host_with_a_zone_resolves() {
        use std::net::{SocketAddr, ToSocketAddrs};

        let target = parse("ws://[fe80::1%25lo]:81/");
        let mut found = (target.host(), target.port()).to_socket_addrs().unwrap();
        let Some(SocketAddr::V6(address)) = found.next() else {
            panic!("no IPv6 address");
        };
        assert_eq!((address.port(), address.scope_id()), (81, 1));
    }

    #[test]
    fn the_resource_name_is_path_and_query() {
        assert_eq!(parse("ws://h").path_and_query(), "/");
        assert_eq!(parse("ws://h/").path_and_query(), "/");
        assert_eq!(parse("ws://h?q=1").path_and_query(), "/?q=1");
        assert_eq!(parse("ws://h?q=a@b:c/d").path_and_query(), "/?q=a@b:c/d");
        assert_eq!(parse("ws://h/a%23b?c=%20").path_and_query(), "/a%23b?c=%20");
        assert_eq!(parse("ws://h//a/../b").path_and_query(), "//a/../b");
    }

    #[test]
    fn credentials_are_decoded_and_a_missing_password_is_empty() {
        assert_eq!(parse("ws://h").credentials(), None);
        assert_eq!(parse("ws://user@h").credentials(), Some(("user", "")));
        assert_eq!(parse("ws://user:@h").credentials(), Some(("user", "")));
        assert_eq!(
            parse("ws://us%40er:p%3Aw:%C3%A9@h").credentials(),
            Some(("us@er", "p:w:é"))
        );
    }

    #[test]
    fn unusable_user_info_is_refused() {
        for uri in ["ws://@h", "ws://:pw@h"] {
            assert_eq!(Target::parse(uri), Err(UriError::EmptyUserName), "{uri}");
        }
        for user in [
            "a%3Ab", "a%", "a%4", "a%zz", "a%ff", "a:%00", "a:%0a", "a@b", "a[b",
        ] {
            let uri = format!("ws://{user}@h");
            assert_eq!(Target::parse(&uri), Err(UriError::InvalidUserInfo), "{uri}");
        }
    }

    #[test]
    fn a_fragment_is_refused_wherever_it_stands() {
        for uri in [
            "ws://h/#f",
            "ws://h#",
            "ws://h?q#f",
            "ws://u#@h",
            "#",
            "ws://h/a b#",
        ] {
            assert_eq!(Target::parse(uri), Err(UriError::Fragment), "{uri}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for uri in [
            "http://h",
            "https://h",
            "h",
            "//h",
            "ws:h",
            "ws:/h",
            "",
            "wsss://h",
            "://h",
        ] {
            assert_eq!(Target::parse(uri), Err(UriError::Scheme), "{uri}");
        }
    }

    #[test]
    fn malformed_hosts_ports_and_paths_are_refused() {
        let cases = [
            ("ws://", UriError::MissingHost),
            ("ws:///path", UriError::MissingHost),
            ("ws://?q", UriError::MissingHost),
            ("ws://u@/", UriError::MissingHost),
            ("ws://:80", UriError::MissingHost),
            ("ws://::1/", UriError::MissingHost),
            ("ws://h\\@i", UriError::InvalidUserInfo),
            ("ws://h\\i", UriError::InvalidHost),
            ("ws://h:0", UriError::InvalidPort),
            ("ws://h:99999", UriError::InvalidPort),
            ("ws://h:x", UriError::InvalidPort),
        ];
        for (uri, error) in cases {
            assert_eq!(Target::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn characters_to_encode_are_refused_with_their_position() {
        for (uri, character, at) in [
            ("ws://h/a b", ' ', 8),
            ("ws://h/é?é", 'é', 7),
            (" ws://h", ' ', 0),
            ("ws://h/\r\nX: y", '\r', 7),
            ("ws://h\0", '\0', 6),
            ("ws://h\x7f", '\x7f', 6),
            ("ws://u:p@a b/", ' ', 10),
            ("ws://h/<a>", '<', 7),
            ("ws://u@h:1/a?<", '<', 13),
            ("ws://h/`", '`', 7),
            ("ws://h?a\"", '"', 8),
            ("é", 'é', 0),
        ] {
            let expected = UriError::InvalidCharacter { character, at };
            assert_eq!(Target::parse(uri), Err(expected), "{uri:?}");
        }
        let error = Target::parse("ws://h/a\n").unwrap_err();
        assert_eq!(
            error.to_string(),
            r"the URI has '\n' at byte 8, which must be percent-encoded"
        );
    }

    #[test]
    fn a_host_that_is_not_ascii_has_to_be_punycode() {
        for uri in ["ws://é.example", "wss://u@é:80/é", "ws://[é]?é"] {
            let error = Target::parse(uri).unwrap_err();
            assert_eq!(error, UriError::HostNotAscii, "{uri}");
            assert!(error.to_string().contains("punycode"));
        }
    }

    #[test]
    fn no_character_of_the_user_info_is_shown() {
        for uri in ["ws://us er:pw@h", "ws://user:pä@h", "ws://user:p w@é/"] {
            assert_eq!(Target::parse(uri), Err(UriError::InvalidUserInfo), "{uri}");
        }
    }

    #[test]
    fn the_password_is_never_shown() {
        let target = parse("wss://user:secret@h:8443/p?q");
        assert_eq!(target.to_string(), "wss://h:8443/p?q");
        let debug = format!("{target:?}");
        assert!(
            debug.contains("user") && !debug.contains("secret"),
            "{debug}"
        );
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_text_never_panics_and_a_target_is_read_back(
            rest in "([a-z:@%/?.0-9\\[\\]]{0,24}|\\PC{0,12})",
        ) {
            if let Ok(target) = Target::parse(&format!("ws://{rest}")) {
                let again = parse(&target.to_string());
                proptest::prop_assert_eq!(again.host_header(), target.host_header());
                proptest::prop_assert_eq!(again.path_and_query(), target.path_and_query());
            }
        }
    }
}
