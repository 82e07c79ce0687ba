//! JSON over connections.

mod closures;
mod connection;
mod limits;
mod parsers;
mod places;
