//! RFC 7692, permessage-deflate: compressed messages, windows, limits and contexts.

mod contexts;
mod limits;
pub(crate) mod receiving;
mod roundtrip;
mod sending;
mod windows;
mod yielding;
