//! The parts that the contestants share: the messages, the transport in memory, the counting
//! allocator, the command line and the accept loop. A contestant implements [`Contestant`] and calls
//! [`main!`].

pub mod alloc;
pub mod check;
mod cli;
pub mod corpus;
pub mod deflate;
mod echo;
pub mod http;
mod meter;
pub mod random;
pub mod rounds;
mod scenario;
mod serve;
mod stories;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
pub mod wire;

use std::{error::Error, future::Future};

pub use cli::{drive, run};
pub use deflate::Settings;
pub use echo::{decode, echo, echo_batched, encode};
pub use meter::{Job, Measured, Meter, Mode};
pub use scenario::{Content, Op, Role, Scenario};
pub use serve::{accept_loop, announce, listen};
pub use transport::MemoryTransport;

/// The error of any library.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The size that every library's message limit is raised to, in bytes.
pub const MESSAGE_LIMIT: usize = 64 << 20;

/// In memory, messages are flushed after this many: a power of two.
pub const FLUSH_EVERY: u64 = 16;

/// The description of a contestant.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The package whose version is shown.
    pub package: &'static str,
    /// Whether text messages are checked to be UTF-8, by the library or as its documentation shows.
    pub validates_text: bool,
    /// Whether the server sends back the bytes that it read, frames and all.
    pub raw: bool,
    /// Whether it decodes and encodes in memory.
    pub in_memory: bool,
    /// Whether it compresses with context takeover, or only without. `None`: it does not compress.
    pub takeover: Option<bool>,
    /// Whether it lends messages: it decodes in memory and does nothing else.
    pub lends: bool,
    /// Whether it also serves over TLS.
    pub tls: bool,
    /// The setup, and its limits.
    pub note: &'static str,
}

impl Info {
    /// Describes a library that validates text and does not compress.
    pub const fn new(package: &'static str, note: &'static str) -> Self {
        Self {
            package,
            validates_text: true,
            raw: false,
            in_memory: true,
            takeover: None,
            lends: false,
            tls: false,
            note,
        }
    }

    /// Describes a library that compresses, with context takeover or only without.
    pub const fn compressing(self, takeover: bool) -> Self {
        Self {
            takeover: Some(takeover),
            ..self
        }
    }

    /// Describes a contestant that also serves over TLS.
    pub const fn encrypting(self) -> Self {
        Self { tls: true, ..self }
    }

    /// Describes a contestant that lends messages.
    pub const fn lending(self) -> Self {
        Self {
            lends: true,
            ..self
        }
    }
}

/// One library, driven the way its own documentation advises for speed.
pub trait Contestant {
    /// The description.
    const INFO: Info;

    /// Listens, [`announce`]s the port and echoes until the process is killed.
    fn serve(_: Option<Settings>) -> impl Future<Output = ()> {
        async { panic!("{} does not serve", Self::INFO.note) }
    }

    /// As [`serve`](Self::serve), over TLS with the configuration that all contestants share.
    fn serve_tls() -> impl Future<Output = ()> {
        async { panic!("{} does not serve over TLS", Self::INFO.note) }
    }

    /// Decodes the messages of a job from `io`, after the opening handshake.
    fn decode(_: &Job, _: MemoryTransport) -> impl Future<Output = Result<Measured, BoxError>> {
        async { Err("not in memory".into()) }
    }

    /// Encodes the messages of a job into `io`, after the opening handshake.
    fn encode(_: &Job, _: MemoryTransport) -> impl Future<Output = Result<Measured, BoxError>> {
        async { Err("not in memory".into()) }
    }
}

/// Writes the main function of a contestant.
#[macro_export]
macro_rules! main {
    ($contestant:ty) => {
        fn main() -> std::process::ExitCode {
            $crate::run::<$contestant>()
        }
    };
}

/// Returns the version of a package in the workspace's Cargo.lock.
pub fn version(package: &str) -> &'static str {
    const VERSIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/versions.rs"));
    VERSIONS
        .iter()
        .rev() // the newest, where there are several
        .find(|(name, _)| *name == package)
        .map_or("unknown", |(_, version)| *version)
}
