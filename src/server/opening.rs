//! [`Opening`]: a request that has no answer yet.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header::CONNECTION};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, timeout},
};

use super::{
    builder::Options,
    guests::Key,
    response::{add_date, drain, frame_body, text_response},
    trace,
};
use crate::{
    config::Config,
    connection::WebSocket,
    error::Error,
    frame::Role,
    handshake::{
        HandshakeError, Negotiated, head,
        server::{self, Policy},
    },
    net::opening::{Deadline, deadline, into_websocket, read_head, with_deadline},
};

/// The time in which a client that was not upgraded closes its stream after the response.
const LINGER: Duration = Duration::from_secs(1);

/// A request that has no answer yet. The server decides whether to upgrade the connection.
///
/// [`Server::serve_openings`](crate::Server::serve_openings) passes openings to its handler, and
/// [`ServerBuilder::begin`](crate::ServerBuilder::begin) reads one from a stream. The request is any HTTP/1.1
/// request: [`upgrade`](Self::upgrade) checks whether it opens a WebSocket.
///
/// ```no_run
/// use wsimd::{Error, Opening, WebSocket, http::{Response, StatusCode}, net::Stream};
///
/// # async fn chat(_: WebSocket<Stream>, _: String) -> Result<(), Error> { Ok(()) }
/// # fn user_of(_: &http::HeaderMap) -> Option<String> { None }
/// async fn route(opening: Opening<Stream>) -> Result<(), Error> {
///     match opening.path() {
///         "/health" => opening.respond(Response::new("ok\n")).await,
///         "/chat" => match user_of(opening.headers()) {
///             Some(user) => chat(opening.upgrade().await?, user).await,
///             None => opening.respond_with(StatusCode::UNAUTHORIZED, "log in first\n").await,
///         },
///         _ => opening.respond_with(StatusCode::NOT_FOUND, "no such path\n").await,
///     }
/// }
///
/// # async fn example() -> Result<(), Error> {
/// let server = wsimd::ServerBuilder::new().bind("localhost:8765").await?;
/// server.serve_openings(route).await;
/// # Ok(())
/// # }
/// ```
///
/// [`Config::open_timeout`] bounds the time from the first byte to the answer, the time of the handler included.
/// After that time, an opening answers 408. An opening that is dropped before answers 500.
pub struct Opening<S: AsyncRead + AsyncWrite + Unpin>(Box<Inner<S>>);

struct Inner<S> {
    /// `None` once the request is answered.
    io: Option<S>,
    request: Request<()>,
    /// The bytes after the request.
    input: BytesMut,
    config: Config,
    /// Whether the configuration is not that of the server.
    has_own_config: bool,
    policy: Arc<Policy>,
    deadline: Deadline,
    /// The status of the answer if the opening is dropped.
    fallback: StatusCode,
    /// Set under `serve`.
    admission: Option<Admission<S>>,
}

/// The connection of an opening to the server.
pub(super) struct Admission<S> {
    pub(super) key: Key,
    /// Puts the connection under the control of the server.
    pub(super) on_open: fn(&Key, &mut WebSocket<S>),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Opening<S> {
    /// Reads the request.
    pub(super) async fn begin(
        io: S,
        options: Arc<Options>,
        admission: Option<Admission<S>>,
    ) -> Result<Self, Error> {
        let deadline = deadline(Role::Server, &options.config);
        let mut opening = Self(Box::new(Inner {
            io: Some(io),
            request: Request::new(()),
            input: BytesMut::new(),
            config: options.config.clone(),
            has_own_config: false,
            policy: Arc::clone(&options.policy),
            deadline,
            fallback: StatusCode::REQUEST_TIMEOUT,
            admission,
        }));
        let Inner {
            io: Some(io),
            input,
            config,
            ..
        } = &mut *opening.0
        else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        let parse = |bytes: &[u8]| head::parse_request(bytes, config);
        match with_deadline(deadline, read_head(io, Role::Client, input, parse)).await {
            Ok(request) => {
                opening.0.request = request;
                opening.0.fallback = StatusCode::INTERNAL_SERVER_ERROR;
                Ok(opening)
            }
            Err(Error::Handshake(error)) => {
                opening.refuse(&error).await;
                Err(Error::Handshake(error))
            }
            Err(error) => {
                if !error.is_timeout() {
                    opening.0.io = None;
                }
                Err(error)
            }
        }
    }

    /// Returns the request.
    pub fn request(&self) -> &Request<()> {
        &self.0.request
    }

    /// Returns the path of the request, not decoded.
    pub fn path(&self) -> &str {
        self.request().uri().path()
    }

    /// Returns the headers of the request.
    pub fn headers(&self) -> &HeaderMap {
        self.request().headers()
    }

    /// Returns the stream, for example to ask for the address of the client.
    pub fn get_ref(&self) -> &S {
        match &self.0.io {
            Some(io) => io,
            None => unreachable!("an opening has its stream until it is answered"),
        }
    }

    /// Replaces the policy of the server for this client.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.0.policy = Arc::new(policy);
        self
    }

    /// Replaces the configuration of the server for this connection. [`Config::open_timeout`] has no effect any more.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        let budget = self.0.config.settings.budget.clone();
        self.0.config = config.with_keepalive().with_budget(budget);
        self.0.has_own_config = true;
        self
    }

    /// Adds a header to the 101 response, as [`Policy::header`].
    ///
    /// # Errors
    ///
    /// As [`Policy::header`].
    pub fn header<N, V>(self, name: N, value: V) -> Result<Self, Error>
    where
        N: AsRef<str>,
        V: TryInto<HeaderValue>,
    {
        let policy = Policy::clone(&self.0.policy).header(name, value)?;
        Ok(self.policy(policy))
    }

    /// Selects the subprotocol, if the client offers it.
    ///
    /// # Errors
    ///
    /// As [`Policy::subprotocols`].
    pub fn subprotocol(self, name: impl Into<String>) -> Result<Self, Error> {
        let policy = Policy::clone(&self.0.policy).subprotocols([name.into()])?;
        Ok(self.policy(policy))
    }

    /// Checks that the request opens a WebSocket ([`handshake::server::accept`](server::accept)), answers 101, and
    /// returns the connection. Another request gets the response that explains the refusal.
    ///
    /// # Errors
    ///
    /// [`Error::Handshake`] for a refused request, also if the server has no room for another connection.
    /// [`Error::Timeout`], [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn upgrade(self) -> Result<WebSocket<S>, Error> {
        // Boxed, so that the task of a connection does not keep the memory of the handshake.
        Box::pin(self.answer()).await
    }

    /// Answers with another response than 101, and closes the stream. A request with the method `HEAD` gets no body.
    ///
    /// `Content-Length`, `Connection: close`, `Date` and `Server` are added.
    ///
    /// # Errors
    ///
    /// [`Error::Other`] for an informational status. [`Error::Timeout`], [`Error::Io`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream.
    pub async fn respond(mut self, response: Response<impl Into<Bytes>>) -> Result<(), Error> {
        let response = response.map(Into::into);
        if response.status().is_informational() {
            return Err(Error::other("an informational status is no answer"));
        }
        Box::pin(self.finish(response)).await
    }

    /// Answers with a status and a text, as [`respond`](Self::respond).
    ///
    /// # Errors
    ///
    /// As [`respond`](Self::respond).
    ///
    /// # Cancel safety
    ///
    /// As [`respond`](Self::respond).
    pub async fn respond_with(
        self,
        status: StatusCode,
        text: impl Into<Bytes>,
    ) -> Result<(), Error> {
        self.respond(text_response(status, text)).await
    }

    async fn answer(mut self) -> Result<WebSocket<S>, Error> {
        if Instant::now() >= self.0.deadline.at {
            return Err(self.0.deadline.error());
        }
        let (response, negotiated) = match self.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                self.refuse(&error).await;
                return Err(error.into());
            }
        };
        let mut output = BytesMut::new();
        head::write_response(&response, &mut output);
        let Some(mut io) = self.0.io.take() else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        with_deadline(self.0.deadline, async {
            io.write_all(&output).await?;
            Ok(io.flush().await?)
        })
        .await?;
        let Inner { config, input, .. } = &*self.0;
        let mut ws = into_websocket(io, Role::Server, config, negotiated, input);
        if let Some(admission) = &self.0.admission {
            (admission.on_open)(&admission.key, &mut ws);
            if self.0.has_own_config {
                // The server would create the inbox with its own configuration.
                drop(ws.handle());
            }
        }
        trace::open(self.path());
        Ok(ws)
    }

    /// Checks the request, and admits the client.
    async fn accept(&self) -> Result<(Response<()>, Negotiated), HandshakeError> {
        let Inner {
            request,
            config,
            policy,
            admission,
            ..
        } = &*self.0;
        let (mut response, negotiated) = server::accept(request, policy, config)?;
        if let Some(admission) = admission {
            admission.key.admit().await?;
        }
        add_date(response.headers_mut());
        Ok((response, negotiated))
    }

    /// Answers a refused request. Errors mean nothing: the client may not read the response.
    async fn refuse(&mut self, error: &HandshakeError) {
        let refusal = self.0.policy.refuse(error).map(Bytes::from);
        let _ = self.finish(refusal).await;
    }

    /// Writes a response within the deadline, half-closes the stream, and reads until the peer closes it. Without the
    /// reads, unread bytes could cause a reset, which could overtake the response.
    async fn finish(&mut self, response: Response<Bytes>) -> Result<(), Error> {
        let Some(mut io) = self.0.io.take() else {
            return Ok(());
        };
        let output = self.serialize(response);
        with_deadline(self.0.deadline, async {
            io.write_all(&output).await?;
            Ok(io.shutdown().await?)
        })
        .await?;
        if let Some(admission) = &self.0.admission {
            admission.key.on_answer();
        }
        let _ = timeout(LINGER, drain(&mut io)).await;
        Ok(())
    }

    fn serialize(&self, response: Response<Bytes>) -> BytesMut {
        let (mut head, body) = response.into_parts();
        let body = frame_body(&mut head, body);
        let close = HeaderValue::from_static("close");
        head.headers.entry(CONNECTION).or_insert(close);
        self.0.policy.add_server(&mut head.headers);
        add_date(&mut head.headers);
        let mut output = BytesMut::new();
        head::write_response(&Response::from_parts(head, ()), &mut output);
        if self.request().method() != Method::HEAD {
            output.extend_from_slice(&body);
        }
        output
    }
}

/// Answers a request that the program has dropped, if the stream takes the answer at once.
impl<S: AsyncRead + AsyncWrite + Unpin> Drop for Opening<S> {
    fn drop(&mut self) {
        let Some(mut io) = self.0.io.take() else {
            return;
        };
        let is_cut = self.0.admission.as_ref().is_some_and(|it| it.key.is_cut());
        let status = match is_cut {
            true => StatusCode::SERVICE_UNAVAILABLE,
            false if Instant::now() >= self.0.deadline.at => StatusCode::REQUEST_TIMEOUT,
            false => self.0.fallback,
        };
        if !is_cut && self.0.fallback == StatusCode::REQUEST_TIMEOUT && self.0.input.is_empty() {
            return;
        }
        let reason = status.canonical_reason().unwrap_or_default();
        let output = self.serialize(text_response(status, format!("{reason}\n")));
        let mut cx = Context::from_waker(Waker::noop());
        let _ = Pin::new(&mut io).poll_write(&mut cx, &output);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> fmt::Debug for Opening<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening")
            .field("request", self.request())
            .finish_non_exhaustive()
    }
}
