//! permessage-deflate (RFC 7692), which compresses messages with DEFLATE.

mod compress;
mod decompress;
mod params;
mod pool;

use std::collections::VecDeque;

use self::{
    compress::Compressor,
    decompress::{Budget, Decompressor, Ends},
    params::{Bits, Contexts, DeflateParams, Direction},
    pool::CompressorSettings,
};
use super::{Coders, Extension, NegotiationError, Params};
use crate::frame::{Role, Rsv};

/// The end of a compressed message, which its sender removes (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The settings of permessage-deflate (RFC 7692), which compresses messages with DEFLATE.
///
/// The extension is off unless it is added to a [`Config`](crate::Config):
///
/// ```
/// use wsimd::{Config, extension::Deflate};
///
/// let config = Config::new().extension(Deflate::new());
/// ```
///
/// # Memory
///
/// A connection allocates memory for a direction with the first compressed message in that direction:
///
/// | | to send | to receive |
/// | --- | ---: | ---: |
/// | with context takeover, messages flowing, 15 bits | 371 KiB | 46 KiB and the last 32 KiB received |
/// | 12 bits, [`memory_level`](Self::memory_level) 5 | 161 KiB | 46 KiB and the last 4 KiB |
/// | 9 bits, `memory_level` 1 | 134 KiB | 46 KiB and the last 0.5 KiB |
/// | with context takeover, idle for two [ping intervals] | – | the last 32, 4 or 0.5 KiB |
/// | without context takeover, between messages | – | – |
///
/// [ping intervals]: crate::Config::ping_interval
///
/// Without context takeover ([`no_context_takeover`](Self::no_context_takeover)), the connections of a thread
/// share a few contexts. Each message is then compressed on its own. Short messages hardly get smaller that
/// way, and take two to six times as long.
///
/// A thread keeps up to four contexts of each kind, and a block of 128 KiB for inflated bytes, until it ends.
///
/// # Secrets
///
/// The length of a compressed message can reveal its content (CRIME, BREACH). The attack requires an attacker
/// who sees the length, and who can insert text into the same message or into an earlier one. Send secrets
/// with [`Compress::Never`](super::Compress::Never), or leave compression off.
///
/// # Limits
///
/// [`Config::max_message_size`](crate::Config::max_message_size) applies to the inflated message. Inflating
/// stops at the limit. [`max_ratio`](Self::max_ratio) limits the total of many small messages.
///
/// A DEFLATE stream may end within a message (BFINAL), and another stream may follow. A peer may end one
/// stream per frame, and one per KiB of compressed payload. It may save up to 16 unused ends. A peer that
/// ends more streams is closed with 1008.
#[derive(Clone, Debug)]
pub struct Deflate {
    parameters: DeflateParams,
    level: u8,
    memory_level: u8,
    threshold: usize,
    budget: Option<Budget>,
}

impl Deflate {
    /// Creates the default settings, which the setters document.
    pub const fn new() -> Self {
        Self {
            parameters: DeflateParams {
                client_max_window_bits: Bits::Any,
                ..DeflateParams::NONE
            },
            level: 1,
            memory_level: 8,
            threshold: 128,
            budget: None,
        }
    }

    /// Compresses each message on its own, in both directions (RFC 7692 §7.1.1). Default: a message refers
    /// to the previous messages, unless the peer declines that.
    #[must_use]
    pub const fn no_context_takeover(self) -> Self {
        self.server_no_context_takeover(true)
            .client_no_context_takeover(true)
    }

    /// Sets whether the server compresses each message on its own (§7.1.1.1). Default: `false`.
    ///
    /// A client with `true` fails the handshake if the server's response lacks the parameter.
    #[must_use]
    pub const fn server_no_context_takeover(mut self, without: bool) -> Self {
        self.parameters.server_no_context_takeover = without;
        self
    }

    /// Sets whether the client compresses each message on its own (§7.1.1.2). Default: `false`.
    #[must_use]
    pub const fn client_no_context_takeover(mut self, without: bool) -> Self {
        self.parameters.client_no_context_takeover = without;
        self
    }

    /// Limits the window of the server's messages to 2^`bits` bytes (§7.1.2.1). `bits` is clamped to the
    /// range 8 to 15. With `None`, the limit of the peer applies, or 15 bits. Default: `None`.
    ///
    /// A client with a limit fails the handshake if the server does not confirm the limit or a lower one.
    #[must_use]
    pub fn server_max_window_bits(mut self, bits: impl Into<Option<u8>>) -> Self {
        self.parameters.server_max_window_bits = bits.into().map(window_bits);
        self
    }

    /// Limits the window of the client's messages to 2^`bits` bytes (§7.1.2.2). `bits` is clamped to the
    /// range 8 to 15. With `None`, there is no limit, and a client does not offer the parameter. Default: a
    /// client allows the server to set a limit, and a server sets no limit.
    ///
    /// A server with a limit declines an offer without the parameter.
    #[must_use]
    pub fn client_max_window_bits(mut self, bits: impl Into<Option<u8>>) -> Self {
        self.parameters.client_max_window_bits = match bits.into() {
            Some(bits) => Bits::Max(window_bits(bits)),
            None => Bits::Absent,
        };
        self
    }

    /// Sets the compression level, from 1 (fastest) to 9 (smallest). Other values are clamped. Default: 1.
    ///
    /// For example, a message of 108 bytes follows similar messages. Level 1 compresses it to 53 bytes in
    /// 0.4 µs, and level 6 to 43 bytes in 5 µs.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.clamp(1, 9);
        self
    }

    /// Sets the memory of the compressor without its window, from 1 to 9. Other values are clamped.
    /// Default: 8.
    ///
    /// Each step doubles the memory: 56 KiB at 7, 112 KiB at 8, 224 KiB at 9.
    #[must_use]
    pub fn memory_level(mut self, level: u8) -> Self {
        self.memory_level = level.clamp(1, 9);
        self
    }

    /// Sets the length in bytes below which messages are sent uncompressed. Default: 128.
    ///
    /// [`Compress::Always`](super::Compress::Always) overrides the threshold.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Limits the inflated bytes of received messages to `ratio` times their compressed bytes, plus `burst`
    /// bytes. At the end of a message, any unused budget beyond `burst` expires. A peer that exceeds the
    /// limit is closed with 1008. Default: no limit except the limit of each message,
    /// [`Config::max_message_size`](crate::Config::max_message_size).
    ///
    /// The whole payload of a frame counts as received once the frame's header has arrived. An unfinished
    /// frame is therefore limited by `max_message_size` only.
    ///
    /// The end of a DEFLATE stream (BFINAL) counts as inflated bytes, because the setup of the next stream
    /// takes time. It counts as one byte per 64 bytes of history, which is at most 512 bytes, and as zero
    /// bytes without context takeover.
    ///
    /// The highest ratio of DEFLATE is 1,032. A message that repeats the previous one reaches some hundreds.
    #[must_use]
    pub const fn max_ratio(mut self, ratio: u32, burst: u64) -> Self {
        self.budget = Some(Budget::new(ratio, burst));
        self
    }

    fn coders(&self, role: Role, contexts: Contexts) -> Coders {
        let (ours, theirs) = match role {
            Role::Server => (contexts.server, contexts.client),
            Role::Client => (contexts.client, contexts.server),
        };
        Coders::new(self.compressor(ours), self.decompressor(theirs))
    }

    fn compressor(&self, direction: Direction) -> Compressor {
        Compressor {
            settings: CompressorSettings {
                level: self.level,
                memory_level: self.memory_level,
                // zlib has no window of 8 bits. With 9 bits, it refers back by at most 250 bytes, which a
                // window of 8 bits allows.
                window_bits: direction.window_bits.max(9),
            },
            takeover: direction.takeover,
            threshold: self.threshold,
            within: false,
            flushed: false,
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
        let (response, contexts) = params::accept(self.parameters, offer)?;
        Ok((response, self.coders(Role::Server, contexts)))
    }

    fn confirm(&self, response: &Params) -> Result<Coders, NegotiationError> {
        let contexts = params::confirm(self.parameters, response)?;
        Ok(self.coders(Role::Client, contexts))
    }
}

/// Returns the increase of one of zlib's counters during one call. It is at most the length of a buffer.
fn difference(before: u64, after: u64) -> usize {
    usize::try_from(after - before).unwrap_or(usize::MAX)
}

fn window_bits(bits: u8) -> u8 {
    bits.clamp(8, 15)
}
