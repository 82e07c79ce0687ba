//! What an endpoint shows its application and puts on the wire, by section of RFC 6455.

mod architecture;
mod backpressure;
mod cancel;
mod chunking;
mod closing;
mod codec;
mod control;
mod fragmentation;
mod framing;
mod limits;
mod opening;
mod opening_client;
mod opening_server;
mod pings;
mod sending;
mod serving;
mod sockets;
mod support;
mod utf8;
