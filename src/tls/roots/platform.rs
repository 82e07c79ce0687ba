//! The verifier of the platform, with the root certificates of the platform.

use rustls::{ClientConfig, ConfigBuilder, WantsVerifier};
use rustls_platform_verifier::BuilderVerifierExt;

use crate::error::Error;

/// Completes a configuration that trusts the root certificates of this build.
pub(super) fn trusted(
    builder: ConfigBuilder<ClientConfig, WantsVerifier>,
) -> Result<ClientConfig, Error> {
    let builder = builder.with_platform_verifier().map_err(Error::other)?;
    Ok(builder.with_no_client_auth())
}
