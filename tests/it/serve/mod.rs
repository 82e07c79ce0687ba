//! `serve` and its handlers, over sockets.

mod cork;
mod handlers;
mod limits;
mod listeners;
mod openings;
mod reports;
mod shutdown;
mod sockets;
mod streaming;
mod tasks;
#[cfg(feature = "tracing")]
mod traces;
mod unsent;
mod waits;
