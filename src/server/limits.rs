//! [`Limits`]: how many clients a server has at a time, and for how long.

use std::time::Duration;

/// The limits of a server over all its connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    /// `usize::MAX` for no limit.
    pub(super) per_address: usize,
    pub(super) handshakes: usize,
    pub(super) lifetime: Option<Duration>,
    /// The memory of unfinished messages, in bytes.
    pub(super) unfinished_bytes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 65_536,
            per_address: usize::MAX,
            handshakes: 1024,
            lifetime: None,
            unfinished_bytes: Some(1 << 30),
        }
    }
}
