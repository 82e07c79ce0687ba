//! Configurations of rustls from PEM, and the provider of cryptography.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::error::Error;

/// Creates the configuration of a client that trusts only the root certificates in `roots`, a text in PEM.
///
/// # Errors
///
/// [`Error::Other`] if `roots` has no certificate, or an invalid one. [`Error::Unsupported`] if there is no provider of
/// cryptography.
pub fn client_config(roots: impl AsRef<[u8]>) -> Result<ClientConfig, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(roots.as_ref())? {
        store.add(certificate).map_err(Error::other)?;
    }
    let builder = ClientConfig::builder_with_provider(provider()?);
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}

/// Creates the configuration of a server from its certificate chain, the own certificate first, and its private key,
/// both in PEM. Asks for no certificate of the client.
///
/// # Errors
///
/// [`Error::Other`] if the chain or the key is missing or invalid, or if they do not match. [`Error::Unsupported`] if
/// there is no provider of cryptography.
pub fn server_config(
    chain: impl AsRef<[u8]>,
    key: impl AsRef<[u8]>,
) -> Result<ServerConfig, Error> {
    let chain = certificates(chain.as_ref())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_ref()).map_err(Error::other)?;
    let builder = ServerConfig::builder_with_provider(provider()?);
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(Error::other)?;
    let builder = builder.with_no_client_auth();
    builder.with_single_cert(chain, key).map_err(Error::other)
}

/// Reads the certificates of a text in PEM.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = certificates.map_err(Error::other)?;
    if certificates.is_empty() {
        return Err(Error::other("the PEM text has no certificate"));
    }
    Ok(certificates)
}

/// Returns the provider that the process has installed, or that of a feature of this crate.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, Error> {
    let installed = CryptoProvider::get_default().cloned();
    installed
        .or_else(|| built_in().map(Arc::new))
        .ok_or(Error::Unsupported(
            "TLS needs cryptography: enable the feature `ring` or `aws-lc-rs` of wsimd, or install a provider of rustls",
        ))
}

#[cfg(feature = "aws-lc-rs")]
fn built_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
fn built_in() -> Option<CryptoProvider> {
    Some(rustls::crypto::ring::default_provider())
}

#[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
const fn built_in() -> Option<CryptoProvider> {
    None
}
