//! The root certificates of the platform.

use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

use crate::error::Error;

/// Completes a configuration that trusts the root certificates of this build.
///
/// Certificates that cannot be read are skipped, because old systems have some.
pub(super) fn trusted(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, Error> {
    let mut found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(match found.errors.pop() {
            Some(error) => Error::other(error),
            None => Error::other("the system has no root certificates"),
        });
    }
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
