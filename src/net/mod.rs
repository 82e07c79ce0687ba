//! [`Stream`]: the transport of connections that this crate opens. [`Listener`]: a source of streams.

#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only `serve` polls handlers")
)]
pub(crate) mod cork;
#[cfg(feature = "client")]
pub(crate) mod dial;
#[cfg(feature = "client")]
pub(crate) mod exchange;
pub(crate) mod io;
#[cfg(feature = "server")]
pub(crate) mod listener;
pub(crate) mod opening;
#[cfg(feature = "server")]
pub(crate) mod served;
#[cfg(all(feature = "client", not(unix)))]
#[path = "no_unix.rs"]
mod unix;
#[cfg(unix)]
mod unix;

use std::{
    fmt,
    io::{Error, ErrorKind, IoSlice, Result},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use self::{cork::Cork, io::Io};
use crate::connection::{Left, Mail};
#[cfg(feature = "server")]
pub use listener::Listener;

/// The stream of a connection that [`connect`](crate::connect) or [`serve`](crate::serve) opened.
///
/// The type hides the transport, so that a program compiles with any set of features. A `TcpStream` or a
/// `UnixStream` becomes a `Stream` with [`from`](Self::from), and any other stream with [`new`](Self::new).
///
/// Under [`serve`](crate::serve), the stream keeps written bytes while the handler is polled. It writes
/// them to the socket when the handler waits, when the stream is flushed, and when more than 64 KiB are
/// kept.
///
/// On Linux and Android the kernel queues 128 KiB of unsent bytes (`TCP_NOTSENT_LOWAT`), so that a peer that
/// does not read costs little memory. [`with_tcp`](Self::with_tcp) gives access to the option.
pub struct Stream(Cork<Io, Left<Self>, Mail>);

impl Stream {
    /// Creates a stream over any other stream, for example of TLS.
    ///
    /// `stream` should have vectored writes, so that small messages share a write without a copy. A TCP socket
    /// below `stream` should have Nagle's algorithm disabled ([`TcpStream::set_nodelay`]).
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self(Cork::new(Io::opaque(stream)))
    }

    /// Sets the address that [`peer_addr`](Self::peer_addr) returns, for a stream without a TCP socket.
    #[must_use]
    pub fn with_peer_addr(self, addr: SocketAddr) -> Self {
        self.0.with_io(|io| io.set_peer_addr(addr));
        self
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::local_addr`], and [`Unsupported`](ErrorKind::Unsupported) if the stream has no TCP socket.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.with_tcp(TcpStream::local_addr)?
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::peer_addr`], and [`Unsupported`](ErrorKind::Unsupported) if the stream has no TCP
    /// socket and no address of [`with_peer_addr`](Self::with_peer_addr).
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        match self.0.with_io(|io| io.peer_addr()) {
            Some(Some(addr)) => Ok(addr),
            _ => self.with_tcp(TcpStream::peer_addr)?,
        }
    }

    /// Calls `look` with the TCP socket, for example to read or set its options. The socket may be below TLS. `look`
    /// must not use this `Stream`.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](ErrorKind::Unsupported) if the stream has no TCP socket, and
    /// [`NotConnected`](ErrorKind::NotConnected) once the socket is closed.
    pub fn with_tcp<T>(&self, look: impl FnOnce(&TcpStream) -> T) -> Result<T> {
        match self.0.with_io(|io| io.tcp().map(look)) {
            Some(Some(looked)) => Ok(looked),
            Some(None) => Err(Error::new(
                ErrorKind::Unsupported,
                "the stream has no TCP socket",
            )),
            None => Err(ErrorKind::NotConnected.into()),
        }
    }

    /// Returns the TCP socket, for example for a TLS acceptor.
    ///
    /// # Errors
    ///
    /// The stream itself, if it is not a TCP socket, or belongs to a connection.
    pub fn into_tcp(self) -> std::result::Result<TcpStream, Self> {
        match self.0.take_io() {
            Some(Io::Tcp(tcp)) => Ok(tcp),
            Some(other) => Err(Self::from_io(other)),
            None => Err(self),
        }
    }

    pub(crate) fn from_io(io: Io) -> Self {
        Self(Cork::new(io))
    }

    /// Returns the transport. A stream that belongs to a connection is a transport itself.
    #[cfg(feature = "rustls")]
    pub(crate) fn into_io(self) -> Io {
        self.0.take_io().unwrap_or_else(|| Io::opaque(self))
    }

    /// Calls `look` with the transport. Returns `None` once the transport is closed.
    #[cfg(feature = "rustls")]
    pub(crate) fn with_io<T>(&self, look: impl FnOnce(&Io) -> T) -> Option<T> {
        self.0.with_io(|io| look(io))
    }
}

/// Disables Nagle's algorithm, which would delay small frames, and limits the unsent bytes that the kernel queues.
impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        // A socket that refuses the option is broken, and fails at its next use.
        let _ = stream.set_nodelay(true);
        limit_unsent(&stream);
        Self(Cork::new(Io::Tcp(stream)))
    }
}

/// Limits the unsent bytes that the kernel queues for a socket. By default Linux queues about 4 MB for a
/// peer that does not read. Bytes in flight do not count, so that a long path stays full.
///
/// Errors are ignored, because a connection works without the limit. Old kernels, sandboxes and seccomp
/// filters refuse the option with different errors. A broken socket fails at its next use.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn limit_unsent(stream: &TcpStream) {
    /// The limit in bytes. Linux reports the socket as writable once the unsent bytes are below half of the
    /// limit. The other half keeps the link busy until the task has written more.
    const LIMIT: u32 = 128 << 10;

    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(LIMIT);
}

/// Leaves the socket unchanged, because `socket2` has no such option for this platform.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn limit_unsent(_: &TcpStream) {}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stream = f.debug_struct("Stream");
        if let Ok(addr) = self.local_addr() {
            stream.field("local_addr", &addr);
        }
        if let Ok(addr) = self.peer_addr() {
            stream.field("peer_addr", &addr);
        }
        stream.field("is_busy", &self.0.is_busy()).finish()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        self.0.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
