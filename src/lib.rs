//! WebSockets for tokio: strict, bounded, and simple to use. Most programs need only `recv` and `send`.
//!
//! # Quick start
//!
//! ```toml
//! [dependencies]
//! wsimd = "0.1"
//! tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
//! ```
//!
//! A server that sends every message back:
//!
//! ```no_run
//! #[tokio::main]
//! async fn main() -> Result<(), wsimd::Error> {
//!     wsimd::serve("localhost:8765", async |mut ws| {
//!         while let Some(message) = ws.recv().await? {
//!             ws.send(message).await?;
//!         }
//!         Ok(())
//!     })
//!     .await
//! }
//! ```
//!
//! A client:
//!
//! ```no_run
//! use wsimd::{CloseCode, Error};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Error> {
//!     let mut ws = wsimd::connect("ws://localhost:8765").await?;
//!     ws.send("Hello").await?;
//!     println!("{:?}", ws.recv().await?);
//!     ws.close(CloseCode::NORMAL, "done").await
//! }
//! ```
//!
//! # Which type?
//!
//! | you have | use |
//! | --- | --- |
//! | one task that receives and sends | [`WebSocket`] |
//! | messages that are parsed and dropped | [`WebSocket::recv_with`], which lends them; [`json`] |
//! | many tasks that send, a broadcast | [`Handle`], cloned |
//! | one task that receives, one that sends a lot | [`WebSocket::split`] |
//! | messages larger than memory should be | [`WebSocket::recv_stream`], [`WebSocket::binary_writer`] |
//! | a protocol over bytes | [`WebSocket::into_byte_stream`] |
//! | a program on `Stream` and `Sink` | the feature `stream` |
//! | a program on `Framed` | [`Codec`] |
//! | a proxy or a tool that handles frames | [`FrameCodec`] |
//! | another runtime, or none | [`protocol::Endpoint`], [`handshake`] |
//!
//! | to | use |
//! | --- | --- |
//! | open a connection | [`connect`], [`ClientBuilder`] with an [`Offer`] |
//! | connect again after each end | [`ClientBuilder::reconnect`] |
//! | accept connections | [`serve`], [`accept`], [`ServerBuilder`] with a [`Policy`] |
//! | use `wss://` | the features of [`tls`](guides::tls) |
//! | answer a request before the upgrade | [`Server::serve_openings`], [`Opening`] |
//! | shut a server down | [`Serve::with_graceful_shutdown`], [`ServerHandle`] |
//! | set limits and timeouts | [`Config`], [`ServerBuilder`] |
//! | compress or transform messages | [`extension`] |
//!
//! # Guides
//!
//! [Getting started](guides::getting_started) ·
//! [Which API](guides::which_api) ·
//! [Lent messages](guides::lent_messages) ·
//! [JSON](guides::json) ·
//! [Streams](guides::streams) ·
//! [Streaming](guides::streaming) ·
//! [Keepalive](guides::keepalive) ·
//! [Closing and errors](guides::closing_and_errors) ·
//! [Reconnecting](guides::reconnecting) ·
//! [Limits and memory](guides::limits_and_memory) ·
//! [Compression](guides::compression) ·
//! [TLS](guides::tls) ·
//! [Proxies](guides::proxies) ·
//! [Authentication](guides::authentication) ·
//! [Deployment](guides::deployment) ·
//! [axum and hyper](guides::axum_and_hyper) ·
//! [Testing](guides::testing) ·
//! [How it is fast](guides::how_it_is_fast) ·
//! From [Python](guides::from_python), [tungstenite](guides::from_tungstenite),
//! [fastwebsockets](guides::from_fastwebsockets)
//!
//! # Limits
//!
//! Every limit of size and work is finite by default and inclusive. [`Config`] lists the limits of a connection,
//! and [`ServerBuilder`] those of a server. Memory grows with the bytes that have arrived, inflated up to
//! [`Config::max_message_size`], never with a length that a peer claims. [`connect`] and [`serve`] detect dead
//! peers. [`WebSocket::new`] does so with a [`Config::ping_interval`].
//!
//! # Errors
//!
//! [`Error`] has a variant for each kind of reason, [`Error::fault`] and [`Error::close_code`]. Before `recv` returns
//! a protocol violation, it sends a Close frame to the peer. At a clean end `recv` returns `Ok(None)`: both sides
//! have sent a Close frame, and the peer's has the code 1000, 1001 or none.
//!
//! # Cancel safety
//!
//! All state lives in the connection and none in futures. Each future documents the effect of dropping it.
//! `recv` loses no message, and `send` accepts a message as a whole or not at all.
//!
//! # Features
//!
//! | feature | default | adds |
//! | --- | --- | --- |
//! | `client` | yes | [`connect`], [`ClientBuilder`] |
//! | `server` | yes | [`serve`], [`accept`], [`ServerBuilder`] |
//! | `codec` | yes | [`Codec`], [`FrameCodec`] |
//! | `deflate` | yes | [`extension::Deflate`] |
//! | `json` | no | [`json`]: `recv_json`, `send_json`, documents parsed in place by simd-json |
//! | `serde` | no | `Serialize` and `Deserialize` for [`Message`], [`Text`] and Close frames |
//! | `stream` | no | `Stream` and `Sink` for [`WebSocket`], its halves and handles |
//! | `tracing` | no | events and a span for each connection under [`serve`] |
//! | `ring`, `aws-lc-rs` | no | the cryptography of [`tls`] |
//! | `rustls-platform-verifier`, `rustls-native-roots`, `rustls-webpki-roots` | no | root certificates for `wss://` |
//! | `rustls` | with each of these | [`tls`], with a configuration of your own |
//! | `proxy` | no | HTTP CONNECT and SOCKS5 for a client, also those of the environment |
//! | `reconnect` | no | [`ClientBuilder::reconnect`] |
//! | `tokio` | with `client` or `server` | [`WebSocket`] over any `AsyncRead + AsyncWrite` |
//!
//! The default features need 23 other packages on Linux. `rustls` adds 8, `ring` and `aws-lc-rs` 2 more,
//! `rustls-platform-verifier` 4, `rustls-native-roots` 2, `rustls-webpki-roots` 1, `proxy` 23, `reconnect` 2.
//!
//! Features are additive. Without default features, [`protocol`], [`handshake`], [`extension`], [`frame`],
//! [`simd`] and [`utf8`] remain, and the crate does not depend on tokio.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
#[cfg(feature = "client")]
mod client;
#[cfg(feature = "codec")]
pub mod codec;
mod config;
#[cfg(feature = "tokio")]
pub mod connection;
mod error;
pub mod extension;
pub mod frame;
#[cfg(all(
    any(doc, doctest),
    feature = "client",
    feature = "server",
    feature = "codec",
    feature = "deflate"
))]
#[cfg_attr(docsrs, doc(auto_cfg = false))]
pub mod guides;
pub mod handshake;
#[cfg(feature = "json")]
pub mod json;
mod message;
#[cfg(any(feature = "client", feature = "server"))]
pub mod net;
mod payload;
pub mod protocol;
#[cfg(feature = "proxy")]
pub mod proxy;
#[cfg(all(feature = "client", not(feature = "proxy")))]
#[path = "proxy/absent.rs"]
mod proxy;
#[cfg(feature = "serde")]
mod serde_impls;
#[cfg(feature = "server")]
mod server;
#[expect(
    unsafe_code,
    reason = "CPU features and raw pointers; the only module but for one function of `text`"
)]
pub mod simd;
#[cfg(feature = "tokio")]
mod sync;
mod text;
#[cfg(all(feature = "rustls", any(feature = "client", feature = "server")))]
pub mod tls;
#[cfg(all(not(feature = "rustls"), any(feature = "client", feature = "server")))]
#[path = "tls/absent.rs"]
mod tls;
pub mod utf8;

#[cfg(feature = "reconnect")]
#[doc(inline)]
pub use client::Reconnect;
#[cfg(feature = "client")]
#[doc(inline)]
pub use client::{ClientBuilder, connect};
#[cfg(feature = "codec")]
#[doc(inline)]
pub use codec::{Codec, FrameCodec};
#[doc(inline)]
pub use config::Config;
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use connection::{
    ByteStream, Handle, MessageReader, MessageWriter, Parts, Permit, PongWaiter, ReadHalf,
    TrySendError, WebSocket, WriteHalf, WritePermit,
};
#[cfg(feature = "stream")]
#[doc(inline)]
pub use connection::{Events, HandleSink};
#[doc(inline)]
pub use error::{
    AddressError, Error, Fault, JsonError, JsonErrorKind, ProxyError, ProxyFailure, Timeout,
};
#[doc(inline)]
pub use frame::{CloseCode, CloseFrame, Frame, ProtocolError, Role, SendError};
#[doc(inline)]
pub use handshake::{
    Origins,
    client::{IntoTarget, Offer},
    server::Policy,
};
#[doc(inline)]
pub use message::{Message, MessageRef};
#[doc(inline)]
pub use protocol::{Closed, Event, EventRef};
#[cfg(feature = "proxy")]
#[doc(inline)]
pub use proxy::Proxy;
#[cfg(feature = "server")]
#[doc(inline)]
pub use server::{Accepted, Opening, Serve, Server, ServerBuilder, ServerHandle, accept, serve};
#[doc(inline)]
pub use text::Text;
pub use {bytes, http};

#[cfg(all(doctest, feature = "client", feature = "server", feature = "codec"))]
#[doc = include_str!("../README.md")]
struct Readme;
