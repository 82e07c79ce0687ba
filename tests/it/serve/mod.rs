//! `serve` and its handlers, over sockets.

mod cork;
mod openings;
mod sockets;
mod tasks;
mod unsent;
mod waits;
