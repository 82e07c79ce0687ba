//! A build without root certificates.

use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};

use crate::error::Error;

/// Fails, because no feature has chosen root certificates.
pub(super) fn trusted(
    _: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, Error> {
    Err(Error::Unsupported(
        "wss:// needs root certificates: enable the feature `rustls-platform-verifier`, `rustls-native-roots` or \
         `rustls-webpki-roots` of wsimd, or set ClientBuilder::tls",
    ))
}
