//! The server's side: judging a request, and answering it (RFC 6455 §4.2).
//!
//! [`accept`] returns the 101 response for a request that keeps every rule, and [`refuse`] the
//! response for one that does not. A [`Policy`] holds what the application decides: origins,
//! hosts, subprotocols, headers of its own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::authority::{Authority, default_port};
use super::{
    Excerpt, HandshakeError, Negotiated, Origins, VERSION, accept_key, check_connection,
    check_no_body, extensions, headers,
};
use crate::config::Config;

/// What a server accepts, beyond the rules of the protocol, and adds to its response.
///
/// The default accepts pages of its own host, every `Host`, and no subprotocol.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Policy {
    origins: Origins,
    hosts: Option<Vec<Authority>>,
    subprotocols: Vec<String>,
    headers: HeaderMap,
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

    /// Sets which hosts are served, such as `example.com` or `[::1]:8080`: by default all.
    ///
    /// An entry without a port stands for every port, and an empty list for no host at all. A list
    /// stops pages that reach this server by a name of their own (DNS rebinding), which the
    /// same-host rule for origins cannot see.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for an entry that is no host.
    pub fn hosts<I>(mut self, hosts: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: AsRef<str>>,
    {
        let mut served = Vec::new();
        for host in hosts {
            let host = host.as_ref();
            let parsed = Authority::parse(host);
            served.push(parsed.map_err(|_| headers::unusable("host", host.as_bytes()))?);
        }
        self.hosts = Some(served);
        Ok(self)
    }

    /// Sets the subprotocols spoken, the preferred one first: by default none.
    ///
    /// The first that the client offers as well is selected. Without one in common the connection
    /// is accepted without a subprotocol, as RFC 6455 §4.2.2 provides; an application that needs
    /// one closes it.
    ///
    /// # Errors
    ///
    /// [`InvalidSetting`](HandshakeError::InvalidSetting) for a name that is no token, or twice
    /// there.
    pub fn subprotocols<I>(mut self, names: I) -> Result<Self, HandshakeError>
    where
        I: IntoIterator<Item: Into<String>>,
    {
        self.subprotocols = headers::check_subprotocols(names)?;
        Ok(self)
    }

    /// Adds a header to the 101 response. At most 256 can be added.
    ///
    /// # Errors
    ///
    /// [`ReservedHeader`](HandshakeError::ReservedHeader) for what the handshake sets itself
    /// (`Upgrade`, `Connection`, `Sec-WebSocket-*`) or an upgrade cannot have (`Content-Length`,
    /// `Transfer-Encoding`); [`InvalidSetting`](HandshakeError::InvalidSetting) for a malformed
    /// header, or too many.
    pub fn header<N, V>(mut self, name: N, value: V) -> Result<Self, HandshakeError>
    where
        N: TryInto<HeaderName>,
        V: TryInto<HeaderValue>,
    {
        headers::add_extra(&mut self.headers, &[], name, value)?;
        Ok(self)
    }
}

/// Judges a request and makes the 101 response for it (RFC 6455 §4.2.1, §4.2.2).
///
/// The checks, in this order; the first that fails decides the status:
///
/// 1. The method is `GET` (405), the version HTTP/1.1 (505).
/// 2. No `Content-Length` and no `Transfer-Encoding` (400).
/// 3. `Host` once and well-formed; a target in absolute form names the same host and port (400).
/// 4. `Host` is one that the policy serves: 421 says "not by this server", where 403 would say
///    "not to you".
/// 5. The `Connection` list contains `upgrade` and the `Upgrade` list `websocket`, on whatever
///    number of lines, ignoring case. One that lacks it, or is missing, makes an ordinary request:
///    426. One that is not a list: 400.
/// 6. `Sec-WebSocket-Version` once (400) and 13 (426, also when it is missing).
/// 7. `Sec-WebSocket-Key` once, the base64 of 16 bytes (400).
/// 8. `Origin` at most once (400), and one that the policy accepts (403).
/// 9. `Sec-WebSocket-Protocol`, if present, lists tokens without duplicates (400).
/// 10. `Sec-WebSocket-Extensions`, if present, is a list of its grammar (400). What cannot be agreed on
///     is declined.
///
/// # Errors
///
/// The first check that failed; [`refuse`] makes the response.
pub fn accept<B>(
    request: &Request<B>,
    policy: &Policy,
    config: &Config,
) -> Result<(Response<()>, Negotiated), HandshakeError> {
    check_request_line(request)?;
    let fields = request.headers();
    check_no_body(fields)?;
    let host = check_host(request)?;
    check_host_is_served(&host, policy)?;
    check_connection(fields)?;
    check_upgrade(fields)?;
    check_version(fields)?;
    let key = check_key(fields)?;
    check_origin(fields, &host, policy)?;
    let subprotocol = select_subprotocol(fields, policy)?;
    let extensions = extensions::accept(fields, config.extensions())?;
    let negotiated = Negotiated {
        subprotocol,
        extensions,
    };
    let response = switching_protocols(key, &negotiated, policy)?;
    Ok((response, negotiated))
}

fn check_request_line<B>(request: &Request<B>) -> Result<(), HandshakeError> {
    let method = request.method();
    if method != Method::GET {
        return Err(HandshakeError::Method(Excerpt::new(
            method.as_str().as_bytes(),
        )));
    }
    if request.version() != Version::HTTP_11 {
        return Err(HandshakeError::HttpVersion);
    }
    if !request.uri().path().starts_with('/') {
        let target = request.uri().to_string();
        return Err(HandshakeError::InvalidTarget(Excerpt::without_user_info(
            target.as_bytes(),
        )));
    }
    Ok(())
}

fn check_host<B>(request: &Request<B>) -> Result<Authority, HandshakeError> {
    let value = headers::required(request.headers(), headers::HOST)?;
    let excerpt = || Excerpt::without_user_info(value);
    let host = Authority::from_bytes(value);
    let host = host.map_err(|_| HandshakeError::InvalidHeader {
        header: headers::HOST,
        value: excerpt(),
    })?;
    if let Some(authority) = request.uri().authority() {
        let default = default_port(request.uri().scheme_str().unwrap_or_default());
        let target = Authority::parse(authority.as_str()).map(|it| it.without_default(default));
        if target != Ok(host.clone().without_default(default)) {
            return Err(HandshakeError::HostMismatch(excerpt()));
        }
    }
    Ok(host)
}

fn check_host_is_served(host: &Authority, policy: &Policy) -> Result<(), HandshakeError> {
    let Some(served) = &policy.hosts else {
        return Ok(());
    };
    let matches = |entry: &Authority| match entry.port() {
        Some(_) => entry == host,
        None => entry.host() == host.host(),
    };
    if served.iter().any(matches) {
        return Ok(());
    }
    Err(HandshakeError::HostNotAllowed(Excerpt::new(
        host.to_string().as_bytes(),
    )))
}

fn check_upgrade(fields: &HeaderMap) -> Result<(), HandshakeError> {
    let header = headers::UPGRADE;
    if headers::list_contains(fields, header, b"websocket", headers::is_protocol)? {
        return Ok(());
    }
    Err(HandshakeError::NotUpgrade { header })
}

fn check_version(fields: &HeaderMap) -> Result<(), HandshakeError> {
    match headers::singleton(fields, headers::VERSION)? {
        Some(version) if version == VERSION.as_bytes() => Ok(()),
        got => Err(HandshakeError::UnsupportedVersion {
            got: got.map(Excerpt::new),
        }),
    }
}

/// Returns the key: "a base64-encoded [...] value that, when decoded, is 16 bytes in length".
fn check_key(fields: &HeaderMap) -> Result<&[u8], HandshakeError> {
    let key = headers::required(fields, headers::KEY)?;
    // Room for what 24 characters can hold: anything longer fails to decode.
    let mut nonce = [0; 18];
    match STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) => Ok(key),
        _ => Err(headers::invalid(headers::KEY, key)),
    }
}

fn check_origin(
    fields: &HeaderMap,
    host: &Authority,
    policy: &Policy,
) -> Result<(), HandshakeError> {
    match headers::singleton(fields, headers::ORIGIN)? {
        Some(origin) if !policy.origins.accepts(origin, host) => Err(
            HandshakeError::OriginNotAllowed(Excerpt::without_user_info(origin)),
        ),
        _ => Ok(()),
    }
}

fn select_subprotocol(
    fields: &HeaderMap,
    policy: &Policy,
) -> Result<Option<String>, HandshakeError> {
    let offered = headers::subprotocols(fields)?;
    let mut spoken = policy.subprotocols.iter();
    Ok(spoken
        .find(|name| offered.contains(&name.as_str()))
        .cloned())
}

fn switching_protocols(
    key: &[u8],
    negotiated: &Negotiated,
    policy: &Policy,
) -> Result<Response<()>, HandshakeError> {
    let accept = HeaderValue::from_bytes(&accept_key(key));
    let accept = accept.map_err(|_| headers::invalid(headers::KEY, key))?;
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let fields = response.headers_mut();
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(SEC_WEBSOCKET_ACCEPT, accept);
    if let Some(name) = negotiated.subprotocol() {
        fields.insert(SEC_WEBSOCKET_PROTOCOL, headers::value("subprotocol", name)?);
    }
    if !negotiated.extensions.is_empty() {
        let agreed = headers::value("extension", negotiated.extensions.as_str())?;
        fields.insert(SEC_WEBSOCKET_EXTENSIONS, agreed);
    }
    fields.extend(policy.headers.clone());
    Ok(response)
}

/// Makes the response that refuses a request, with one line of text as its body.
///
/// It closes the connection. What the peer sent is escaped in the text. Where the status asks for
/// it there is an `Allow` (405), or an `Upgrade` and a `Sec-WebSocket-Version` (426; RFC 6455
/// §4.4). An error that is not about a request gives 500 and says nothing more.
pub fn refuse(error: &HandshakeError) -> Response<String> {
    let status = error.status();
    let body = match status {
        StatusCode::INTERNAL_SERVER_ERROR => "the opening handshake failed\n".to_owned(),
        _ => format!("{error}\n"),
    };
    let mut fields = HeaderMap::new();
    fields.insert(CONNECTION, HeaderValue::from_static("close"));
    fields.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    fields.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        fields.insert(ALLOW, HeaderValue::from_static("GET"));
    }
    if status == StatusCode::UPGRADE_REQUIRED {
        // "A sender of Upgrade MUST also send an 'Upgrade' connection option" (RFC 9110 §7.8).
        fields.insert(CONNECTION, HeaderValue::from_static("close, Upgrade"));
        fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
        fields.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = fields;
    response
}

#[cfg(test)]
mod tests;
