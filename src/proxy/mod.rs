//! Proxies of a client: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928).
//!
//! [`ClientBuilder::proxy`](crate::ClientBuilder::proxy) sets a [`Proxy`], and
//! [`ClientBuilder::proxy_from_env`](crate::ClientBuilder::proxy_from_env) takes the proxies of the environment. The
//! proxy opens a tunnel to the server, also for `ws://`. The client then runs TLS and the opening handshake through the
//! tunnel, so that a proxy sees only the host and the port of a `wss://` URI.
//!
//! The [guide](crate::guides::proxies) has examples.

mod environment;
mod route;
mod socks;
mod tunnel;

use std::{env, sync::Arc};

use self::environment::Environment;
pub(crate) use self::route::Route;
pub use crate::handshake::proxy::Proxy;
use crate::{
    handshake::{HandshakeError, Target},
    net::dial::Dialer,
};

/// Whether the environment of this platform ignores the case of names.
const IGNORES_CASE: bool = cfg!(windows);

/// The proxies of a client.
#[derive(Clone, Debug, Default)]
pub(crate) enum Proxies {
    /// No proxy.
    #[default]
    None,
    /// One proxy for all servers.
    One(Arc<Proxy>),
    /// The proxies of the environment.
    Environment(Arc<Environment>),
}

impl Proxies {
    /// Uses this proxy for all servers.
    pub(crate) fn of(proxy: Option<Proxy>) -> Self {
        proxy.map_or(Self::None, |proxy| Self::One(Arc::new(proxy)))
    }

    /// Reads the environment.
    pub(crate) fn from_env() -> Result<Self, HandshakeError> {
        let environment = Environment::read(|name| env::var_os(name), IGNORES_CASE)?;
        Ok(Self::Environment(Arc::new(environment)))
    }

    /// Returns the way to the server of a target, if a proxy is part of it.
    pub(crate) fn route<'a>(&'a self, target: &'a Target, dialer: &'a Dialer) -> Option<Route<'a>> {
        let proxy = self.proxy_of(target).filter(|_| !dialer.has_place())?;
        Some(Route {
            proxy,
            target,
            dialer,
        })
    }

    fn proxy_of(&self, target: &Target) -> Option<&Proxy> {
        match self {
            Self::None => None,
            Self::One(proxy) => Some(proxy),
            Self::Environment(environment) => environment.proxy_of(target),
        }
    }
}
