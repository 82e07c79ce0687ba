//! What the contestants share: the corpus, the transport in memory, the counting allocator, the
//! command line, and the accept loop. A contestant implements [`Contestant`] and calls [`run`].

pub mod alloc;
mod cli;
pub mod corpus;
pub mod deflate;
mod echo;
pub mod http;
pub mod json;
mod meter;
mod scenario;
mod serve;
mod transport;
pub mod wire;

use std::{error::Error, future::Future};

pub use cli::run;
pub use echo::echo_batched;
pub use meter::{Decode, Encode, Measured, Meter};
pub use scenario::{Content, Op, Role, Scenario};
pub use serve::{Runtime, accept_loop, announce, listen};
pub use transport::MemoryTransport;

/// Whatever a library fails with.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The size that every library's message limit is raised to, in bytes.
pub const MESSAGE_LIMIT: usize = 64 << 20;

/// In memory, messages are flushed after this many.
pub const FLUSH_EVERY: u64 = 16;

/// What a contestant says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name of the row in tables.
    pub name: &'static str,
    /// The package whose version is shown.
    pub package: &'static str,
    /// Whether text messages are checked to be UTF-8, by the library or as its documentation shows.
    pub validates_text: bool,
    /// Whether the server sends back the bytes it read, frames and all.
    pub raw: bool,
    /// The roles in which it decodes in memory.
    pub decode: &'static [Role],
    /// The roles in which it encodes in memory.
    pub encode: &'static [Role],
    /// How it was set up, and what it cannot do.
    pub note: &'static str,
}

/// One library, driven the way its own documentation advises for speed.
pub trait Contestant {
    /// Describes the contestant.
    fn info() -> Info;

    /// Says why a scenario cannot be run, if so.
    fn unsupported(scenario: &Scenario) -> Option<&'static str> {
        let info = Self::info();
        let roles = match scenario.op {
            Op::Decode => info.decode,
            Op::Encode => info.encode,
        };
        (!roles.contains(&scenario.role)).then_some(info.note)
    }

    /// Listens, [`announce`]s the port and echoes for ever.
    fn serve() -> impl Future<Output = ()>;

    /// Runs [`serve`](Self::serve) on the runtime asked for.
    fn serve_on(runtime: Runtime) {
        serve::block_on(runtime, Self::serve());
    }

    /// Decodes the messages of a job, which come out of `io`, its opening handshake being done.
    fn decode(
        job: &Decode,
        io: MemoryTransport,
    ) -> impl Future<Output = Result<Measured, BoxError>>;

    /// Encodes the messages of a job into `io`, its opening handshake being done.
    fn encode(
        job: &Encode,
        io: MemoryTransport,
    ) -> impl Future<Output = Result<Measured, BoxError>>;
}

/// Both roles, for [`Info`].
pub const BOTH: &[Role] = &[Role::Server, Role::Client];

/// Returns the version of a package in the workspace's Cargo.lock.
pub fn version(package: &str) -> &'static str {
    const VERSIONS: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/versions.rs"));
    VERSIONS
        .iter()
        .rev() // the newest, where there are several
        .find(|(name, _)| *name == package)
        .map_or("unknown", |(_, version)| *version)
}
