//! [`Config`]: every limit and timeout of a connection, finite by default.

use std::time::Duration;

use crate::frame::MaskingKey;

/// The limits and timeouts of one connection.
///
/// Sizes are in bytes and inclusive: a message of exactly the limit passes. `None` lifts a limit.
///
/// ```
/// use std::time::Duration;
/// use wsimd::Config;
///
/// let config = Config::new()
///     .max_message_size(16 << 20)
///     .close_timeout(Duration::from_secs(2));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    pub(crate) max_message_size: u64,
    pub(crate) max_frame_size: u64,
    pub(crate) max_fragments: u32,
    pub(crate) max_outgoing_message_size: usize,
    pub(crate) outgoing_frame_size: usize,
    pub(crate) write_high_water: usize,
    pub(crate) open_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) masking_keys: Option<fn() -> MaskingKey>,
}

impl Config {
    /// The defaults, as the setters name them.
    pub const fn new() -> Self {
        Self {
            max_message_size: 1 << 20,
            max_frame_size: 1 << 20,
            max_fragments: 4096,
            max_outgoing_message_size: 64 << 20,
            outgoing_frame_size: usize::MAX,
            write_high_water: 64 << 10,
            open_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            max_head_size: 16 << 10,
            max_headers: 64,
            masking_keys: None,
        }
    }

    /// Limits the size of a received message. Default: 1 MiB.
    ///
    /// Sets [`max_frame_size`](Self::max_frame_size) too: a message of the limit may be one frame.
    #[must_use]
    pub fn max_message_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.max_message_size = limit.into().map_or(u64::MAX, |limit| limit as u64);
        self.max_frame_size = self.max_message_size;
        self
    }

    /// Limits the payload of a received data frame. Default: 1 MiB, or the message limit last set.
    #[must_use]
    pub fn max_frame_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.max_frame_size = limit.into().map_or(u64::MAX, |limit| limit as u64);
        self
    }

    /// Limits the number of frames of a received message. Default: 4,096.
    #[must_use]
    pub fn max_fragments(mut self, limit: impl Into<Option<u32>>) -> Self {
        self.max_fragments = limit.into().unwrap_or(u32::MAX);
        self
    }

    /// Limits the size of a message that is sent. Default: 64 MiB.
    #[must_use]
    pub fn max_outgoing_message_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.max_outgoing_message_size = limit.into().unwrap_or(usize::MAX);
        self
    }

    /// Splits sent messages into frames of at most this payload (RFC 6455 §5.4). Default: `None`,
    /// one frame for each message. Zero counts as one.
    #[must_use]
    pub fn outgoing_frame_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.outgoing_frame_size = size.into().unwrap_or(usize::MAX).max(1);
        self
    }

    /// Sets how much may be queued before `send` and `feed` wait for the socket. Default: 64 KiB.
    ///
    /// One message may exceed it: the queue holds at most this, one message more, and control frames.
    #[must_use]
    pub const fn write_high_water(mut self, bytes: usize) -> Self {
        self.write_high_water = bytes;
        self
    }

    /// Limits the time of the opening handshake. Default: 10 s.
    #[must_use]
    pub const fn open_timeout(mut self, timeout: Duration) -> Self {
        self.open_timeout = timeout;
        self
    }

    /// Limits the time of the closing handshake, from the first Close frame or failure to the end of
    /// the connection. Default: 10 s.
    #[must_use]
    pub const fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// Limits the head of the peer's handshake, all lines together. Default: 16 KiB.
    #[must_use]
    pub const fn max_head_size(mut self, bytes: usize) -> Self {
        self.max_head_size = bytes;
        self
    }

    /// Limits the number of header lines in the peer's handshake. Default: 64.
    #[must_use]
    pub const fn max_headers(mut self, lines: usize) -> Self {
        self.max_headers = lines;
        self
    }

    /// Replaces the source of masking keys, for tests that compare bytes on the wire.
    ///
    /// By default keys come from the operating system's random source, as RFC 6455 §10.3 demands:
    /// predictable keys let a page's script choose the bytes that intermediaries see.
    #[must_use]
    pub fn masking_keys(mut self, source: fn() -> MaskingKey) -> Self {
        self.masking_keys = Some(source);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
