//! The primitives that tasks of the crate share state with. `tests/loom` replaces this module by loom's.

pub(crate) use std::sync::{Mutex, MutexGuard, atomic::AtomicBool};
#[cfg(any(feature = "client", feature = "server"))]
pub(crate) use std::thread_local;
