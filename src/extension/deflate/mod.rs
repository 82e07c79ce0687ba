//! permessage-deflate (RFC 7692): messages compressed with DEFLATE.

mod compress;
mod decompress;
mod params;
mod pool;

use std::collections::VecDeque;

use self::{
    compress::Compressor,
    decompress::{Budget, Decompressor, Ends},
    params::{Agreed, Bits, Direction, Parameters},
    pool::Settings,
};
use super::{Coders, Extension, NegotiationError, Params};
use crate::frame::{Role, Rsv};

/// What a compressed message ends with, and is sent without (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The settings of permessage-deflate (RFC 7692): messages compressed with DEFLATE.
///
/// Off unless it is added to a [`Config`](crate::Config):
///
/// ```
/// use wsimd::{Config, extension::Deflate};
///
/// let config = Config::new().extension(Deflate::new());
/// ```
///
/// # Memory
///
/// A connection takes memory for a direction once a message is compressed in it:
///
/// | | to send | to receive |
/// | --- | ---: | ---: |
/// | with context takeover, messages flowing, 15 bits | 371 KiB | 46 KiB and the last 32 KiB received |
/// | 12 bits, [`memory_level`](Self::memory_level) 5 | 161 KiB | 46 KiB and the last 4 KiB |
/// | 9 bits, `memory_level` 1 | 134 KiB | 46 KiB and the last 0.5 KiB |
/// | with context takeover, idle for two [ping intervals](crate::Config::ping_interval) | – | the last 32, 4, 0.5 KiB |
/// | without context takeover, between messages | – | – |
///
/// Without context takeover ([`no_context_takeover`](Self::no_context_takeover)) the connections of a
/// thread share a few contexts. Messages are then compressed each by itself: short ones hardly get
/// smaller, and take two to six times as long.
///
/// A thread keeps up to four contexts of each kind, and a block of 128 KiB to inflate into, until it ends.
///
/// # Secrets
///
/// Whoever sees how long a compressed message is, and can put text of their own into it or into one
/// before it, can find out what else is in there (CRIME, BREACH). Send secrets with
/// [`Compress::Never`](super::Compress::Never), or leave compression off.
///
/// # Limits
///
/// The limits of [`Config`](crate::Config) are those of inflated messages. Inflating stops at the
/// limit. [`max_ratio`](Self::max_ratio) limits what many small messages inflate to.
///
/// A DEFLATE stream may end within a message (BFINAL), and another may follow. A peer may end one stream in
/// each frame and one in each KiB of compressed payload. It may save up ends that it does not use, at most
/// 16. A peer that ends more is closed with 1008.
#[derive(Clone, Debug)]
pub struct Deflate {
    parameters: Parameters,
    level: u8,
    memory_level: u8,
    threshold: usize,
    budget: Option<Budget>,
}

impl Deflate {
    /// The default settings, as the setters name them.
    pub const fn new() -> Self {
        Self {
            parameters: Parameters {
                client_max_window_bits: Bits::Any,
                ..Parameters::NONE
            },
            level: 1,
            memory_level: 8,
            threshold: 128,
            budget: None,
        }
    }

    /// Compresses each message by itself, in both directions (RFC 7692 §7.1.1). Default: messages
    /// refer to those before, unless the peer does not want that.
    #[must_use]
    pub const fn no_context_takeover(self) -> Self {
        self.server_no_context_takeover(true)
            .client_no_context_takeover(true)
    }

    /// Whether the server is to compress each message by itself (§7.1.1.1). Default: `false`.
    ///
    /// A client that asks for it fails the handshake if the server does not agree.
    #[must_use]
    pub const fn server_no_context_takeover(mut self, without: bool) -> Self {
        self.parameters.server_no_context_takeover = without;
        self
    }

    /// Whether the client is to compress each message by itself (§7.1.1.2). Default: `false`.
    #[must_use]
    pub const fn client_no_context_takeover(mut self, without: bool) -> Self {
        self.parameters.client_no_context_takeover = without;
        self
    }

    /// Limits how far back the server's messages refer, to 2^`bits` bytes (§7.1.2.1): 8 to 15, the
    /// nearest counts. Default: `None`, as the client wants, or 15.
    ///
    /// A client that asks for it fails the handshake if the server does not agree.
    #[must_use]
    pub fn server_max_window_bits(mut self, bits: impl Into<Option<u8>>) -> Self {
        self.parameters.server_max_window_bits = bits.into().map(window_bits);
        self
    }

    /// Limits how far back the client's messages refer, to 2^`bits` bytes (§7.1.2.2): 8 to 15, the
    /// nearest counts. `None` is no limit, and a client then does not offer one. Default: a client
    /// lets the server set a limit, a server sets none.
    ///
    /// A server that sets one declines clients that do not offer the parameter.
    #[must_use]
    pub fn client_max_window_bits(mut self, bits: impl Into<Option<u8>>) -> Self {
        self.parameters.client_max_window_bits = match bits.into() {
            Some(bits) => Bits::Max(window_bits(bits)),
            None => Bits::Absent,
        };
        self
    }

    /// Sets how hard to compress: from 1, fast, to 9, small; the nearest counts. Default: 1.
    ///
    /// Of a message of 108 bytes, behind others like it, level 1 makes 53 bytes in 0.4 µs, level 6
    /// makes 43 in 5 µs.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Sets how much memory to compress with, beside the window: from 1 to 9, the nearest counts.
    /// Default: 8. Each step doubles it: 224 KiB at 9, 112 at 8, 56 at 7.
    #[must_use]
    pub fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = level.clamp(1, 9);
        self
    }

    /// Sends messages of fewer bytes as they are, unless [`Compress`](super::Compress) says otherwise.
    /// Default: 128.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Limits what received messages inflate to: `ratio` times of what was received, and `burst`
    /// bytes beyond. A peer that exceeds it is closed with 1008. Default: no limit but that of each
    /// message, [`Config::max_message_size`](crate::Config::max_message_size).
    ///
    /// A frame counts whole once its header has arrived; what a single unfinished frame inflates to has the
    /// limit of its message alone.
    ///
    /// The end of a DEFLATE stream (BFINAL) counts too, because the next stream takes time before it
    /// inflates to anything: one byte for 64 bytes that it may refer to, which is at most 512 bytes, and
    /// none without context takeover.
    ///
    /// DEFLATE reaches 1,032. A message that repeats the one before reaches some hundreds.
    #[must_use]
    pub const fn max_ratio(mut self, ratio: u32, burst: u64) -> Self {
        self.budget = Some(Budget::new(ratio, burst));
        self
    }

    fn coders(&self, role: Role, agreed: Agreed) -> Coders {
        let (ours, theirs) = match role {
            Role::Server => (agreed.server, agreed.client),
            Role::Client => (agreed.client, agreed.server),
        };
        Coders::new(self.compressor(ours), self.decompressor(theirs))
    }

    fn compressor(&self, direction: Direction) -> Compressor {
        Compressor {
            settings: Settings {
                level: self.level,
                memory_level: self.memory_level,
                // zlib has no window of 8 bits; with 9 it refers back by 250 bytes at the most.
                window_bits: direction.window_bits.max(9),
            },
            takeover: direction.takeover,
            threshold: self.threshold,
            within: false,
            used: false,
            context: None,
        }
    }

    fn decompressor(&self, direction: Direction) -> Decompressor {
        Decompressor {
            window: match direction.takeover {
                true => 1 << direction.window_bits,
                false => 0,
            },
            compressed: false,
            fin: true,
            within: false,
            used: false,
            context: None,
            history: VecDeque::new(),
            budget: self.budget,
            ends: Ends::new(),
        }
    }
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Extension for Deflate {
    fn name(&self) -> &str {
        "permessage-deflate"
    }

    fn rsv(&self) -> Rsv {
        Rsv::RSV1
    }

    fn offers(&self) -> Vec<Params> {
        vec![self.parameters.write()]
    }

    fn accept(&self, offer: &Params) -> Result<(Params, Coders), NegotiationError> {
        let (response, agreed) = params::accept(self.parameters, offer)?;
        Ok((response, self.coders(Role::Server, agreed)))
    }

    fn confirm(&self, response: &Params) -> Result<Coders, NegotiationError> {
        let agreed = params::confirm(self.parameters, response)?;
        Ok(self.coders(Role::Client, agreed))
    }
}

/// How far one of zlib's counters went in one call: no further than a buffer is long.
fn advanced(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

fn window_bits(bits: u8) -> u8 {
    bits.clamp(8, 15)
}
