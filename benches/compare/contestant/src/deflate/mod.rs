//! What contestants of the part `deflate` share: messages compressed with permessage-deflate
//! (RFC 7692), in memory and as an echo server. One implements [`Deflating`] and calls [`run`].

mod cli;
mod job;
mod list;
mod pipe;
mod settings;

use std::future::Future;

use crate::BoxError;

pub use cli::run;
pub use job::{Job, Meter, put_frame};
pub use list::{read_list, write_list};
pub use pipe::Pipe;
pub use settings::Settings;

/// What a message ends with once it is flushed, and is sent without (RFC 7692 §7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// What a contestant says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The name of the row in tables.
    pub name: &'static str,
    /// The package whose version is shown.
    pub package: &'static str,
    /// Whether it is a compressor and no WebSocket library: a limit, which serves nothing.
    pub limit: bool,
    /// Whether it can compress with context takeover.
    pub takeover: bool,
    /// Whether text messages are checked to be UTF-8.
    pub validates_text: bool,
    /// How it was set up, and what could not be set.
    pub note: &'static str,
}

/// One library with compression on. In memory it is the server: it receives masked frames.
pub trait Deflating {
    /// Describes the contestant.
    fn info() -> Info;

    /// Listens, [`announce`](crate::announce)s the port and echoes for ever.
    fn serve(settings: Settings) -> impl Future<Output = ()>;

    /// Sends the messages of a job, pass after pass, into `io`, its opening handshake being done.
    fn compress(job: &Job, io: Pipe) -> impl Future<Output = Result<Meter, BoxError>>;

    /// Receives the messages of a job, pass after pass, out of `io`.
    fn inflate(job: &Job, io: Pipe) -> impl Future<Output = Result<Meter, BoxError>>;
}
