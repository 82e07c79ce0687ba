//! What two tasks of the crate share, under loom: every order in which their locks and wake-ups can
//! follow each other is tried.
//!
//! The sources are the crate's own. Only `crate::sync`, which is std's there, is loom's here. A thread
//! that nobody wakes is a deadlock, which loom reports; that nothing is lost or out of order is what
//! the models assert.
//!
//! The inbox of handles has no model: it is tokio's channel, which tokio itself checks with loom.

#![cfg(test)]

mod cork_models;
mod shared_models;
mod socket;
mod stream;
mod task;

#[expect(dead_code, reason = "reading and the socket's options have no model")]
#[path = "../../../src/net/cork.rs"]
mod cork;

#[path = "../../../src/connection/shared.rs"]
mod shared;

/// As `src/sync.rs`.
mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    /// Loom's takes no `const` blocks.
    macro_rules! loom_thread_local {
        ($($(#[$attr:meta])* static $name:ident: $t:ty = const { $init:expr };)*) => {
            $(loom::thread_local! { $(#[$attr])* static $name: $t = $init; })*
        };
    }
    pub(crate) use loom_thread_local as thread_local;
}
