//! JSON over connections.

mod connection;
