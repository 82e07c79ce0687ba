//! Fuzz targets, each a plain function of bytes that panics when a property does not hold.
//!
//! `cargo test` in this folder replays the seeds of `corpus/<target>/` and mutations of them on
//! stable Rust. With cargo-fuzz, from the project's folder:
//!
//! ```text
//! cargo +nightly fuzz run --features libfuzzer receive fuzz/target/receive fuzz/corpus/receive
//! ```
//!
//! The first folder, which must exist, receives the inputs that the fuzzer finds. The second one holds
//! the seeds, which are only read.
//!
//! An input begins with a fixed number of bytes for the role, the limits, and the lengths of the pieces
//! into which the rest is cut. The documentation of each target has the layout, which is simple enough
//! for seeds written by hand, and keeps a mutation local.

mod deflate;
mod deflate_roundtrip;
mod endpoint;
mod frame_codec;
mod handshake;
mod header;
mod inflate;
mod json;
mod kernels;
mod lend;
mod mask;
mod receive;
mod roundtrip;
mod split;
mod stream;
mod utf8;

/// The models of two endpoints and of two connections, and the inflater, which belong to the crate's own tests.
#[path = "../../tests/it/support"]
mod model {
    #![allow(dead_code, reason = "the crate's own tests use more of it")]
    pub(crate) mod checks;
    pub(crate) mod frames;
    pub(crate) mod inflater;
    pub(crate) mod pair;
    pub(crate) mod side;
    pub(crate) mod story;
    pub(crate) mod stream_story;
    pub(crate) mod tasks;
}

pub use deflate_roundtrip::deflate_roundtrip;
pub use endpoint::endpoint;
pub use frame_codec::frame_codec;
pub use handshake::{request, response};
pub use header::header;
pub use inflate::inflate;
pub use json::json;
pub use lend::lend;
pub use mask::mask;
pub use receive::receive;
pub use roundtrip::roundtrip;
pub use stream::stream;
pub use utf8::utf8;

use wsimd::frame::{MaskingKey, Role};

/// A role from a bit of the input.
const fn role(is_server: bool) -> Role {
    if is_server {
        Role::Server
    } else {
        Role::Client
    }
}

/// A fixed masking key (RFC 6455 §5.7), so that a finding can be repeated.
const fn masking_key() -> MaskingKey {
    MaskingKey::new([0x37, 0xfa, 0x21, 0x3d])
}

/// A text of exactly `len` bytes. `kind` chooses the characters.
fn text(kind: u8, len: usize) -> String {
    const ALPHABETS: [&str; 4] = ["Hello, ", "{\"é\":1}", "κόσμε-", "日本😀\u{7ff}"];
    let alphabet = ALPHABETS[usize::from(kind >> 3) % ALPHABETS.len()];
    let mut text = String::with_capacity(len);
    for char in alphabet.chars().cycle() {
        if text.len() + char.len_utf8() > len {
            break;
        }
        text.push(char);
    }
    text.extend(std::iter::repeat_n('.', len - text.len()));
    text
}
