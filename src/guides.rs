//! Guides: pages that show how to use the crate, in reading order.
//!
//! | page | topic |
//! | --- | --- |
//! | [`getting_started`] | a first server and a first client |
//! | [`which_api`] | `WebSocket`, handle, split, codec or endpoint; broadcast and slow consumers |
//! | [`lent_messages`] | receiving without an allocation |
//! | [`json`] | typed values and any document, with the feature `json` |
//! | [`streams`] | `Stream` and `Sink`, with the feature `stream` |
//! | [`streaming`] | messages in chunks, both ways |
//! | [`keepalive`] | pings, dead peers, latency |
//! | [`closing_and_errors`] | the end of a connection, and its errors |
//! | [`reconnecting`] | a client that connects again, with the feature `reconnect` |
//! | [`limits_and_memory`] | every setting with its default; the memory of a connection |
//! | [`compression`] | permessage-deflate: levels, memory, security |
//! | [`tls`] | `wss://` with rustls, with the features of TLS |
//! | [`proxies`] | HTTP CONNECT, SOCKS5, the environment, with the feature `proxy` |
//! | [`authentication`] | who may connect, 401, routing by path |
//! | [`deployment`] | proxies, limits, systemd, health checks, shutdown |
//! | [`axum_and_hyper`] | a connection out of an HTTP server |
//! | [`testing`] | tests without a network |
//! | [`how_it_is_fast`] | where the speed comes from, and its costs |
//! | [`from_python`] | for users of Python's `websockets` |
//! | [`from_tungstenite`] | for users of tokio-tungstenite |
//! | [`from_fastwebsockets`] | for users of fastwebsockets |
//!
//! The pages exist in the documentation only. A program contains nothing of them.

#[doc = include_str!("guides/getting_started.md")]
pub mod getting_started {}
#[doc = include_str!("guides/which_api.md")]
pub mod which_api {}
#[doc = include_str!("guides/lent_messages.md")]
pub mod lent_messages {}
#[cfg(feature = "json")]
#[doc = include_str!("guides/json.md")]
pub mod json {}
#[cfg(feature = "stream")]
#[doc = include_str!("guides/streams.md")]
pub mod streams {}
#[doc = include_str!("guides/streaming.md")]
pub mod streaming {}
#[doc = include_str!("guides/keepalive.md")]
pub mod keepalive {}
#[doc = include_str!("guides/closing_and_errors.md")]
pub mod closing_and_errors {}
#[cfg(feature = "reconnect")]
#[doc = include_str!("guides/reconnecting.md")]
pub mod reconnecting {}
#[doc = include_str!("guides/limits_and_memory.md")]
pub mod limits_and_memory {}
#[doc = include_str!("guides/compression.md")]
pub mod compression {}
#[cfg(feature = "rustls")]
#[doc = include_str!("guides/tls.md")]
pub mod tls {}
#[cfg(feature = "proxy")]
#[doc = include_str!("guides/proxies.md")]
pub mod proxies {}
#[doc = include_str!("guides/authentication.md")]
pub mod authentication {}
#[doc = include_str!("guides/deployment.md")]
pub mod deployment {}
#[doc = include_str!("guides/axum_and_hyper.md")]
pub mod axum_and_hyper {}
#[doc = include_str!("guides/testing.md")]
pub mod testing {}
#[doc = include_str!("guides/how_it_is_fast.md")]
pub mod how_it_is_fast {}
#[doc = include_str!("guides/from_python.md")]
pub mod from_python {}
#[doc = include_str!("guides/from_tungstenite.md")]
pub mod from_tungstenite {}
#[doc = include_str!("guides/from_fastwebsockets.md")]
pub mod from_fastwebsockets {}
