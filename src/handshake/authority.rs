//! Host and port in a URI, a `Host` header or an origin (RFC 3986 §3.2.2, §3.2.3).
//!
//! One rule applies to all three. A host is an IPv6 address in brackets, or a name of letters, digits, `-`,
//! `.`, `_` and `~`. A zone of the same characters may follow the address, after `%25` (RFC 6874 §2) or after
//! `%`, as some clients write it. User info, other percent-encoding and port 0 are refused.

use std::fmt;
use std::net::Ipv6Addr;

use super::UriError;

/// A host and an optional port. The host is in lower case, and an IPv6 address in its canonical form. `%` and
/// the zone may follow an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authority {
    host: String,
    is_ipv6: bool,
    port: Option<u16>,
}

impl Authority {
    /// Parses `host`, `host:port`, `[v6]`, `[v6%25zone]` or the last two with a port. An empty port counts as
    /// none.
    pub(super) fn parse(text: &str) -> Result<Self, UriError> {
        let Some(literal) = text.strip_prefix('[') else {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            check_name(host)?;
            let host = host.to_ascii_lowercase();
            return Ok(Self {
                host,
                is_ipv6: false,
                port: parse_port(port)?,
            });
        };
        let (address, after) = literal.split_once(']').ok_or(UriError::InvalidHost)?;
        let host = parse_ipv6(address)?;
        let port = match after.strip_prefix(':') {
            Some(port) => parse_port(port)?,
            None if after.is_empty() => None,
            None => return Err(UriError::InvalidHost),
        };
        Ok(Self {
            host,
            is_ipv6: true,
            port,
        })
    }

    /// Parses the bytes of a header value as [`parse`](Self::parse) does. Removes the zone, which means
    /// nothing outside of its host (RFC 6874 §1).
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, UriError> {
        let text = str::from_utf8(bytes).map_err(|_| UriError::InvalidHost)?;
        Ok(Self::parse(text)?.without_zone())
    }

    /// Returns the authority without the zone of its address.
    pub(super) fn without_zone(mut self) -> Self {
        self.host.truncate(without_zone(&self.host).len());
        self
    }

    /// Returns the authority without the final dot of its name, which DNS ignores.
    pub(super) fn without_final_dot(mut self) -> Self {
        if self.host.ends_with('.') {
            self.host.pop();
        }
        self
    }

    /// Returns the host, without brackets. An address may have a zone, as in `fe80::1%eth0`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, or `None` if the text has none.
    pub(super) fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the authority without its port if the port is `default`.
    pub(super) fn without_default(mut self, default: Option<u16>) -> Self {
        if self.port == default {
            self.port = None;
        }
        self
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_ipv6 {
            write!(f, "[{}]", self.host.replace('%', "%25"))?;
        } else {
            f.write_str(&self.host)?;
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Returns a host without the zone of its address, which means nothing to another host (RFC 6874 §4).
pub(crate) fn without_zone(host: &str) -> &str {
    host.split_once('%').map_or(host, |(address, _)| address)
}

/// Joins a host and a port. An IPv6 address gets brackets.
#[cfg(feature = "client")]
pub(crate) fn host_and_port(host: &str, port: u16) -> String {
    match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    }
}

/// Returns the default port of a scheme (RFC 6455 §3, RFC 9110 §4.2).
pub(super) fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    }
}

fn check_name(name: &str) -> Result<(), UriError> {
    if name.is_empty() {
        return Err(UriError::MissingHost);
    }
    if !name.bytes().all(is_unreserved) {
        return Err(UriError::InvalidHost);
    }
    Ok(())
}

/// Returns whether the byte is unreserved (RFC 3986 §2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// Returns the address in its canonical form, with `%` and its zone if it has one.
fn parse_ipv6(text: &str) -> Result<String, UriError> {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone.strip_prefix("25").unwrap_or(zone))),
        None => (text, None),
    };
    let address: Ipv6Addr = address.parse().map_err(|_| UriError::InvalidHost)?;
    match zone {
        None => Ok(address.to_string()),
        Some(zone) if !zone.is_empty() && zone.bytes().all(is_unreserved) => {
            Ok(format!("{address}%{zone}"))
        }
        Some(_) => Err(UriError::InvalidHost),
    }
}

fn parse_port(digits: &str) -> Result<Option<u16>, UriError> {
    if digits.is_empty() {
        return Ok(None);
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::InvalidPort);
    }
    match digits.parse() {
        Ok(0) | Err(_) => Err(UriError::InvalidPort),
        Ok(port) => Ok(Some(port)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_parse_and_are_written_back() {
        let cases = [
            ("Example.COM", "example.com"),
            ("a_b-c.d~:8080", "a_b-c.d~:8080"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("h:", "h"),
            ("h:00080", "h:80"),
            ("[::1]", "[::1]"),
            ("[0:0:0:0:0:0:0:1]:65535", "[::1]:65535"),
            ("[FE80::A]:", "[fe80::a]"),
            ("[FE80:0::1%25Eth0.1]:80", "[fe80::1%25Eth0.1]:80"),
            ("[fe80::1%lo]", "[fe80::1%25lo]"),
        ];
        for (text, written) in cases {
            assert_eq!(Authority::parse(text).unwrap().to_string(), written);
        }
    }

    #[test]
    fn what_is_not_host_and_port_is_refused() {
        let cases = [
            ("", UriError::MissingHost),
            (":80", UriError::MissingHost),
            ("u@h", UriError::InvalidHost),
            ("h/", UriError::InvalidHost),
            ("h h", UriError::InvalidHost),
            ("h%41", UriError::InvalidHost),
            ("h,i", UriError::InvalidHost),
            ("é", UriError::InvalidHost),
            ("[::1", UriError::InvalidHost),
            ("[::1]x", UriError::InvalidHost),
            ("[]", UriError::InvalidHost),
            ("[fe80::1%25]", UriError::InvalidHost),
            ("[fe80::1%]", UriError::InvalidHost),
            ("[%25lo]", UriError::InvalidHost),
            ("[fe80::1%25a/b]", UriError::InvalidHost),
            ("[fe80::1%25a%25b]", UriError::InvalidHost),
            ("h%25lo", UriError::InvalidHost),
            ("::1", UriError::MissingHost),
            ("h:0", UriError::InvalidPort),
            ("h:65536", UriError::InvalidPort),
            ("h:+80", UriError::InvalidPort),
            ("h:8 0", UriError::InvalidPort),
            ("h:80:81", UriError::InvalidPort),
        ];
        for (text, error) in cases {
            assert_eq!(Authority::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_header_has_no_zone() {
        let host = Authority::from_bytes(b"[fe80::1%25eth0]:8080").unwrap();
        assert_eq!(host, Authority::parse("[fe80::1]:8080").unwrap());
    }
}
