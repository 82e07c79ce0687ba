//! `protocol::Endpoint`, without I/O and without a clock.

mod blocking;
mod closing;
mod cutting;
mod duties;
mod keepalive;
pub(crate) mod model;
