//! JSON over connections.

mod connection;
mod parsers;
