//! [`ClientBuilder`]: the options of a client.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use http::Response;
use tokio::io::{AsyncRead, AsyncWrite};

use super::opening::Opener;
use crate::{
    config::Config,
    connection::WebSocket,
    error::Error,
    handshake::client::{IntoTarget, Offer},
    net::{Stream, dial::Dialer},
    proxy::Proxies,
    tls::ClientTls,
};

/// The maximum of [`ClientBuilder::max_redirects`].
const MAX_REDIRECTS: u32 = 10;

/// The options of a client.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// use wsimd::{ClientBuilder, Config, Offer};
///
/// let offer = Offer::new()
///     .subprotocols(["chat.v2", "chat.v1"])?
///     .header("authorization", "Bearer abc")?;
/// let ws = ClientBuilder::new()
///     .config(Config::new().max_message_size(16 << 20))
///     .offer(offer)
///     .connect("ws://localhost:8765")
///     .await?;
/// println!("the server chose {:?}", ws.subprotocol());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClientBuilder {
    opener: Opener,
    offer: Offer,
}

impl ClientBuilder {
    /// Creates a builder with the default options.
    pub fn new() -> Self {
        Self {
            opener: Opener {
                config: Config::new().with_keepalive(),
                dialer: Dialer::default(),
                proxies: Proxies::default(),
                tls: ClientTls::default(),
                max_redirects: 0,
            },
            offer: Offer::default(),
        }
    }

    /// Sets the limits and timeouts of the connection, and the extensions that are offered.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.opener.config = config.with_keepalive();
        self
    }

    /// Sets the origin, the subprotocols and the headers of the request. Default: an empty [`Offer`].
    #[must_use]
    pub fn offer(mut self, offer: Offer) -> Self {
        self.offer = offer;
        self
    }

    /// Sets the TLS of `wss://`, and of a proxy with `https://`: root certificates, a client certificate, versions.
    /// Default: the root certificates of a [feature](crate::tls).
    ///
    /// A configuration can be shared by all clients of a program. ALPN offers `http/1.1` in place of its protocols.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, config: impl Into<std::sync::Arc<rustls::ClientConfig>>) -> Self {
        self.opener.tls = ClientTls::new(&config.into());
        self
    }

    /// Sets the maximum number of redirects that are followed. Default: 0. At most 10.
    ///
    /// The statuses 301, 302, 303, 307 and 308 redirect, to `ws` or `wss`, or to `http` or `https` in their place. A
    /// redirect from `wss` to `ws` is refused. Credentials, cookies and all other headers of the [`Offer`] are sent to the
    /// scheme, host and port of the first URI only. The `Origin` and the subprotocols are sent to all servers.
    #[must_use]
    pub fn max_redirects(mut self, limit: u32) -> Self {
        self.opener.max_redirects = limit.min(MAX_REDIRECTS);
        self
    }

    /// Connects to all servers by this proxy. Default: `None`, which connects directly.
    ///
    /// The proxy opens a tunnel, also for `ws://`, and resolves the name of the server unless its scheme is `socks5`.
    /// [`addresses`](Self::addresses) and [`unix_socket`](Self::unix_socket) take precedence over a proxy. A stream of
    /// [`connect_over`](Self::connect_over) or [`handshake`](Self::handshake) already leads to the server.
    ///
    /// ```
    /// use wsimd::{ClientBuilder, Proxy};
    ///
    /// let proxy = Proxy::parse("http://proxy.example.com:3128")?;
    /// let builder = ClientBuilder::new().proxy(proxy);
    /// # Ok::<(), wsimd::handshake::HandshakeError>(())
    /// ```
    #[cfg(feature = "proxy")]
    #[must_use]
    pub fn proxy(mut self, proxy: impl Into<Option<crate::proxy::Proxy>>) -> Self {
        self.opener.proxies = Proxies::of(proxy.into());
        self
    }

    /// Connects by the proxies of the environment, in place of [`proxy`](Self::proxy). Reads the environment once.
    ///
    /// | variable | for |
    /// | --- | --- |
    /// | `https_proxy`, `HTTPS_PROXY` | `wss://` |
    /// | `http_proxy` | `ws://` |
    /// | `all_proxy`, `ALL_PROXY` | both, if the variable above is not set |
    /// | `no_proxy`, `NO_PROXY` | servers without a proxy |
    ///
    /// The rules are those of curl. Lower case precedes upper case, and an empty variable counts as unset. `HTTP_PROXY`
    /// is ignored, because a header of a request sets it in a CGI program. [`Proxy::parse`](crate::proxy::Proxy::parse)
    /// describes the values.
    ///
    /// `no_proxy` is a list of names, IP addresses, and networks such as `10.0.0.0/8`, without ports. A name stands for
    /// its subdomains as well, and `*` for all servers. `localhost` needs an entry like any other name.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for an invalid value, with the name of the variable. The error contains no credentials.
    #[cfg(feature = "proxy")]
    pub fn proxy_from_env(mut self) -> Result<Self, Error> {
        self.opener.proxies = Proxies::from_env()?;
        Ok(self)
    }

    /// Connects from this address. Default: the system chooses.
    ///
    /// Addresses of the server of the other family are not used.
    #[must_use]
    pub fn local_addr(mut self, addr: impl Into<Option<IpAddr>>) -> Self {
        self.opener.dialer.set_local_addr(addr.into());
        self
    }

    /// Resolves names with this function, which gets the host and the port. Default: the system resolves.
    ///
    /// The addresses are tried in their order, with the families alternating. The function gets no IP addresses.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// let builder = wsimd::ClientBuilder::new().resolve_with(async |host, port| {
    ///     println!("resolving {host}");
    ///     Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    /// });
    /// ```
    #[must_use]
    pub fn resolve_with<F, A>(mut self, resolve: F) -> Self
    where
        F: Fn(String, u16) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static,
    {
        self.opener.dialer.set_resolve(resolve);
        self
    }

    /// Connects only to addresses for which this function returns `true`. Default: to all.
    ///
    /// A program that connects to URIs of its users keeps them away from its own network in this way, also after
    /// redirects. An IPv4 address in the form of IPv6 is passed as IPv4. `0.0.0.0` and `::` lead to this host as well.
    ///
    /// The function sees the addresses to which this host connects. If a proxy connects to the server, that is the
    /// address of the proxy. With a `socks5` proxy it sees the addresses of the server as well.
    ///
    /// ```
    /// let is_here = |addr: std::net::SocketAddr| addr.ip().is_loopback() || addr.ip().is_unspecified();
    /// let builder = wsimd::ClientBuilder::new().allow_addresses(move |addr| !is_here(addr));
    /// ```
    #[must_use]
    pub fn allow_addresses(
        mut self,
        allow: impl Fn(SocketAddr) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.opener.dialer.set_allow(allow);
        self
    }

    /// Opens the stream to an address with this function, for example to set options of the socket, or in a simulated
    /// network. Default: TCP.
    ///
    /// The client calls the function for each address in turn, and may call it again before an earlier call has ended.
    /// [`local_addr`](Self::local_addr) only chooses the family then.
    #[must_use]
    pub fn connect_with<F, A>(mut self, connect: F) -> Self
    where
        F: Fn(SocketAddr) -> A + Send + Sync + 'static,
        A: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        self.opener.dialer.set_connect(connect);
        self
    }

    /// Connects to these addresses in place of those of the host of the URI, and without a proxy. The host of the URI is
    /// still that of `Host` and of the certificate.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        let addresses = addresses.into_iter().collect();
        self.opener.dialer.set_addresses(addresses);
        self
    }

    /// Connects to a Unix socket in place of the host of the URI, and without a proxy.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), wsimd::Error> {
    /// let builder = wsimd::ClientBuilder::new().unix_socket("/run/app.sock");
    /// let ws = builder.connect("ws://localhost/events").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(unix)]
    #[must_use]
    pub fn unix_socket(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        self.opener.dialer.set_unix_socket(path.into());
        self
    }

    /// Connects to a `ws://` or `wss://` URI within [`Config::open_timeout`], which includes the resolution of the name,
    /// proxy, TLS and redirects.
    ///
    /// If the host has several addresses, the next attempt starts when the one before has failed, and after 250 ms. The
    /// families of IP alternate (Happy Eyeballs, RFC 8305). User info of the URI is sent as Basic credentials.
    ///
    /// # Errors
    ///
    /// - [`Error::Handshake`] if the URI or an option is invalid, or if the server answers with anything but a
    ///   correct 101. [`Error::response`] returns the status and headers of another status, and the part of its
    ///   body that arrives within a second, up to 64 KiB.
    /// - [`Error::Unsupported`] for `wss://` if this build lacks a feature.
    /// - [`Error::Resolve`], [`Error::Connect`], [`Error::Proxy`], [`Error::Tls`], [`Error::ClosedInHandshake`],
    ///   [`Error::Timeout`] and [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn connect(&self, target: impl IntoTarget) -> Result<WebSocket<Stream>, Error> {
        let (ws, _) = self.connect_with_response(target).await?;
        Ok(ws)
    }

    /// Connects as [`connect`](Self::connect) does. Returns the connection and the 101 response of the server, with its
    /// headers.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn connect_with_response(
        &self,
        target: impl IntoTarget,
    ) -> Result<(WebSocket<Stream>, Response<()>), Error> {
        let (target, offer) = target.into_target()?;
        let offer = self.offer.clone().with(offer);
        // Boxed, so that the task of a connection does not keep the memory of the handshakes.
        Box::pin(self.opener.open(target, offer)).await
    }

    /// Returns the connections to a server: the first one, and another after each end and each failure.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the target is invalid.
    #[cfg(feature = "reconnect")]
    pub fn reconnect(&self, target: impl IntoTarget) -> Result<super::Reconnect, Error> {
        let (opener, offer) = (self.opener.clone(), self.offer.clone());
        Ok(super::Reconnect::new(opener, offer, target.into_target()?))
    }

    /// Connects over an opened stream, such as a `TcpStream`. For `wss://` it runs the TLS handshake first. Redirects are
    /// not followed.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn connect_over(
        &self,
        target: impl IntoTarget,
        stream: impl Into<Stream>,
    ) -> Result<(WebSocket<Stream>, Response<()>), Error> {
        let (target, offer) = target.into_target()?;
        let offer = self.offer.clone().with(offer);
        Box::pin(self.opener.open_over(&target, &offer, stream.into())).await
    }

    /// Runs the opening handshake over a stream of any type, within [`Config::open_timeout`]. Returns the
    /// connection and the response of the server.
    ///
    /// `wss://` is accepted, and the scheme only sets the default port in `Host`: the stream already has TLS of its own.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn handshake<S>(
        &self,
        target: impl IntoTarget,
        io: S,
    ) -> Result<(WebSocket<S>, Response<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (target, offer) = target.into_target()?;
        let offer = self.offer.clone().with(offer);
        Box::pin(self.opener.handshake(&target, &offer, io)).await
    }
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self::new()
    }
}
