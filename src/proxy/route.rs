//! [`Route`]: the steps of a connection through a proxy.

use std::io;

use tokio_socks::TargetAddr;

use super::{Proxy, socks, tunnel};
use crate::{
    config::Config,
    error::{AddressError, Error, ProxyError, ProxyFailure},
    handshake::{
        Target,
        proxy::{Scheme, socks_host},
    },
    net::{
        Stream,
        dial::Dialer,
        opening::{Deadline, with_deadline},
    },
    tls::ClientTls,
};

/// The error of a proxy with `https://` in a build without TLS.
const NEEDS_TLS: &str = "a proxy with https:// needs TLS: enable the features `ring` and `rustls-platform-verifier` of \
     wsimd, or set ClientBuilder::tls";

/// The way to a server through a proxy.
pub(crate) struct Route<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) target: &'a Target,
    pub(super) dialer: &'a Dialer,
}

impl Route<'_> {
    /// Connects to the proxy, which opens the way to the server.
    pub(crate) async fn connect(
        &self,
        tls: &ClientTls,
        config: &Config,
        deadline: Deadline,
    ) -> Result<Stream, Error> {
        match self.proxy.scheme() {
            Scheme::Http | Scheme::Https => {
                with_deadline(deadline.of_proxy(), self.open_tunnel(tls, config)).await
            }
            Scheme::Socks5 => {
                // The time is that of the name of the server, and not of the proxy.
                let server = with_deadline(deadline.of_connect(), self.resolve()).await?;
                with_deadline(deadline.of_proxy(), self.connect_by_socks(server)).await
            }
            Scheme::Socks5h => {
                let server = socks::target(socks_host(self.target)?, self.target.port());
                with_deadline(deadline.of_proxy(), self.connect_by_socks(server)).await
            }
        }
    }

    async fn open_tunnel(&self, tls: &ClientTls, config: &Config) -> Result<Stream, Error> {
        let request = self.proxy.connect_request(self.target)?;
        let mut stream = match self.proxy.scheme() {
            Scheme::Https => self.dial_with_tls(tls).await?,
            _ => self.dial().await?,
        };
        let opened = tunnel::open(&mut stream, &request, config).await;
        opened.map_err(|reason| self.error(reason))?;
        Ok(stream)
    }

    async fn connect_by_socks(&self, server: TargetAddr<'_>) -> Result<Stream, Error> {
        let stream = self.dial().await?;
        let connected = socks::connect(stream, server, self.proxy.user_and_password()).await;
        connected.map_err(|reason| self.error(reason))
    }

    /// Returns the first allowed address of the server, for a proxy that is to get no name.
    async fn resolve(&self) -> Result<TargetAddr<'static>, Error> {
        let (host, port) = (socks_host(self.target)?, self.target.port());
        let addresses = self.dialer.resolve(host, port).await?;
        let allowed = self.dialer.allowed(addresses);
        let first = allowed.and_then(|allowed| match allowed.first() {
            Some(first) => Ok(TargetAddr::Ip(*first)),
            None => Err(io::ErrorKind::NotFound.into()),
        });
        first.map_err(|error| Error::Connect(Box::new(AddressError::of_host(host, port, error))))
    }

    async fn dial(&self) -> Result<Stream, Error> {
        let dialed = self.dialer.dial_host(self.proxy.host(), self.proxy.port());
        dialed.await.map_err(|error| self.error_of_dial(error))
    }

    async fn dial_with_tls(&self, tls: &ClientTls) -> Result<Stream, Error> {
        let prepared = tls.prepare().await;
        prepared.map_err(|error| self.error_of_dial(error))?;
        let stream = self.dial().await?;
        let connected = tls.connect(self.proxy.host(), self.proxy.port(), stream);
        connected.await.map_err(|error| self.error_of_dial(error))
    }

    /// Returns an error that names the proxy and not the server.
    fn error_of_dial(&self, error: Error) -> Error {
        match error {
            Error::Resolve(of) | Error::Connect(of) | Error::Tls(of) => {
                self.error(ProxyFailure::Io(of.error))
            }
            Error::Unsupported(_) => Error::Unsupported(NEEDS_TLS),
            error => error,
        }
    }

    fn error(&self, reason: ProxyFailure) -> Error {
        let proxy = self.proxy.address();
        Error::Proxy(Box::new(ProxyError { proxy, reason }))
    }
}
