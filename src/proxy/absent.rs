//! The types of `proxy` without the feature `proxy`.

use crate::{
    config::Config,
    error::Error,
    handshake::Target,
    net::{Stream, dial::Dialer, opening::Deadline},
    tls::ClientTls,
};

/// A client without proxies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Proxies(());

/// The way through a proxy. There is none.
pub(crate) enum Route {}

impl Proxies {
    pub(crate) const fn route(&self, _: &Target, _: &Dialer) -> Option<Route> {
        None
    }
}

impl Route {
    pub(crate) async fn connect(
        &self,
        _: &ClientTls,
        _: &Config,
        _: Deadline,
    ) -> Result<Stream, Error> {
        match *self {}
    }
}
