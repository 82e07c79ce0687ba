//! `serve` and its handlers, over sockets.

mod cork;
mod tasks;
mod unsent;
mod waits;
