//! Proxies of a client: HTTP CONNECT and SOCKS5.

use crate::{
    error::Error,
    handshake::Target,
    net::{Stream, dial::Dialer, opening::Deadline},
    tls::ClientTls,
};

/// The proxies of a client.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(());

impl Proxies {
    /// Connects to the server of a target by its proxy. Returns `None` if it has none.
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
