//! [`accept`], [`serve`] and [`ServerBuilder`]: opening connections as a server.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use bytes::BytesMut;
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, ToSocketAddrs},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout_at},
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
    net::{
        Stream,
        cork::HandlerTask,
        opening::{deadline, into_websocket, read_head, read_some, with_deadline},
    },
};

/// The first pause after `accept(2)` failed, for example because no descriptors are left.
const MIN_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause after `accept(2)` failed.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// Accepts a client on the stream `io` with the default options.
///
/// # Errors
///
/// As [`ServerBuilder::accept`].
///
/// # Cancel safety
///
/// Dropping the future aborts the handshake and drops the stream.
pub async fn accept<S>(io: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    ServerBuilder::new().accept(io).await
}

/// Listens on `addr` and runs `handler` for each client, with the default options. Returns only on error.
///
/// ```no_run
/// use wsimd::{Error, WebSocket, net::Stream};
///
/// async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
///     while let Some(message) = ws.recv().await? {
///         ws.send(message).await?;
///     }
///     Ok(())
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), Error> {
///     wsimd::serve("localhost:8765", echo).await
/// }
/// ```
///
/// # Errors
///
/// [`Error::Io`] if listening on `addr` fails.
///
/// # Cancel safety
///
/// Dropping the future stops listening. The handlers continue.
pub async fn serve<H, F>(addr: impl ToSocketAddrs, handler: H) -> Result<(), Error>
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output: Send> + Send + 'static,
{
    let server = ServerBuilder::new().bind(addr).await?;
    server.serve(handler).await;
    Ok(())
}

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
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    config: Config,
    policy: Policy,
    max_connections: usize,
}

impl ServerBuilder {
    /// Creates a builder with the default options.
    pub fn new() -> Self {
        Self {
            config: Config::new().with_keepalive(),
            policy: Policy::default(),
            max_connections: 65_536,
        }
    }

    /// Sets the limits and timeouts of each connection, and the extensions that are accepted.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config.with_keepalive();
        self
    }

    /// Sets the origins and hosts that are accepted, the subprotocols, and the headers of the response. Default:
    /// pages of the same host, any host, and no subprotocol.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Limits the connections that [`Server::serve`] has at a time, those in the opening handshake
    /// included; further clients wait to be accepted. Default: 65,536. Zero counts as one.
    #[must_use]
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.max_connections = limit.clamp(1, Semaphore::MAX_PERMITS);
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
        let (ws, _) = self.accept_with_request(io).await?;
        Ok(ws)
    }

    /// Accepts a client as [`accept`](Self::accept) does, and also returns the request with its path and
    /// headers. The 101 response has been sent by then. To answer 401 or 404, use
    /// [`handshake::server`](crate::handshake::server) and [`Parts`](crate::Parts) instead.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future aborts the handshake and drops the stream.
    pub async fn accept_with_request<S>(
        &self,
        mut io: S,
    ) -> Result<(WebSocket<S>, Request<()>), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = deadline(&self.config);
        match with_deadline(deadline, self.answer(&mut io)).await {
            Ok((request, negotiated, input)) => {
                let ws = into_websocket(io, Role::Server, &self.config, negotiated, &input);
                Ok((ws, request))
            }
            Err(Error::Handshake(error)) => {
                // Report the reason of the refusal even if the client does not read the response.
                let _ = timeout_at(deadline, refuse(&mut io, &error)).await;
                Err(Error::Handshake(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Listens on a TCP address.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if listening on the address fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops listening.
    pub async fn bind(self, addr: impl ToSocketAddrs) -> Result<Server, Error> {
        Ok(Server {
            listener: TcpListener::bind(addr).await?,
            builder: self,
        })
    }

    /// Reads a request and answers it with 101. Returns the request and the bytes that follow it.
    async fn answer<S>(&self, io: &mut S) -> Result<(Request<()>, Negotiated, BytesMut), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut input = BytesMut::new();
        let parse = |bytes: &[u8]| head::parse_request(bytes, &self.config);
        let request = read_head(io, &mut input, parse).await?;
        let (response, negotiated) = server::accept(&request, &self.policy, &self.config)?;
        let mut output = BytesMut::new();
        head::write_response(&response, &mut output);
        io.write_all(&output).await?;
        io.flush().await?;
        Ok((request, negotiated, input))
    }
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// Answers a refused request, half-closes the stream, and reads until the peer closes it. Without the
/// reads, unread bytes could cause a reset, which could overtake the response.
async fn refuse<S>(io: &mut S, error: &HandshakeError) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (head, body) = server::refuse(error).into_parts();
    let mut output = BytesMut::new();
    head::write_response(&Response::from_parts(head, ()), &mut output);
    output.extend_from_slice(body.as_bytes());
    io.write_all(&output).await?;
    io.shutdown().await?;
    let mut rest = BytesMut::new();
    while read_some(io, &mut rest).await? > 0 {
        rest.clear();
    }
    Ok(())
}

/// A listening server. [`ServerBuilder::bind`] creates it.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    builder: ServerBuilder,
}

impl Server {
    /// Returns the address on which the server listens.
    ///
    /// # Errors
    ///
    /// As [`TcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs `handler` for each client, in a task of its own. Never returns.
    ///
    /// The result of a handler is dropped, and so is its connection. Without a [`close`](WebSocket::close),
    /// the peer sees 1006.
    ///
    /// The stream collects the bytes that a handler sends, so that a loop of `recv` and `send` answers a
    /// burst with one system call. The stream writes them to the socket when the handler next waits for
    /// anything, when more than 64 KiB are collected, and on [`flush`](WebSocket::flush). A handler that
    /// blocks its thread delays the bytes that it sent before, unless it calls `flush`. If the handler
    /// passes its connection to another task, that task writes at once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops listening. The handlers continue.
    pub async fn serve<H, F>(self, handler: H)
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        self.serve_with_request(move |ws, _| handler(ws)).await;
    }

    /// Serves clients as [`serve`](Self::serve) does, and also passes the request to the handler. A closure gives each
    /// handler its state:
    ///
    /// ```no_run
    /// use std::sync::Arc;
    /// use wsimd::{CloseCode, Error, ServerBuilder, WebSocket, http::Request, net::Stream};
    ///
    /// # struct Rooms;
    /// # async fn chat(_: WebSocket<Stream>, _: Arc<Rooms>) -> Result<(), Error> { Ok(()) }
    /// async fn route(mut ws: WebSocket<Stream>, request: Request<()>, rooms: Arc<Rooms>) -> Result<(), Error> {
    ///     match request.uri().path() {
    ///         "/chat" => chat(ws, rooms).await,
    ///         // The 101 response has been sent: refuse with a close code.
    ///         _ => ws.close(CloseCode::POLICY_VIOLATION, "no such path").await,
    ///     }
    /// }
    ///
    /// # async fn example() -> Result<(), Error> {
    /// let rooms = Arc::new(Rooms);
    /// let server = ServerBuilder::new().bind("localhost:8765").await?;
    /// server.serve_with_request(move |ws, request| route(ws, request, rooms.clone())).await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops listening. The handlers continue.
    pub async fn serve_with_request<H, F>(self, handler: H)
    where
        H: Fn(WebSocket<Stream>, Request<()>) -> F + Send + Sync + 'static,
        F: Future<Output: Send> + Send + 'static,
    {
        let shared = Arc::new((self.builder, handler));
        let permits = Arc::new(Semaphore::new(shared.0.max_connections));
        loop {
            let (stream, permit) = next_client(&self.listener, &permits).await;
            // Boxed, so that a connection does not keep the memory of its handshake.
            let opening = Box::pin(open_client(Arc::clone(&shared), stream));
            let close_timeout = shared.0.config.settings.close_timeout;
            tokio::spawn(async move {
                let Some((task, handler)) = opening.await else {
                    return;
                };
                {
                    let mut handler = pin!(handler);
                    task.run(handler.as_mut()).await;
                }
                Box::pin(task.finish(close_timeout)).await;
                drop(permit);
            });
        }
    }
}

/// Runs the opening handshake and calls the handler. Returns `None` if the handshake failed.
async fn open_client<H, F>(
    shared: Arc<(ServerBuilder, H)>,
    stream: TcpStream,
) -> Option<(HandlerTask, F)>
where
    H: Fn(WebSocket<Stream>, Request<()>) -> F,
{
    let (builder, handler) = &*shared;
    let stream = Stream::tcp(stream).ok()?;
    let task = stream.handler_task();
    let (mut ws, request) = builder.accept_with_request(stream).await.ok()?;
    ws.cork(Stream::take_progress);
    Some((task, handler(ws, request)))
}

/// Waits for a free connection slot and then for a client. Pauses while `accept(2)` fails.
async fn next_client(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // The semaphore is never closed.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    let mut pause = MIN_PAUSE;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => {
                sleep(pause).await;
                pause = (2 * pause).min(MAX_PAUSE);
            }
        }
    }
}
