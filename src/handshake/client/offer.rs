//! [`Offer`]: the options of a client's request.

use http::{
    HeaderMap, HeaderValue,
    header::{AUTHORIZATION, HOST, USER_AGENT},
};

use crate::handshake::{Excerpt, HandshakeError, basic, headers};

/// The options of a client's request, in addition to the URI.
///
/// By default the request contains no `Origin`, subprotocol or extension. Its `User-Agent` names this
/// crate.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Offer {
    pub(super) origin: Option<HeaderValue>,
    pub(super) subprotocols: Vec<String>,
    pub(super) headers: HeaderMap,
}

impl Offer {
    /// Creates an offer with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `Origin`. Default: none, as in all clients except browsers.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for a text that is not a valid header value.
    pub fn origin(mut self, origin: &str) -> Result<Self, HandshakeError> {
        self.origin = Some(headers::value("origin", origin)?);
        Ok(self)
    }

    /// Sets the offered subprotocols, the preferred one first. Default: none.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for a name that is not a token or occurs twice.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = headers::check_subprotocols(names)?;
        Ok(self)
    }

    /// Sets the user name and the password of Basic authentication (RFC 7617). Default: those of the URI.
    ///
    /// They protect nothing without TLS. `Debug` does not print them.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for a user name with a colon, and for control
    /// characters. The error does not contain the password.
    pub fn basic_auth(mut self, user: &str, password: &str) -> Result<Self, HandshakeError> {
        const RULE: &str = "a user name has no colon, and neither part has control characters";
        let value = basic::is_valid(user, password).then(|| basic::authorization(user, password));
        let value = value.flatten().ok_or_else(|| {
            headers::invalid_setting("credentials of the user", user.as_bytes(), RULE)
        })?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(self)
    }

    /// Adds a header. At most 256 can be added.
    ///
    /// `Host`, `Authorization` and `User-Agent` replace the default header of that name. An empty
    /// `User-Agent` removes the header.
    ///
    /// # Errors
    ///
    /// - [`ReservedHeader`](HandshakeError::ReservedHeader) for a header that the handshake sets itself
    ///   (`Upgrade`, `Connection`, `Sec-WebSocket-*`, and `Origin`, which has a [setter](Self::origin)), or
    ///   that an upgrade must not have (`Content-Length`, `Transfer-Encoding`).
    /// - [`InvalidSetting`](HandshakeError::InvalidSetting) for a malformed header, or for too many.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, HandshakeError>
    where
        N: AsRef<str>,
        V: TryInto<HeaderValue>,
    {
        if name.as_ref().eq_ignore_ascii_case(headers::ORIGIN) {
            let name = Excerpt::new(headers::ORIGIN.as_bytes());
            return Err(HandshakeError::ReservedHeader(name));
        }
        let once = [HOST, AUTHORIZATION, USER_AGENT];
        headers::add_extra(&mut self.headers, &once, name, value)?;
        Ok(self)
    }

    /// Adds another offer, whose origin, subprotocols and headers replace those of this one.
    #[cfg(feature = "client")]
    #[must_use]
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.origin = other.origin.or(self.origin);
        if !other.subprotocols.is_empty() {
            self.subprotocols = other.subprotocols;
        }
        self.headers.extend(other.headers);
        self
    }

    /// Returns the offer without its headers, for a server that they are not meant for.
    #[cfg(feature = "client")]
    #[must_use]
    pub(crate) fn without_headers(mut self) -> Self {
        self.headers.clear();
        self
    }
}
