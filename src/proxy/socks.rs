//! A connection by SOCKS5 (RFC 1928, RFC 1929).

use std::{
    io,
    net::IpAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_socks::{Error, TargetAddr, tcp::Socks5Stream};

use crate::{error::ProxyFailure, net::Stream};

/// Returns the address of a server that the proxy resolves. An IP address is sent as such.
pub(super) fn target(host: &str, port: u16) -> TargetAddr<'_> {
    match host.parse::<IpAddr>() {
        Ok(ip) => TargetAddr::Ip((ip, port).into()),
        Err(_) => TargetAddr::Domain(host.into(), port),
    }
}

/// Asks the proxy for a connection to the server. The user name and the password have 1 to 255 bytes each. A name of the
/// server has at most 255.
pub(super) async fn connect(
    stream: Stream,
    server: TargetAddr<'_>,
    credentials: Option<(&str, &str)>,
) -> Result<Stream, ProxyFailure> {
    let stream = Flushing(stream);
    let connected = match credentials {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, server, user, password).await
        }
        None => Socks5Stream::connect_with_socket(stream, server).await,
    };
    let Flushing(stream) = connected.map_err(failure)?.into_inner();
    Ok(stream)
}

/// A stream that is flushed before it is read, because `tokio_socks` flushes nothing that it has written.
struct Flushing(Stream);

impl AsyncRead for Flushing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Flushing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn failure(error: Error) -> ProxyFailure {
    let reply = |code| ProxyFailure::Socks { code };
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ProxyFailure::Closed,
        Error::Io(error) => ProxyFailure::Io(error),
        // RFC 1928 §6.
        Error::GeneralSocksServerFailure => reply(1),
        Error::ConnectionNotAllowedByRuleset => reply(2),
        Error::NetworkUnreachable => reply(3),
        Error::HostUnreachable => reply(4),
        Error::ConnectionRefused => reply(5),
        Error::TtlExpired => reply(6),
        Error::CommandNotSupported => reply(7),
        Error::AddressTypeNotSupported => reply(8),
        Error::NoAcceptableAuthMethods => {
            ProxyFailure::SocksAuth("it accepts none of the offered methods of authentication")
        }
        Error::AuthorizationRequired => {
            ProxyFailure::SocksAuth("it needs a user name and a password")
        }
        Error::PasswordAuthFailure(_) => {
            ProxyFailure::SocksAuth("it does not accept the user name and the password")
        }
        Error::InvalidResponseVersion => {
            ProxyFailure::InvalidSocks("its version is not that of SOCKS5")
        }
        Error::UnknownAuthMethod => {
            ProxyFailure::InvalidSocks("its method or reply code is unknown")
        }
        Error::InvalidReservedByte => ProxyFailure::InvalidSocks("its reserved byte is not 0"),
        Error::UnknownAddressType => ProxyFailure::InvalidSocks("its type of address is unknown"),
        _ => ProxyFailure::InvalidSocks("its address is malformed"),
    }
}
