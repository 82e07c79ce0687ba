//! The types of `tls` without the feature `rustls`.

#[cfg(feature = "client")]
pub(crate) use self::client::ClientTls;
#[cfg(feature = "server")]
pub(crate) use self::server::ServerTls;

#[cfg(feature = "client")]
mod client {
    use crate::{error::Error, net::Stream};

    /// The error of `wss://` in this build.
    const NEEDS_FEATURE: &str = "wss:// needs TLS: enable the features `ring` and `rustls-platform-verifier` of wsimd, or \
         run ClientBuilder::handshake over a TLS stream, as wsimd::guides::tls shows";

    /// A client without TLS.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct ClientTls(());

    impl ClientTls {
        pub(crate) async fn prepare(&self) -> Result<(), Error> {
            Err(Error::Unsupported(NEEDS_FEATURE))
        }

        pub(crate) async fn connect(&self, _: &str, _: u16, _: Stream) -> Result<Stream, Error> {
            Err(Error::Unsupported(NEEDS_FEATURE))
        }
    }
}

#[cfg(feature = "server")]
mod server {
    use crate::{error::Error, net::Stream};

    /// A server without TLS.
    #[derive(Clone, Default)]
    pub(crate) struct ServerTls(());

    impl ServerTls {
        pub(crate) async fn accept(&self, stream: Stream) -> Result<Stream, Error> {
            Ok(stream)
        }
    }
}
