//! TLS for `wss://`, with rustls.
//!
//! [`connect("wss://…")`](crate::connect) needs a feature for the cryptography (`ring` or `aws-lc-rs`) and one for the
//! root certificates (`rustls-platform-verifier`, `rustls-native-roots` or `rustls-webpki-roots`). With a configuration
//! of your own, in [`ClientBuilder::tls`](crate::ClientBuilder::tls) or
//! [`ServerBuilder::tls`](crate::ServerBuilder::tls), the feature `rustls` is enough.
//!
//! This module installs no provider of cryptography for the process. It uses the installed one, if there is one.
//!
//! The [guide](crate::guides::tls) has programs.

#[cfg(feature = "client")]
mod client;
mod config;
#[cfg(all(
    feature = "client",
    feature = "rustls-native-roots",
    not(feature = "rustls-platform-verifier")
))]
#[path = "roots/native.rs"]
mod roots;
#[cfg(all(
    feature = "client",
    not(any(
        feature = "rustls-platform-verifier",
        feature = "rustls-native-roots",
        feature = "rustls-webpki-roots"
    ))
))]
#[path = "roots/none.rs"]
mod roots;
#[cfg(all(feature = "client", feature = "rustls-platform-verifier"))]
#[path = "roots/platform.rs"]
mod roots;
#[cfg(all(
    feature = "client",
    feature = "rustls-webpki-roots",
    not(any(feature = "rustls-platform-verifier", feature = "rustls-native-roots"))
))]
#[path = "roots/webpki.rs"]
mod roots;
#[cfg(feature = "server")]
mod server;
mod stream;

use std::io;

#[cfg(feature = "client")]
pub(crate) use self::client::ClientTls;
#[cfg(feature = "client")]
pub use self::client::connect;
#[cfg(feature = "server")]
pub(crate) use self::server::ServerTls;
#[cfg(feature = "server")]
pub use self::server::accept;
pub use self::{
    config::{client_config, server_config},
    stream::{inspect, server_name},
};
pub use rustls;
use rustls::InvalidMessage;

/// The only protocol of a connection, for ALPN.
const HTTP_1_1: &[u8] = b"http/1.1";

/// Names the likely cause of an error for which rustls names only the wrong byte.
fn explain(error: io::Error) -> io::Error {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            io::Error::new(error.kind(), format!("{error} (does the peer speak TLS?)"))
        }
        _ => error,
    }
}
