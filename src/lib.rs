//! WebSockets for tokio at SIMD speed.
//!
//! (crate docs follow)

#![cfg_attr(docsrs, feature(doc_cfg))]

mod config;
mod error;
pub mod frame;
pub mod handshake;
mod message;
pub mod protocol;
pub mod simd;
mod text;
pub mod utf8;

#[cfg(feature = "codec")]
pub mod codec;
#[cfg(feature = "tokio")]
pub mod connection;
#[cfg(any(feature = "client", feature = "server"))]
pub mod net;

#[cfg(feature = "client")]
mod client;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "client")]
pub use client::{ClientBuilder, connect};
#[cfg(feature = "codec")]
pub use codec::{Codec, Frame, FrameCodec};
pub use config::Config;
#[cfg(feature = "tokio")]
pub use connection::{Parts, PongWaiter, WebSocket};
pub use error::{Error, Fault, Timeout};
pub use frame::{CloseCode, CloseFrame, ProtocolError, Role, SendError};
pub use message::Message;
pub use protocol::{Closed, Event};
#[cfg(feature = "server")]
pub use server::{Server, ServerBuilder, accept, serve};
pub use text::Text;
