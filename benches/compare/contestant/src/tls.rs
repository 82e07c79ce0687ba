//! TLS for servers and for the load: rustls with ring, the same configuration for every contestant.

use std::{future::Future, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, rustls::pki_types::pem::PemObject, server::TlsStream};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::NoServerSessionStorage,
};

use crate::accept_loop;

pub use tokio_rustls::rustls;

/// The certificate of `localhost`, valid until 2126, which is its own root.
const CERT: &[u8] = include_bytes!("../localhost/cert.pem");
const KEY: &[u8] = include_bytes!("../localhost/key.pem");

fn certificate() -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(CERT).expect("a certificate")
}

/// Returns the configuration of a server. It keeps no sessions, so that memory is that of connections.
pub fn server() -> Arc<ServerConfig> {
    let key = PrivateKeyDer::from_pem_slice(KEY).expect("a key");
    let config = ServerConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions();
    let config = config.expect("ring has them").with_no_client_auth();
    let mut config = config
        .with_single_cert(vec![certificate()], key)
        .expect("they belong together");
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.into()
}

/// Returns the configuration of the load.
pub fn client() -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate()).expect("a root");
    let config = ClientConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions();
    let config = config.expect("ring has them").with_root_certificates(roots);
    config.with_no_client_auth().into()
}

/// As [`accept_loop`], over TLS. The handler has a task of its own, without room for the handshake of TLS. The stream is
/// boxed, because the future of an async function has room for its arguments twice.
pub async fn accept_tls_loop<F>(
    handler: impl Fn(Box<TlsStream<TcpStream>>) -> F + Clone + Send + 'static,
) where
    F: Future<Output: Send> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(server());
    accept_loop(|stream| {
        let (accepting, handler) = (acceptor.accept(stream), handler.clone());
        async move {
            if let Ok(stream) = accepting.await {
                tokio::spawn(handler(Box::new(stream)));
            }
        }
    })
    .await;
}
