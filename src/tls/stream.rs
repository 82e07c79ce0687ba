//! [`Tls`]: a stream of TLS below a [`Stream`].

use std::{
    any::Any,
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use rustls::CommonState;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use crate::net::{
    Stream,
    io::{Io, Transport},
};

/// A stream of TLS over any other stream.
pub(super) struct Tls(TlsStream<Io>);

impl Tls {
    pub(super) const fn new(stream: TlsStream<Io>) -> Self {
        Self(stream)
    }

    fn io(&self) -> &Io {
        self.0.get_ref().0
    }
}

impl From<Tls> for Stream {
    fn from(tls: Tls) -> Self {
        Self::from_io(Io::Other(Box::new(tls)))
    }
}

/// Calls `look` with the state of TLS: the certificates of the peer, the version, the cipher suite. Returns `None` for a
/// stream without TLS of this crate, and once the stream is closed. `look` must not use `stream`.
///
/// ```
/// use wsimd::{net::Stream, tls};
///
/// /// Returns whether the client has shown a certificate.
/// fn has_certificate(stream: &Stream) -> bool {
///     tls::inspect(stream, |state| state.peer_certificates().is_some()) == Some(true)
/// }
/// ```
pub fn inspect<T>(stream: &Stream, look: impl FnOnce(&CommonState) -> T) -> Option<T> {
    with_tls(stream, |tls| look(tls.0.get_ref().1))
}

/// Returns the name of the server that the client asked for (SNI), on the side of the server.
pub fn server_name(stream: &Stream) -> Option<String> {
    with_tls(stream, |tls| match &tls.0 {
        TlsStream::Server(tls) => tls.get_ref().1.server_name().map(str::to_owned),
        TlsStream::Client(_) => None,
    })
    .flatten()
}

fn with_tls<T>(stream: &Stream, look: impl FnOnce(&Tls) -> T) -> Option<T> {
    stream
        .with_io(|io| match io {
            Io::Other(other) => (&**other as &dyn Any).downcast_ref().map(look),
            Io::Tcp(_) => None,
        })
        .flatten()
}

impl Transport for Tls {
    fn tcp(&self) -> Option<&TcpStream> {
        self.io().tcp()
    }

    fn peer_addr(&self) -> Option<SocketAddr> {
        self.io().peer_addr()
    }

    fn set_peer_addr(&mut self, addr: SocketAddr) {
        let (io, _) = self.0.get_mut();
        io.set_peer_addr(addr);
    }
}

impl AsyncRead for Tls {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}
