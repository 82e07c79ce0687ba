//! What an endpoint shows its application and puts on the wire, by section of RFC 6455.

mod control;
mod fragmentation;
mod framing;
mod limits;
mod support;
mod utf8;
