//! [`accept`], [`serve`] and [`ServerBuilder`]: opening connections as a server.

mod accepted;
mod builder;
mod guests;
mod handle;
mod limits;
mod opening;
mod report;
mod response;
mod serving;
#[cfg(feature = "tracing")]
mod trace;
#[cfg(not(feature = "tracing"))]
#[path = "no_trace.rs"]
mod trace;

use std::{
    fmt,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::ToSocketAddrs,
};

pub use self::{
    accepted::Accepted, builder::ServerBuilder, handle::ServerHandle, opening::Opening,
};
use self::{guests::Guests, serving::Serving};
use crate::{
    connection::WebSocket,
    error::Error,
    net::{Listener, Stream, listener::Listeners},
};

/// Accepts a client on the stream `io` with the default options.
///
/// ```no_run
/// use tokio::net::TcpListener;
/// use wsimd::net::Stream;
///
/// # async fn example() -> Result<(), wsimd::Error> {
/// let listener = TcpListener::bind("localhost:8765").await?;
/// let (tcp, _) = listener.accept().await?;
/// let mut ws = wsimd::accept(Stream::from(tcp)).await?;
/// # Ok(())
/// # }
/// ```
///
/// [`Stream::from`] disables Nagle's algorithm, which delays small messages by up to 40 ms. A stream of your own
/// has to do the same (`TcpStream::set_nodelay`).
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

/// Listens on each address of `addr` and runs `handler` for each client, with the default options. Returns only on
/// error.
///
/// ```no_run
/// use wsimd::Error;
///
/// #[tokio::main]
/// async fn main() -> Result<(), Error> {
///     wsimd::serve("localhost:8765", async |mut ws| {
///         while let Some(message) = ws.recv().await? {
///             ws.send(message).await?;
///         }
///         Ok(())
///     })
///     .await
/// }
/// ```
///
/// [`Server::serve`] describes handlers.
///
/// # Errors
///
/// [`Error::Listen`] if listening on `addr` fails.
///
/// # Cancel safety
///
/// Dropping the future stops listening. The handlers continue.
pub async fn serve<H, F>(addr: impl ToSocketAddrs + fmt::Debug, handler: H) -> Result<(), Error>
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let server = ServerBuilder::new().bind(addr).await?;
    server.serve(handler).await;
    Ok(())
}

/// A listening server. [`ServerBuilder::bind`] and [`ServerBuilder::listen`] create it.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    listeners: Listeners,
    guests: Arc<Guests>,
}

impl Server {
    fn new(builder: ServerBuilder, listeners: Listeners) -> Self {
        let builder = builder.with_budget();
        let guests = Arc::new(Guests::new(builder.options()));
        Self {
            builder,
            listeners,
            guests,
        }
    }

    /// Adds a listener. The server takes turns between its listeners.
    #[must_use]
    pub fn and_listen(mut self, listener: impl Listener) -> Self {
        self.listeners.add(listener);
        self
    }

    /// Returns the first address on which the server listens.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) if no listener has a TCP address.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        let first = self.local_addrs().into_iter().next();
        first.ok_or_else(|| std::io::ErrorKind::Unsupported.into())
    }

    /// Returns all TCP addresses on which the server listens.
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.local_addrs()
    }

    /// Returns a handle, which knows the open connections and shuts the server down.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle::new(Arc::clone(&self.guests))
    }

    /// Runs `handler` for each client, in a task of its own. Completes after a shutdown.
    ///
    /// The server closes the connection that a handler leaves open: with 1000 after `Ok`, and with 1011 after `Err` or
    /// a panic. After [`Error::Json`] it closes with [`Error::close_frame`]. All messages that were sent before are
    /// delivered first. A handler may pass its connection to other tasks: the server closes the connection once all of
    /// them have dropped it, with the code of the handler's end.
    ///
    /// The stream collects the bytes that a handler sends, so that a loop of `recv` and `send` answers a
    /// burst with one system call. The stream writes them to the socket when the handler next waits for
    /// anything, when more than 64 KiB are collected, and on [`flush`](WebSocket::flush). A handler that
    /// blocks its thread delays the bytes that it sent before, unless it calls `flush`. If the handler
    /// passes its connection to another task, that task writes at once.
    ///
    /// # State
    ///
    /// [`serve_with`](Self::serve_with) passes a clone of a state to each handler. A closure can do the same:
    ///
    /// ```no_run
    /// # use std::sync::Arc;
    /// # use wsimd::{Error, ServerBuilder, WebSocket, net::Stream};
    /// # struct Room;
    /// # async fn member(_: WebSocket<Stream>, _: Arc<Room>) -> Result<(), Error> { Ok(()) }
    /// # async fn example() -> Result<(), Error> {
    /// let room = Arc::new(Room);
    /// let server = ServerBuilder::new().bind("localhost:8765").await?;
    /// server.serve(move |ws| member(ws, room.clone())).await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops listening. The handlers continue.
    pub fn serve<H, F>(self, handler: H) -> Serve
    where
        H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.serve_openings(move |opening| {
            let handler = Arc::clone(&handler);
            async move {
                let ws = opening.upgrade().await?;
                handler(ws).await
            }
        })
    }

    /// Runs `handler` for each client as [`serve`](Self::serve) does, with a clone of `state`:
    ///
    /// ```no_run
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    /// use wsimd::{Error, ServerBuilder, WebSocket, net::Stream};
    ///
    /// async fn count(mut ws: WebSocket<Stream>, received: Arc<AtomicU64>) -> Result<(), Error> {
    ///     while let Some(_) = ws.recv().await? {
    ///         let number = received.fetch_add(1, Ordering::Relaxed);
    ///         ws.send(format!("message {number}")).await?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// # async fn example() -> Result<(), Error> {
    /// let server = ServerBuilder::new().bind("localhost:8765").await?;
    /// server.serve_with(Arc::default(), count).await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    pub fn serve_with<T, H, F>(self, state: T, handler: H) -> Serve
    where
        T: Clone + Send + Sync + 'static,
        H: Fn(WebSocket<Stream>, T) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.serve(move |ws| handler(ws, state.clone()))
    }

    /// Runs `handler` for each request, before the request has an answer. [`Opening`] has an example.
    ///
    /// Otherwise as [`serve`](Self::serve).
    ///
    /// # Cancel safety
    ///
    /// As [`serve`](Self::serve).
    pub fn serve_openings<H, F>(self, handler: H) -> Serve
    where
        H: Fn(Opening<Stream>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let handle = self.handle();
        let close_timeout = self.builder.options().config.settings.close_timeout;
        let serving = Serving::new(self.builder.options(), self.guests, handler);
        Serve {
            handle,
            close_timeout,
            future: Box::pin(serving.run(self.listeners)),
        }
    }
}

/// The future of a server that serves. [`Server::serve`] creates it.
#[must_use = "a server serves while this future is polled"]
pub struct Serve {
    handle: ServerHandle,
    close_timeout: std::time::Duration,
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Serve {
    /// Shuts the server down once `signal` completes, with 1001 and a deadline of
    /// [`Config::close_timeout`](crate::Config::close_timeout), as [`ServerHandle::shutdown`] does.
    ///
    /// ```no_run
    /// # async fn example(server: wsimd::Server) {
    /// server
    ///     .serve(async |mut ws| ws.send("Hello").await)
    ///     .with_graceful_shutdown(tokio::signal::ctrl_c())
    ///     .await;
    /// # }
    /// ```
    pub fn with_graceful_shutdown<S>(self, signal: S) -> Self
    where
        S: Future<Output: Send> + Send + 'static,
    {
        let Self {
            handle,
            close_timeout,
            future,
        } = self;
        let shutdown = handle.clone().shutdown_after(signal, close_timeout);
        Self {
            handle,
            close_timeout,
            future: Box::pin(serving::race(future, shutdown)),
        }
    }
}

impl Future for Serve {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
