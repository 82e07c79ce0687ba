//! The network of a client: TLS on both sides, addresses, redirects, and the values that name a server.

#[cfg(feature = "ring")]
pub(crate) mod certificates;
mod connecting;
#[cfg(feature = "reconnect")]
mod reconnect;
mod redirects;
mod targets;
#[cfg(feature = "ring")]
mod tls;
#[cfg(feature = "ring")]
mod tls_ends;
#[cfg(feature = "ring")]
mod tls_flush;
