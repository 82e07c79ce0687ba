//! The root certificates of Mozilla, which are part of the program.

use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::error::Error;

/// Completes a configuration that trusts the root certificates of this build.
#[expect(
    clippy::unnecessary_wraps,
    reason = "other root certificates may be missing"
)]
pub(super) fn trusted(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, Error> {
    let store = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
