//! [`Io`]: the transport inside a [`Stream`](super::Stream).

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// A TCP socket, or a stream of another type.
pub(crate) enum Io {
    Tcp(TcpStream),
    Other(Box<Other>),
}

/// A stream of another type, for example of TLS.
pub(crate) struct Other {
    stream: Box<dyn Transport>,
    pub(super) peer_addr: Option<SocketAddr>,
}

/// The bounds of a stream that is not a TCP socket.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

impl Io {
    pub(super) fn other(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self::Other(Box::new(Other {
            stream: Box::new(stream),
            peer_addr: None,
        }))
    }

    /// Returns the TCP socket.
    pub(super) fn tcp(&self) -> io::Result<&TcpStream> {
        match self {
            Self::Tcp(tcp) => Ok(tcp),
            Self::Other(_) => Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the stream is not a TCP socket",
            )),
        }
    }
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Other(other) => Pin::new(&mut *other.stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Self::Other(other) => Pin::new(&mut *other.stream).poll_write(cx, buf),
        }
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Other(other) => Pin::new(&mut *other.stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Other(other) => Pin::new(&mut *other.stream).poll_shutdown(cx),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Self::Other(other) => Pin::new(&mut *other.stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_write_vectored(),
            Self::Other(other) => other.stream.is_write_vectored(),
        }
    }
}
