//! [`Listener`]: a source of streams for [`ServerBuilder::listen`](crate::ServerBuilder::listen).

use std::{
    fmt, io,
    net::SocketAddr,
    task::{Context, Poll},
};

use tokio::net::{TcpListener, TcpSocket, ToSocketAddrs, lookup_host};

use super::Stream;

/// The number of clients that may wait to be accepted. The system may have a lower limit.
const BACKLOG: u32 = 1024;

/// A source of streams for a server: a `TcpListener`, a `UnixListener`, or a type of your own.
///
/// A listener that accepts TLS, or runs another handshake of its own, should return the raw stream. The function
/// of [`ServerBuilder::wrap_streams`](crate::ServerBuilder::wrap_streams) then runs that handshake, so that a slow
/// client delays no other client.
///
/// ```
/// use std::{io, task::{Context, Poll, ready}};
/// use tokio::{io::DuplexStream, sync::mpsc::UnboundedReceiver};
/// use wsimd::net::{Listener, Stream};
///
/// /// Serves pipes in memory, for tests.
/// struct Pipes(UnboundedReceiver<DuplexStream>);
///
/// impl Listener for Pipes {
///     fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
///         let pipe = ready!(self.0.poll_recv(cx));
///         Poll::Ready(pipe.map(Stream::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into()))
///     }
/// }
/// ```
pub trait Listener: Send + Sync + 'static {
    /// Accepts the next stream.
    ///
    /// # Errors
    ///
    /// The server reports an error, pauses for 5 ms to 1 s, and calls this method again.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>>;

    /// Returns the address on which this listener accepts.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) by default, for a listener without such an address.
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Listener for TcpListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = Self::poll_accept(self, cx);
        accepted.map_ok(|(stream, _)| Stream::from(stream))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Self::local_addr(self)
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = Self::poll_accept(self, cx);
        accepted.map_ok(|(stream, _)| Stream::from(stream))
    }
}

/// The listeners of a server, which take turns.
pub(crate) struct Listeners {
    listeners: Vec<Box<dyn Listener>>,
    /// The index of the listener to ask first.
    next: usize,
}

impl Listeners {
    pub(crate) fn new(listener: impl Listener) -> Self {
        Self {
            listeners: vec![Box::new(listener)],
            next: 0,
        }
    }

    /// Listens on each address of `addr`. The addresses after the first get the port of the first, if they have
    /// port 0. An address that this system does not have is skipped if another one works.
    pub(crate) async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let mut bound = Self {
            listeners: Vec::new(),
            next: 0,
        };
        let mut port = None;
        let mut skipped = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for mut addr in lookup_host(addr).await? {
            if let (0, Some(port)) = (addr.port(), port) {
                addr.set_port(port);
            }
            match listen(addr) {
                Ok(listener) => {
                    port = port.or_else(|| Some(listener.local_addr().ok()?.port()));
                    bound.add(listener);
                }
                Err(error) if is_absent(&error) => skipped = error,
                Err(error) => return Err(error),
            }
        }
        match bound.listeners.is_empty() {
            true => Err(skipped),
            false => Ok(bound),
        }
    }

    pub(crate) fn add(&mut self, listener: impl Listener) {
        self.listeners.push(Box::new(listener));
    }

    /// Returns the addresses of the listeners that have one.
    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        let addrs = self.listeners.iter().map(|it| it.local_addr());
        addrs.filter_map(Result::ok).collect()
    }

    /// Accepts the next stream of any listener.
    pub(crate) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        for _ in 0..self.listeners.len() {
            let index = self.next % self.listeners.len();
            self.next = index + 1;
            if let Some(listener) = self.listeners.get_mut(index)
                && let Poll::Ready(accepted) = listener.poll_accept(cx)
            {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

/// Listens on an address. The queue is long enough for many clients that connect at once.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server can then start again at once. On Windows the option would let two servers share the address.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Returns whether listening may have failed because this system lacks the address or its family.
fn is_absent(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
    )
}

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.local_addrs()).finish()
    }
}
