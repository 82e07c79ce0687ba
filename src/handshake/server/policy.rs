//! [`Policy`]: the decisions of the application about requests.

use std::fmt;
use std::sync::Arc;

use http::header::SERVER;
use http::{HeaderMap, HeaderValue};

use crate::handshake::authority::Authority;
use crate::handshake::{Excerpt, HandshakeError, Origins, PRODUCT, headers};

/// The requests that a server accepts, in addition to the rules of the protocol, and its additional
/// headers.
///
/// By default a server accepts pages of its own host, every `Host`, and no subprotocol.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    pub(super) origins: Origins,
    hosts: Option<Vec<Authority>>,
    subprotocols: Vec<String>,
    select: Option<Select>,
    requires_subprotocol: bool,
    headers: HeaderMap,
}

/// A function that selects one of the offered subprotocols.
#[derive(Clone)]
struct Select(Arc<SelectFn>);

type SelectFn = dyn for<'a> Fn(&[&'a str]) -> Option<&'a str> + Send + Sync;

impl fmt::Debug for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Select(..)")
    }
}

impl Policy {
    /// Creates a policy with the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which origins are accepted: by default [`Origins::same_host`].
    #[must_use]
    pub fn origins(mut self, origins: Origins) -> Self {
        self.origins = origins;
        self
    }

    /// Sets the accepted values of `Host`, such as `example.com` or `[::1]:8080`. Default: all.
    ///
    /// An entry without a port accepts every port. Case and a final dot are ignored, and so is the zone of an
    /// IPv6 address. An empty list accepts no host. A list refuses pages that reach this server under a host
    /// name of their own (DNS rebinding), which the same-host rule for origins cannot detect.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for an entry that is not a host.
    pub fn hosts<I>(mut self, hosts: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        const RULE: &str = "it must be host[:port], without a scheme";
        let mut served = Vec::new();
        for host in hosts {
            let host = host.as_ref().as_bytes();
            let parsed = Authority::from_bytes(host);
            let parsed = parsed.map_err(|_| headers::invalid_setting("host", host, RULE))?;
            served.push(parsed.without_final_dot());
        }
        self.hosts = Some(served);
        Ok(self)
    }

    /// Sets the supported subprotocols, the preferred one first. Default: none.
    ///
    /// The server selects the first subprotocol that the client offers too. If there is none, it accepts
    /// the connection without a subprotocol, as RFC 6455 §4.2.2 provides, unless
    /// [`require_subprotocol`](Self::require_subprotocol) is set.
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

    /// Selects the subprotocol with a function, instead of the order of
    /// [`subprotocols`](Self::subprotocols). Default: none.
    ///
    /// The function receives the offered subprotocols in the client's order, and returns one of them, or
    /// `None` for no subprotocol. The list is empty if the client offers none. A name that the client did not
    /// offer is an error of the server, and the request gets 500.
    ///
    /// ```
    /// use wsimd::Policy;
    ///
    /// // The newest version of a protocol.
    /// let policy = Policy::new().select_subprotocol(|offered| {
    ///     let chats = offered.iter().copied().filter(|name| name.starts_with("chat.v"));
    ///     chats.max()
    /// });
    /// # let _ = policy;
    /// ```
    #[must_use]
    pub fn select_subprotocol<F>(mut self, select: F) -> Self
    where
        F: for<'a> Fn(&[&'a str]) -> Option<&'a str> + Send + Sync + 'static,
    {
        self.select = Some(Select(Arc::new(select)));
        self
    }

    /// Refuses a request if no subprotocol is selected. The request gets 400, and a text that lists the
    /// [`subprotocols`](Self::subprotocols) of the server.
    #[must_use]
    pub fn require_subprotocol(mut self) -> Self {
        self.requires_subprotocol = true;
        self
    }

    /// Adds a header to the 101 response. At most 256 can be added.
    ///
    /// `Server` replaces the default, which names this crate and its version, and is also in the responses
    /// that refuse a request. An empty `Server` removes the header.
    ///
    /// # Errors
    ///
    /// - [`ReservedHeader`](HandshakeError::ReservedHeader) for a header that the handshake sets itself
    ///   (`Upgrade`, `Connection`, `Sec-WebSocket-*`), or that an upgrade must not have (`Content-Length`,
    ///   `Transfer-Encoding`).
    /// - [`InvalidSetting`](HandshakeError::InvalidSetting) for a malformed header, or for too many.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, HandshakeError>
    where
        N: AsRef<str>,
        V: TryInto<HeaderValue>,
    {
        headers::add_extra(&mut self.headers, &[SERVER], name, value)?;
        Ok(self)
    }

    /// Checks that the policy accepts a host.
    pub(super) fn check_host(&self, host: &Authority) -> Result<(), HandshakeError> {
        let Some(served) = &self.hosts else {
            return Ok(());
        };
        let wanted = host.clone().without_final_dot();
        let matches = |entry: &Authority| match entry.port() {
            Some(_) => *entry == wanted,
            None => entry.host() == wanted.host(),
        };
        if served.iter().any(matches) {
            return Ok(());
        }
        Err(HandshakeError::HostNotAllowed(Excerpt::new(
            host.to_string().as_bytes(),
        )))
    }

    /// Selects one of the offered subprotocols.
    pub(super) fn select(&self, offered: &[&str]) -> Result<Option<String>, HandshakeError> {
        const RULE: &str = "the client did not offer it";
        let selected = match &self.select {
            Some(Select(select)) => select(offered),
            None => {
                let mut supported = self.subprotocols.iter().map(String::as_str);
                supported.find(|name| offered.contains(name))
            }
        };
        match selected {
            Some(name) if offered.contains(&name) => Ok(Some(name.to_owned())),
            Some(name) => Err(headers::invalid_setting(
                "selected subprotocol",
                name.as_bytes(),
                RULE,
            )),
            None if self.requires_subprotocol => {
                let supported = self.subprotocols.join(", ").into();
                Err(HandshakeError::SubprotocolRequired { supported })
            }
            None => Ok(None),
        }
    }

    /// Adds the headers of the application to a 101 response.
    pub(super) fn add_headers(&self, fields: &mut HeaderMap) {
        let mut extra = self.headers.clone();
        extra.remove(SERVER);
        fields.extend(extra);
        self.add_server(fields);
    }

    /// Adds `Server` to a response that has none.
    pub(crate) fn add_server(&self, fields: &mut HeaderMap) {
        let default = const { HeaderValue::from_static(PRODUCT) };
        let value = self.headers.get(SERVER).unwrap_or(&default);
        if !value.is_empty() && !fields.contains_key(SERVER) {
            fields.insert(SERVER, value.clone());
        }
    }
}
