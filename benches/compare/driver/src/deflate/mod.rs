//! The part of permessage-deflate: codecs in memory beside zlib, echo servers on loopback, and memory
//! of idle connections, all with compression agreed on.

mod codec;
mod corpus;
mod echo;
mod epoll;
mod idle;
mod load;
mod plan;
mod python;
mod replies;
mod traffic;
mod zlib;

pub use echo::smoke;
pub use plan::Plan;

use crate::{Outcome, session::Session};

/// What the records of this part are labelled with.
pub const CODEC: &str = "deflate";
pub const ECHO: &str = "deflate-echo";
pub const IDLE: &str = "deflate-idle";

/// What codecs are compared with, and the same under another name.
pub const ZLIB: &str = "zlib-deflate";
pub const ZLIB_AGAIN: &str = "zlib-deflate (again)";
/// What servers are compared with, and the same under another name.
pub const OURS: &str = "wsimd-deflate";
pub const OURS_AGAIN: &str = "wsimd-deflate (again)";
/// The row of Python's `websockets`, which takes no part but in the sizes.
pub const PYTHON: &str = "python-websockets";

/// Whether a program takes part in this part, and in no other.
pub fn is_contestant(name: &str) -> bool {
    name.ends_with("-deflate")
}

pub fn run(session: &mut Session) -> Outcome<()> {
    codec::run(session)?;
    echo::run(session)?;
    idle::run(session)
}
