//! [`Stream`]: the transport of connections that this crate opens.

#[cfg_attr(
    not(feature = "server"),
    expect(dead_code, reason = "only `serve` polls handlers")
)]
pub(crate) mod cork;
pub(crate) mod opening;

use std::{
    fmt,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use cork::Cork;

/// The stream of a connection that [`connect`](crate::connect) or [`serve`](crate::serve) opened.
///
/// The type hides the transport, so that a program compiles with any set of features.
///
/// Under [`serve`](crate::serve), the stream keeps written bytes while the handler is polled. It writes
/// them to the socket when the handler waits, when the stream is flushed, and when more than 64 KiB are
/// kept.
///
/// On Linux and Android the kernel queues 128 KiB of unsent bytes (`TCP_NOTSENT_LOWAT`), so that a peer that
/// does not read costs little memory. [`with_tcp`](Self::with_tcp) gives access to the option.
pub struct Stream(Cork);

impl Stream {
    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_tcp(TcpStream::local_addr)?
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// As [`TcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with_tcp(TcpStream::peer_addr)?
    }

    /// Calls `look` with the TCP stream, for example to read or set its options. `look` must not use this `Stream`.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::NotConnected`] when the connection has no TCP stream.
    pub fn with_tcp<T>(&self, look: impl FnOnce(&TcpStream) -> T) -> io::Result<T> {
        self.0.with_tcp(look)
    }

    /// Creates a stream over a TCP socket. Disables Nagle's algorithm, which would delay small frames, and
    /// limits the unsent bytes that the kernel queues.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        limit_unsent(&stream);
        Ok(Self(Cork::new(stream)))
    }

    /// Returns whether the socket has taken bytes since the last call.
    #[cfg(feature = "server")]
    pub(crate) fn take_progress(&self) -> bool {
        self.0.take_progress()
    }

    /// Returns the handle with which the handler task polls the handler.
    #[cfg(feature = "server")]
    pub(crate) fn handler_task(&self) -> cork::HandlerTask {
        self.0.handler_task()
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
    ) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, &[IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }
}
