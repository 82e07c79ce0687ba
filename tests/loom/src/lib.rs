//! The state that two tasks of the crate share, under loom, which tries every order of their locks and
//! wake-ups.
//!
//! The sources are those of the crate. Only `crate::sync` is replaced, by loom's types. A thread that
//! is never woken is a deadlock, which loom reports. The models assert that no message is lost or out
//! of order.
//!
//! The inbox holds messages of another type here, so that the models need no other module of the crate.

#![cfg(test)]

mod cork_models;
mod inbox_models;
mod socket;
mod split_lock;
mod stream;
mod task;
mod waiters_models;

#[expect(dead_code, reason = "reading and the socket's options have no model")]
#[path = "../../../src/net/cork/mod.rs"]
mod cork;

#[expect(dead_code, reason = "not all that handles can do has a model")]
#[path = "../../../src/connection/inbox/mod.rs"]
mod inbox;

#[expect(dead_code, reason = "not all that a driver asks has a model")]
#[path = "../../../src/connection/waiters.rs"]
mod waiters;

/// The counterpart of `src/sync.rs`.
mod sync {
    pub(crate) use loom::sync::{Mutex, MutexGuard, atomic::AtomicBool};

    /// Loom's macro takes no `const` blocks.
    macro_rules! loom_thread_local {
        ($($(#[$attr:meta])* static $name:ident: $t:ty = const { $init:expr };)*) => {
            $(loom::thread_local! { $(#[$attr])* static $name: $t = $init; })*
        };
    }
    pub(crate) use loom_thread_local as thread_local;
}

/// The limits of an inbox in `config::Config`.
mod config {
    #[derive(Clone)]
    pub(crate) struct Config {
        pub(crate) settings: Settings,
    }

    #[derive(Clone)]
    pub(crate) struct Settings {
        pub(crate) inbox_size: usize,
        pub(crate) inbox_bytes: usize,
    }
}

mod message {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Message(pub(crate) &'static str);

    impl Message {
        pub(crate) const fn len(&self) -> usize {
            self.0.len()
        }
    }
}

mod frame {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(crate) struct CloseFrame(pub(crate) u16);
}

mod protocol {
    use crate::frame::CloseFrame;

    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Closed {
        pub(crate) sent: Option<CloseFrame>,
        pub(crate) received: Option<CloseFrame>,
    }
}
