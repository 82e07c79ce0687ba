//! [`ServerBuilder`]: the options of a server.

use std::{fmt, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use http::Response;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::ToSocketAddrs,
};

use super::{
    Accepted, Opening, Server,
    limits::Limits,
    report::{OnError, Report},
};
use crate::{
    budget::Budget,
    config::Config,
    connection::WebSocket,
    error::Error,
    handshake::{
        HandshakeError,
        server::{self, Policy, RequestHead},
    },
    net::{Listener, Stream, listener::Listeners},
    tls::ServerTls,
};

/// The options of a server.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// use wsimd::{CloseCode, Config, Origins, Policy, ServerBuilder};
///
/// let policy = Policy::new()
///     .origins(Origins::list(["https://example.com"])?)
///     .subprotocols(["chat.v2", "chat.v1"])?;
/// let server = ServerBuilder::new()
///     .config(Config::new().max_message_size(16 << 20))
///     .policy(policy)
///     .bind("0.0.0.0:8765")
///     .await?;
/// server
///     .serve(async |mut ws| {
///         ws.send("Hello").await?;
///         ws.close(CloseCode::NORMAL, "that was all").await
///     })
///     .await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ServerBuilder {
    /// Shared by all connections of a server.
    options: Arc<Options>,
}

/// The future of a function that wraps a stream.
type Wrapping = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

#[derive(Clone)]
pub(super) struct Options {
    pub(super) config: Config,
    pub(super) policy: Arc<Policy>,
    pub(super) limits: Limits,
    pub(super) report: Report,
    wrap: Option<Arc<dyn Fn(Stream) -> Wrapping + Send + Sync>>,
    tls: ServerTls,
}

impl ServerBuilder {
    /// Creates a builder with the default options.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the limits and timeouts of each connection, and the extensions that are accepted.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.options_mut().config = config.with_keepalive();
        self
    }

    /// Sets the origins and hosts that are accepted, the subprotocols, and the headers of the response. Default:
    /// pages of the same host, any host, and no subprotocol.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.options_mut().policy = Arc::new(policy);
        self
    }

    /// Limits the open connections of a server. Default: 65,536. Zero counts as one.
    ///
    /// A connection counts from its 101 response until its stream is closed, also if the handler has passed the
    /// connection to another task. A client beyond the limit waits for 100 ms, and then gets 503.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.options_mut().limits.connections = limit.max(1);
        self
    }

    /// Limits the open connections and opening handshakes of one IP address. Default: no limit. Zero counts as one.
    ///
    /// A client beyond the limit waits for 100 ms, and then gets 503. Set no limit behind a proxy, because all clients
    /// have its address.
    #[must_use]
    pub fn max_connections_per_address(mut self, limit: impl Into<Option<usize>>) -> Self {
        let limit = limit.into().map_or(usize::MAX, |limit| limit.max(1));
        self.options_mut().limits.per_address = limit;
        self
    }

    /// Limits the opening handshakes in progress. Default: 1,024. Zero counts as one.
    ///
    /// One handshake more ends the oldest one, so that silent clients do not keep others out. A handshake is also
    /// limited by [`Config::open_timeout`] and [`Config::max_head_size`].
    #[must_use]
    pub fn max_handshakes(mut self, limit: usize) -> Self {
        self.options_mut().limits.handshakes = limit.max(1);
        self
    }

    /// Limits the age of a connection. Default: no limit.
    ///
    /// The server then closes the connection with 1001, while the future of `serve` is polled. A client that connects
    /// again may reach another server.
    #[must_use]
    pub fn max_lifetime(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.options_mut().limits.lifetime = limit.into();
        self
    }

    /// Limits the memory of unfinished received messages, over all connections of a server, in bytes. Default:
    /// 1 GiB. `None` removes the limit.
    ///
    /// A message is unfinished from its first bytes until its last byte has arrived. Compressed messages count
    /// with their decompressed bytes. The memory may be larger than the bytes that have arrived, as the guide on
    /// [`limits_and_memory`](crate::guides::limits_and_memory) says. A message in one frame without compression
    /// that arrives in one read does not count.
    ///
    /// A connection that needs more than is left fails with [`ProtocolError::TooManyUnfinishedBytes`], and the client
    /// gets 1013. The limit applies to connections of a [`Server`], not to those of [`accept`](Self::accept),
    /// [`begin`](Self::begin) or [`negotiate`](Self::negotiate).
    ///
    /// [`ProtocolError::TooManyUnfinishedBytes`]: crate::ProtocolError::TooManyUnfinishedBytes
    #[must_use]
    pub fn max_unfinished_bytes(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.options_mut().limits.unfinished_bytes = limit.into();
        self
    }

    /// Calls `report` for each error that a server meets: a failed `accept(2)`, a failed opening handshake, the error
    /// of a handler, and a handler that panicked ([`Error::Other`]). The address is that of the client, if the
    /// stream has one. Default: errors are dropped.
    ///
    /// ```
    /// let builder = wsimd::ServerBuilder::new().on_error(|error, peer| eprintln!("{peer:?}: {error}"));
    /// ```
    #[must_use]
    pub fn on_error<F>(mut self, report: F) -> Self
    where
        F: Fn(&Error, Option<SocketAddr>) + Send + Sync + 'static,
    {
        let report: OnError = Arc::new(report);
        self.options_mut().report = Report::new(report);
        self
    }

    /// Accepts TLS on each accepted stream, for `wss://`. Default: `ws://`.
    ///
    /// [`Config::open_timeout`] includes the TLS handshake. ALPN accepts `http/1.1` in place of the protocols of `config`.
    /// The streams of [`accept`](Self::accept) and [`begin`](Self::begin) are not changed: call
    /// [`tls::accept`](crate::tls::accept) before.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.options_mut().tls = ServerTls::new(&config.into());
        self
    }

    /// Passes each accepted stream through `wrap` before TLS and the opening handshake, for example to read the header of
    /// a proxy. Default: no function.
    ///
    /// [`Config::open_timeout`] includes the time of `wrap`.
    #[must_use]
    pub fn wrap_streams<W, F>(mut self, wrap: W) -> Self
    where
        W: Fn(Stream) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        self.options_mut().wrap = Some(Arc::new(move |stream| Box::pin(wrap(stream))));
        self
    }

    /// Accepts a client on the stream `io`, within [`Config::open_timeout`]: runs the opening handshake.
    ///
    /// A refused client receives a response with a status that explains the refusal, before this method
    /// returns. The stream may be of any kind, for example of TLS, or a pipe in memory:
    ///
    /// ```
    /// # async fn example() -> Result<(), wsimd::Error> {
    /// let (near, far) = tokio::io::duplex(4096);
    /// let client = tokio::spawn(async { wsimd::ClientBuilder::new().handshake("ws://test", far).await });
    /// let mut ws = wsimd::ServerBuilder::new().accept(near).await?;
    /// ws.send("Hello").await?;
    /// # drop(client);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a refused request, [`Error::Timeout`], [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn accept<S>(&self, io: S) -> Result<WebSocket<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Boxed, so that the task of a connection does not keep the memory of the handshake.
        Box::pin(async { self.begin(io).await?.upgrade().await }).await
    }

    /// Reads the request of a client on the stream `io`, within [`Config::open_timeout`]. The caller then looks at
    /// the request, and upgrades the connection or responds in another way.
    ///
    /// ```no_run
    /// # async fn example(tcp: tokio::net::TcpStream) -> Result<(), wsimd::Error> {
    /// use wsimd::{ServerBuilder, http::Response, net::Stream};
    ///
    /// let opening = ServerBuilder::new().begin(Stream::from(tcp)).await?;
    /// if opening.path() == "/health" {
    ///     return opening.respond(Response::new("ok\n")).await;
    /// }
    /// let mut ws = opening.upgrade().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] if the request is not HTTP/1.1, after a response that says so. [`Error::Timeout`],
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn begin<S>(&self, io: S) -> Result<Opening<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Boxed, as in `accept`.
        Box::pin(Opening::begin(io, Arc::clone(&self.options), None)).await
    }

    /// Checks a request that an HTTP server has read, and creates the 101 response. [`Accepted::open`] creates the
    /// connection over the stream of that server.
    ///
    /// Takes `&Request<B>` or `&http::request::Parts`. The guide on axum and hyper has programs.
    ///
    /// # Errors
    ///
    /// The first check that failed, as [`handshake::server::accept`](server::accept).
    /// [`handshake::server::refuse`](server::refuse) creates the response.
    pub fn negotiate<'a>(
        &self,
        request: impl Into<RequestHead<'a>>,
    ) -> Result<(Response<()>, Accepted), HandshakeError> {
        let Options { config, policy, .. } = &*self.options;
        let (response, negotiated) = server::accept(request, policy, config)?;
        Ok((response, Accepted::new(config.clone(), negotiated)))
    }

    /// Listens on each TCP address of `addr`, such as `localhost:8765` or `0.0.0.0:8765`.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`] if listening on one of the addresses fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops listening.
    pub async fn bind(self, addr: impl ToSocketAddrs + fmt::Debug) -> Result<Server, Error> {
        match Listeners::bind(&addr).await {
            Ok(listeners) => Ok(Server::new(self, listeners)),
            Err(error) => Err(Error::listen(&addr, error)),
        }
    }

    /// Serves the clients of a listener: a `TcpListener`, a `UnixListener`, or a [`Listener`] of your own.
    pub fn listen(self, listener: impl Listener) -> Server {
        Server::new(self, Listeners::new(listener))
    }

    pub(super) fn options(&self) -> Arc<Options> {
        Arc::clone(&self.options)
    }

    /// Creates the budget of a server, which its connections share.
    pub(super) fn with_budget(mut self) -> Self {
        let options = self.options_mut();
        let budget = options.limits.unfinished_bytes.map(Budget::new);
        options.config = options.config.clone().with_budget(budget.map(Arc::new));
        self
    }

    fn options_mut(&mut self) -> &mut Options {
        Arc::make_mut(&mut self.options)
    }
}

impl Options {
    /// Wraps an accepted stream, and accepts TLS on it.
    pub(super) async fn wrap(&self, stream: Stream) -> Result<Stream, Error> {
        let stream = match &self.wrap {
            Some(wrap) => wrap(stream).await?,
            None => stream,
        };
        self.tls.accept(stream).await
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: Config::new().with_keepalive(),
            policy: Arc::default(),
            limits: Limits::default(),
            report: Report::default(),
            wrap: None,
            tls: ServerTls::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("config", &self.config)
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
