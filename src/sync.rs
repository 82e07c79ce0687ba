//! The primitives through which tasks share state. `tests/loom` replaces this module with loom's types.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) use std::thread_local;
