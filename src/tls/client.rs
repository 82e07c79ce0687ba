//! [`connect`] and [`ClientTls`]: TLS as a client.

use std::{fmt, io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{sync::OnceCell, task::spawn_blocking};
use tokio_rustls::TlsConnector;

use super::{HTTP_1_1, config::provider, explain, roots, stream::Tls};
use crate::{
    error::{AddressError, Error},
    handshake::authority::without_zone,
    net::Stream,
};

/// The configuration of clients that have none of their own. Clients share it, so that rustls resumes sessions.
static DEFAULT: OnceCell<Arc<ClientConfig>> = OnceCell::const_new();

/// Runs the TLS handshake as a client. `host` is the name or the IP address of the certificate.
///
/// ALPN offers `http/1.1` in place of the protocols of `config`.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) if `host` is neither a name nor an address.
/// [`InvalidData`](io::ErrorKind::InvalidData) with the error of rustls if the handshake fails, for example because the
/// certificate is not valid. The errors of `stream`.
///
/// # Cancel safety
///
/// Dropping the future aborts the handshake and drops the stream.
pub async fn connect(stream: Stream, host: &str, config: Arc<ClientConfig>) -> io::Result<Stream> {
    let name = ServerName::try_from(without_zone(host).to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let connector = TlsConnector::from(with_alpn(&config));
    let tls = connector
        .connect(name, stream.into_io())
        .await
        .map_err(explain)?;
    Ok(Tls::new(tls.into()).into())
}

/// Returns a configuration that offers HTTP/1.1 only. A connection that negotiated HTTP/2 could not be used.
fn with_alpn(config: &Arc<ClientConfig>) -> Arc<ClientConfig> {
    if config.alpn_protocols == [HTTP_1_1] {
        return Arc::clone(config);
    }
    // The copy shares the verifier and the sessions.
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Arc::new(config)
}

/// The TLS of a client: its configuration, or the default.
#[derive(Clone, Default)]
pub(crate) struct ClientTls(Option<Arc<ClientConfig>>);

impl ClientTls {
    pub(crate) fn new(config: &Arc<ClientConfig>) -> Self {
        Self(Some(with_alpn(config)))
    }

    /// Fails if this build has no default configuration, and none was set.
    pub(crate) async fn prepare(&self) -> Result<(), Error> {
        self.config().await.map(drop)
    }

    /// Runs the TLS handshake with a server or a proxy.
    pub(crate) async fn connect(
        &self,
        host: &str,
        port: u16,
        stream: Stream,
    ) -> Result<Stream, Error> {
        let config = self.config().await?;
        let connected = connect(stream, host, config).await;
        connected.map_err(|error| Error::Tls(Box::new(AddressError::of_host(host, port, error))))
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, Error> {
        match &self.0 {
            Some(config) => Ok(Arc::clone(config)),
            None => DEFAULT.get_or_try_init(default_config).await.cloned(),
        }
    }
}

/// Creates the configuration with the root certificates of this build. Reading them may take milliseconds.
async fn default_config() -> Result<Arc<ClientConfig>, Error> {
    let provider = provider()?;
    let build = spawn_blocking(|| {
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions();
        roots::trusted(builder.map_err(Error::other)?)
    });
    let config = build.await.map_err(Error::other)??;
    Ok(with_alpn(&Arc::new(config)))
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Some(_) => "ClientTls(configured)",
            None => "ClientTls(default)",
        })
    }
}
