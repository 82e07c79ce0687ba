//! What two tasks share is locked with: one place, so that a model checker can put its own here.

pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) use std::thread_local;
