//! RFC 6455 §5 to §9, by vectors of bytes: frames, messages, closing, text, limits and extensions.

mod chunking;
mod closing;
mod control;
mod earliest;
mod extension;
mod fragmentation;
mod framing;
mod limits;
mod pings;
mod sending;
mod utf8;
