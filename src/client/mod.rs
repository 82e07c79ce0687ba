//! [`connect`] and [`ClientBuilder`]: opening a connection as a client.

mod builder;
mod opening;
#[cfg(feature = "reconnect")]
mod reconnect;

pub use self::builder::ClientBuilder;
#[cfg(feature = "reconnect")]
pub use self::reconnect::Reconnect;
use crate::{connection::WebSocket, error::Error, handshake::client::IntoTarget, net::Stream};

/// Connects to a `ws://` or `wss://` URI with the default options.
///
/// `wss://` needs features: see the module `tls`.
///
/// ```no_run
/// # async fn example() -> Result<(), wsimd::Error> {
/// let mut ws = wsimd::connect("ws://localhost:8765/chat").await?;
/// ws.send("Hello").await?;
/// let answer = ws.recv().await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`ClientBuilder::connect`].
///
/// # Cancel safety
///
/// Dropping the future aborts the handshake and drops the stream.
pub async fn connect(target: impl IntoTarget) -> Result<WebSocket<Stream>, Error> {
    ClientBuilder::new().connect(target).await
}
