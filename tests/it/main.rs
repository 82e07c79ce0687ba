//! Tests of the public API: the events that an application sees, and the bytes on the wire.
//!
//! `rfc6455`, `rfc7692` and `opening` are named after sections of the RFCs. `closing` is the matrix of the ends of a
//! connection. `endpoint`, `connection`, `codec`, `proxy` and `serve` test the parts of the crate.

mod architecture;
mod closing;
mod codec;
mod connection;
mod conversions;
mod endpoint;
mod errors;
#[cfg(feature = "json")]
mod json;
mod network;
mod opening;
#[cfg(feature = "proxy")]
mod proxy;
mod rfc6455;
mod rfc7692;
mod send;
#[cfg(feature = "serde")]
mod serde_shapes;
mod serve;
mod support;
