//! The types of `proxy` without the feature `proxy`.

use crate::{
    error::Error,
    handshake::Target,
    net::{Stream, dial::Dialer, opening::Deadline},
    tls::ClientTls,
};

/// A client without proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(());

impl Proxies {
    pub(crate) async fn connect(
        &self,
        _: &Target,
        _: &Dialer,
        _: &ClientTls,
        _: Deadline,
    ) -> Result<Option<Stream>, Error> {
        Ok(None)
    }
}
