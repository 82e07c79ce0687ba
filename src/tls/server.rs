//! [`accept`] and [`ServerTls`]: TLS as a server.

use std::{io, sync::Arc};

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::{HTTP_1_1, explain, stream::Tls};
use crate::{
    error::{AddressError, Error},
    net::Stream,
};

/// Runs the TLS handshake as a server.
///
/// ALPN accepts `http/1.1` in place of the protocols of `config`. A client that offers only others is refused.
///
/// [`ServerBuilder::tls`](crate::ServerBuilder::tls) does this for each client. This function is for a server whose
/// listeners differ, in [`ServerBuilder::wrap_streams`](crate::ServerBuilder::wrap_streams).
///
/// # Errors
///
/// [`InvalidData`](io::ErrorKind::InvalidData) with the error of rustls if the handshake fails. The errors of `stream`.
///
/// # Cancel safety
///
/// Dropping the future aborts the handshake and drops the stream.
pub async fn accept(stream: Stream, config: Arc<ServerConfig>) -> io::Result<Stream> {
    let acceptor = TlsAcceptor::from(with_alpn(&config));
    let tls = acceptor.accept(stream.into_io()).await.map_err(explain)?;
    Ok(Tls::new(tls.into()).into())
}

/// Returns a configuration that accepts HTTP/1.1 only.
fn with_alpn(config: &Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols == [HTTP_1_1] {
        return Arc::clone(config);
    }
    let mut config = ServerConfig::clone(config);
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    Arc::new(config)
}

/// The TLS of a server, if it has any.
#[derive(Clone, Default)]
pub(crate) struct ServerTls(Option<Arc<ServerConfig>>);

impl ServerTls {
    pub(crate) fn new(config: &Arc<ServerConfig>) -> Self {
        Self(Some(with_alpn(config)))
    }

    /// Runs the TLS handshake with a client.
    pub(crate) async fn accept(&self, stream: Stream) -> Result<Stream, Error> {
        let Some(config) = &self.0 else {
            return Ok(stream);
        };
        let address = match stream.peer_addr() {
            Ok(peer) => peer.to_string(),
            Err(_) => "the client".to_owned(),
        };
        let accepted = accept(stream, Arc::clone(config)).await;
        accepted.map_err(|error| Error::Tls(Box::new(AddressError { address, error })))
    }
}
