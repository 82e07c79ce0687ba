//! WebSockets for tokio: strict, bounded, and simple to use. Most programs need only `recv` and `send`.
//!
//! ```no_run
//! # async fn example() -> Result<(), wsimd::Error> {
//! let mut ws = wsimd::connect("ws://localhost:8765").await?;
//! ws.send("Hello").await?;
//! while let Some(message) = ws.recv().await? {
//!     println!("{message:?}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! | --- | --- |
//! | open a connection | [`connect`], [`ClientBuilder`] |
//! | accept connections | [`serve`], [`accept`], [`ServerBuilder`] |
//! | send and receive | [`WebSocket`] |
//! | send from elsewhere | [`WebSocket::handle`], [`WebSocket::split`] |
//! | set limits and timeouts | [`Config`] |
//! | compress or transform messages | [`extension`] |
//! | build on `tokio_util::codec::Framed` | [`Codec`], [`FrameCodec`] |
//! | bring your own runtime | [`protocol::Endpoint`], [`handshake`] |
//!
//! # Limits
//!
//! Every limit is finite by default and inclusive. [`Config`] lists them. Memory grows with the bytes that
//! a peer has sent, never with a length that it claims.
//!
//! # Errors
//!
//! [`Error`] contains the reason, the [`Fault`] and the close code. Before `recv` returns a protocol
//! violation, it sends a Close frame to the peer. A clean end is not an error: `recv` returns `Ok(None)`.
//!
//! # Cancel safety
//!
//! All state lives in the connection and none in futures. Each future documents the effect of dropping it.
//! `recv` loses no message, and `send` accepts a message as a whole or not at all.
//!
//! # Features
//!
//! The features `client`, `server`, `codec` and `deflate` are enabled by default. They are additive.
//! Without default features, [`protocol`], [`handshake`], [`extension`], [`frame`], [`simd`] and [`utf8`]
//! remain, and the crate does not depend on tokio.

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
pub mod handshake;
mod message;
#[cfg(any(feature = "client", feature = "server"))]
pub mod net;
mod payload;
pub mod protocol;
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
pub mod utf8;

#[cfg(feature = "client")]
pub use client::{ClientBuilder, connect};
#[cfg(feature = "codec")]
pub use codec::{Codec, FrameCodec};
pub use config::Config;
#[cfg(feature = "tokio")]
pub use connection::{
    Handle, Parts, Permit, PongWaiter, ReadHalf, TrySendError, WebSocket, WriteHalf,
};
pub use error::{Error, Fault, Timeout};
pub use frame::{CloseCode, CloseFrame, Frame, ProtocolError, Role, SendError};
pub use handshake::{Origins, client::Offer, server::Policy};
pub use message::Message;
pub use protocol::{Closed, Event};
#[cfg(feature = "server")]
pub use server::{Server, ServerBuilder, accept, serve};
pub use text::Text;
pub use {bytes, http};

#[cfg(all(doctest, feature = "client", feature = "server", feature = "codec"))]
#[doc = include_str!("../README.md")]
struct Readme;
