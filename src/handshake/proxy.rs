//! [`Proxy`]: the address of a proxy, and the request for a tunnel (RFC 9110 §9.3.6).

use std::fmt;

use bytes::BytesMut;
use http::{
    HeaderMap, HeaderValue,
    header::{HOST, PROXY_AUTHORIZATION, USER_AGENT},
};

use super::{
    Excerpt, HandshakeError, PRODUCT, Target, UriError,
    authority::{Authority, host_and_port, without_zone},
    basic, head, headers, uri,
};

/// The maximum number of bytes of a name, a user name and a password in SOCKS5 (RFC 1928 §5, RFC 1929 §2).
const MAX_SOCKS: usize = 255;

/// A proxy of a client, for [`ClientBuilder::proxy`](crate::ClientBuilder::proxy).
///
/// `Display` omits the credentials, and `Debug` omits the password.
///
/// ```
/// use wsimd::Proxy;
///
/// let proxy = Proxy::parse("http://user:password@proxy.example.com:3128")?;
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// # Ok::<(), wsimd::handshake::HandshakeError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    scheme: Scheme,
    host: String,
    port: u16,
    credentials: Option<(String, String)>,
}

/// The protocol of a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// HTTP CONNECT.
    Http,
    /// HTTP CONNECT over TLS to the proxy.
    Https,
    /// SOCKS5. The client resolves the name of the server.
    Socks5,
    /// SOCKS5. The proxy resolves the name of the server.
    Socks5h,
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Http, Self::Https, Self::Socks5, Self::Socks5h];

    fn parse(text: &str) -> Option<Self> {
        let mut all = Self::ALL.into_iter();
        all.find(|scheme| scheme.as_str().eq_ignore_ascii_case(text))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }

    /// Returns the default port, which is that of curl.
    const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http | Self::Socks5 | Self::Socks5h => 1080,
        }
    }

    /// Returns whether the protocol can carry the credentials.
    fn check_credentials(self, user: &str, password: &str) -> Result<(), &'static str> {
        let is_socks = |text: &str| (1..=MAX_SOCKS).contains(&text.len());
        match self {
            Self::Http | Self::Https if !basic::is_valid(user, password) => {
                Err("a user name has no colon, and neither part has control characters")
            }
            Self::Socks5 | Self::Socks5h if !is_socks(user) || !is_socks(password) => {
                Err("SOCKS5 needs a user name and a password of 1 to 255 bytes")
            }
            _ => Ok(()),
        }
    }
}

impl Proxy {
    /// Parses `[scheme://][user[:password]@]host[:port]`.
    ///
    /// | scheme | protocol | default port |
    /// | --- | --- | --- |
    /// | `http`, or none | HTTP CONNECT | 1080 |
    /// | `https` | HTTP CONNECT over TLS to the proxy | 443 |
    /// | `socks5` | SOCKS5. This host resolves the name of the server | 1080 |
    /// | `socks5h` | SOCKS5. The proxy resolves the name of the server | 1080 |
    ///
    /// The default ports are those of curl. User name and password are percent-encoded, and are sent as Basic
    /// credentials or by RFC 1929.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for another scheme, an invalid host or port, credentials that
    /// the protocol cannot carry, and a path, query or fragment. The error contains no credentials.
    pub fn parse(uri: &str) -> Result<Self, HandshakeError> {
        Self::parse_setting("proxy", uri)
    }

    /// Parses the value of a setting, which the error names.
    pub(crate) fn parse_setting(setting: &'static str, text: &str) -> Result<Self, HandshakeError> {
        parse(text).map_err(|reason| invalid(setting, text, reason))
    }

    /// Sets the user name and the password. Default: those of the URI.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) if the protocol of the proxy cannot carry them. HTTP allows
    /// no colon in the user name and no control characters. SOCKS5 needs 1 to 255 bytes for each. The error does not
    /// contain the password.
    pub fn credentials(mut self, user: &str, password: &str) -> Result<Self, HandshakeError> {
        const SETTING: &str = "credentials of the user";
        let checked = self.scheme.check_credentials(user, password);
        checked.map_err(|reason| headers::invalid_setting(SETTING, user.as_bytes(), reason))?;
        self.credentials = Some((user.to_owned(), password.to_owned()));
        Ok(self)
    }

    pub(crate) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host without brackets. An IPv6 address may have a zone.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Returns the host and the port, for errors.
    pub(crate) fn address(&self) -> String {
        host_and_port(&self.host, self.port)
    }

    /// Returns the user name and the password.
    pub(crate) fn user_and_password(&self) -> Option<(&str, &str)> {
        let (user, password) = self.credentials.as_ref()?;
        Some((user, password))
    }

    /// Returns the request for a tunnel to the server.
    pub(crate) fn connect_request(&self, target: &Target) -> Result<BytesMut, HandshakeError> {
        let authority = host_and_port(without_zone(target.host()), target.port());
        let mut fields = HeaderMap::new();
        fields.insert(HOST, headers::value("host", &authority)?);
        if let Some((user, password)) = self.user_and_password() {
            let credentials = basic::authorization(user, password);
            let credentials = credentials.ok_or(UriError::InvalidUserInfo)?;
            fields.insert(PROXY_AUTHORIZATION, credentials);
        }
        fields.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        let mut request = BytesMut::from(format!("CONNECT {authority} HTTP/1.1\r\n").as_bytes());
        head::write_headers(&fields, &mut request);
        Ok(request)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.address())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.credentials.as_ref().map(|(user, _)| user);
        f.debug_struct("Proxy")
            .field("uri", &format_args!("{self}"))
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

/// Returns the host of a server in the form that SOCKS5 can carry.
pub(crate) fn socks_host(target: &Target) -> Result<&str, HandshakeError> {
    const RULE: &str = "SOCKS5 can carry at most 255 bytes";
    let host = without_zone(target.host());
    if host.len() > MAX_SOCKS {
        return Err(headers::invalid_setting("host", host.as_bytes(), RULE));
    }
    Ok(host)
}

/// Returns the error for a setting whose value may contain credentials.
pub(crate) fn invalid(setting: &'static str, text: &str, reason: &'static str) -> HandshakeError {
    HandshakeError::InvalidSetting {
        setting,
        value: Excerpt::without_user_info(text.as_bytes()),
        reason,
    }
}

fn parse(text: &str) -> Result<Proxy, &'static str> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has a space, a control or a character that is not ASCII");
    }
    let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
    let scheme = Scheme::parse(scheme).ok_or("its scheme is not http, https, socks5 or socks5h")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    if !matches!(path, "" | "/") {
        return Err("it has a path, a query or a fragment");
    }
    let (user_info, authority) = match authority.rsplit_once('@') {
        Some((user_info, authority)) => (Some(user_info), authority),
        None => (None, authority),
    };
    let authority = Authority::parse(authority).map_err(reason_of)?;
    let credentials = user_info.map(uri::parse_user_info).transpose();
    let credentials = credentials.map_err(reason_of)?;
    if let Some((user, password)) = &credentials {
        scheme.check_credentials(user, password)?;
    }
    let port = authority.port();
    Ok(Proxy {
        scheme,
        host: authority.host().to_owned(),
        port: port.unwrap_or_else(|| scheme.default_port()),
        credentials,
    })
}

const fn reason_of(error: UriError) -> &'static str {
    match error {
        UriError::MissingHost => "it has no host",
        UriError::InvalidPort => "its port is not a number from 1 to 65535",
        UriError::EmptyUserName => "it has user info without a user name",
        UriError::InvalidUserInfo => {
            "its user info is malformed; special characters must be percent-encoded"
        }
        _ => "its host is malformed",
    }
}

#[cfg(test)]
mod tests;
