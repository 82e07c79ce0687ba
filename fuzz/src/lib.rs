//! Fuzz targets, each a plain function of bytes that panics when a property does not hold.
//!
//! `cargo test` in this folder replays the seeds of `corpus/<target>/` and mutations of them on
//! stable Rust. With cargo-fuzz, from the project's folder:
//!
//! ```text
//! cargo +nightly fuzz run --features libfuzzer receive fuzz/target/receive fuzz/corpus/receive
//! ```
//!
//! The first folder, which must exist, takes what the fuzzer finds; the second holds the seeds, and
//! is only read. `cargo run --example seeds` writes the seeds anew.
//!
//! Inputs begin with a fixed number of bytes that choose role, limits and how the rest is cut into
//! pieces; each target says how. They are laid out by hand, so that seeds can be written down and
//! a mutation stays local.

mod frame_codec;
mod handshake;
mod header;
mod receive;
mod roundtrip;
mod split;

pub use frame_codec::frame_codec;
pub use handshake::{request, response};
pub use header::header;
pub use receive::receive;
pub use roundtrip::roundtrip;

use wsimd::frame::{MaskingKey, Role};

/// A role from a bit of the input.
const fn role(is_server: bool) -> Role {
    if is_server {
        Role::Server
    } else {
        Role::Client
    }
}

/// The role at the other end.
const fn peer_of(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

/// A masking key that is the same in every run (RFC 6455 §5.7), so that findings can be repeated.
const fn masking_key() -> MaskingKey {
    MaskingKey::new([0x37, 0xfa, 0x21, 0x3d])
}
