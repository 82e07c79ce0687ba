//! [`Config`]: all limits and timeouts of a connection. Every default is finite.

use std::{sync::Arc, time::Duration};

use crate::{budget::Budget, extension::Extension, frame::MaskingKey};

/// The default interval of pings, and the default ping timeout.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// The default limit of the number of frames in a received message. Each [`FRAGMENT`] bytes allow one more.
const FRAGMENTS: u32 = 4096;

/// The number of received bytes that allow one more frame by default. A frame of this size costs less than
/// a message of this size.
const FRAGMENT: u64 = 64;

/// The largest number of messages that an inbox can hold.
const MAX_INBOX: usize = usize::MAX >> 3;

/// The limits and timeouts of one connection.
///
/// Sizes are in bytes and inclusive: a message of exactly the limit is accepted. `None` removes a limit.
///
/// ```
/// use std::time::Duration;
/// use wsimd::Config;
///
/// let config = Config::new()
///     .max_message_size(16 << 20)
///     .close_timeout(Duration::from_secs(2));
/// ```
///
/// | setting | default | protects against |
/// | --- | --- | --- |
/// | [`max_message_size`](Self::max_message_size) | 1 MiB | a received message that fills the memory |
/// | [`max_frame_size`](Self::max_frame_size) | as `max_message_size` | a received frame that fills the memory |
/// | [`max_streamed_message_size`](Self::max_streamed_message_size) | 1 GiB | a streamed message without an end |
/// | [`max_fragments`](Self::max_fragments) | 4,096, and 1 for each 64 bytes | a message of endless tiny frames |
/// | [`max_outgoing_message_size`](Self::max_outgoing_message_size) | 64 MiB | a message that was not meant to be sent |
/// | [`outgoing_frame_size`](Self::outgoing_frame_size) | 256 KiB | pongs that wait behind a large frame |
/// | [`write_high_water`](Self::write_high_water) | 64 KiB | a queue that grows because the peer reads slowly |
/// | [`inbox_size`](Self::inbox_size) | 64 messages | handles that send faster than the connection |
/// | [`inbox_bytes`](Self::inbox_bytes) | 1 MiB | the same, for large messages |
/// | [`open_timeout`](Self::open_timeout) | 10 s | a peer that does not complete the opening handshake |
/// | [`close_timeout`](Self::close_timeout) | 10 s | a peer that does not complete the closing handshake |
/// | [`ping_interval`](Self::ping_interval) | 20 s if a builder opens the connection, else none | dead peers, proxies that close idle connections |
/// | [`ping_timeout`](Self::ping_timeout) | 20 s | dead peers, and peers that do not read |
/// | [`max_head_size`](Self::max_head_size) | 16 KiB | a request or response without an end |
/// | [`max_headers`](Self::max_headers) | 128 lines | a request or response of too many headers |
/// | [`extension`](Self::extension) | none | |
/// | [`masking_keys`](Self::masking_keys) | random | |
///
/// [`limits_and_memory`](crate::guides::limits_and_memory) has the memory of a connection and presets for many
/// connections and for large messages.
#[derive(Clone, Debug)]
pub struct Config {
    /// Shared by all connections that use this configuration.
    pub(crate) settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_message_size: u64,
    pub(crate) max_frame_size: u64,
    pub(crate) max_streamed_message_size: u64,
    /// `None` if unset, `u32::MAX` for no limit.
    pub(crate) max_fragments: Option<u32>,
    pub(crate) max_outgoing_message_size: usize,
    pub(crate) outgoing_frame_size: usize,
    pub(crate) write_high_water: usize,
    pub(crate) inbox_size: usize,
    pub(crate) inbox_bytes: usize,
    pub(crate) open_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// `None` if unset, `Duration::MAX` for no pings.
    pub(crate) ping_interval: Option<Duration>,
    /// `Duration::MAX` for no limit.
    pub(crate) ping_timeout: Duration,
    pub(crate) max_head_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) masking_keys: Option<fn() -> MaskingKey>,
    pub(crate) extensions: Vec<Arc<dyn Extension>>,
    /// The memory of unfinished messages that connections share. `None` for no limit.
    pub(crate) budget: Option<Arc<Budget>>,
}

impl Config {
    /// Creates a configuration with the default values, which the setters document.
    pub fn new() -> Self {
        let settings = Settings {
            max_message_size: 1 << 20,
            max_frame_size: 1 << 20,
            max_streamed_message_size: 1 << 30,
            max_fragments: None,
            max_outgoing_message_size: 64 << 20,
            outgoing_frame_size: 256 << 10,
            write_high_water: 64 << 10,
            inbox_size: 64,
            inbox_bytes: 1 << 20,
            open_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(10),
            ping_interval: None,
            ping_timeout: KEEPALIVE,
            max_head_size: 16 << 10,
            max_headers: 128,
            masking_keys: None,
            extensions: Vec::new(),
            budget: None,
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    /// Limits the size of a received message. Default: 1 MiB.
    ///
    /// Also sets [`max_frame_size`](Self::max_frame_size) to this limit, so that the message may be one
    /// frame.
    #[must_use]
    pub fn max_message_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        let limit = limit.into().map_or(u64::MAX, |limit| limit as u64);
        self.settings_mut().max_message_size = limit;
        self.settings_mut().max_frame_size = limit;
        self
    }

    /// Limits the payload of a received data frame. Default: 1 MiB, or the last message limit set.
    /// Does not apply to [streamed messages](Self::max_streamed_message_size).
    #[must_use]
    pub fn max_frame_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.settings_mut().max_frame_size = limit.into().map_or(u64::MAX, |limit| limit as u64);
        self
    }

    /// Limits the size of a message that the application receives in chunks
    /// ([`recv_stream`](crate::WebSocket::recv_stream)). Default: 1 GiB.
    ///
    /// It replaces [`max_message_size`](Self::max_message_size) and [`max_frame_size`](Self::max_frame_size) for such a
    /// message, which takes about 64 KiB of memory for any size.
    #[must_use]
    pub fn max_streamed_message_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        let limit = limit.into().map_or(u64::MAX, |limit| limit as u64);
        self.settings_mut().max_streamed_message_size = limit;
        self
    }

    /// Limits the number of frames of a received message. Default: 4,096, and one more for each 64 bytes of
    /// the message that have arrived.
    ///
    /// The default refuses messages of endless tiny frames, and allows a message of any size in frames of
    /// 64 bytes or more. With an extension, the bytes of the decoded message count. A limit that is set
    /// here does not grow with the message.
    #[must_use]
    pub fn max_fragments(mut self, limit: impl Into<Option<u32>>) -> Self {
        self.settings_mut().max_fragments = Some(limit.into().unwrap_or(u32::MAX));
        self
    }

    /// Limits the size of a sent message, or of one chunk of a message that is sent [in chunks](crate::MessageWriter).
    /// Default: 64 MiB.
    #[must_use]
    pub fn max_outgoing_message_size(mut self, limit: impl Into<Option<usize>>) -> Self {
        self.settings_mut().max_outgoing_message_size = limit.into().unwrap_or(usize::MAX);
        self
    }

    /// Cuts sent messages into frames of at most this payload (RFC 6455 §5.4). Default: 256 KiB. `None`
    /// sends each message in one frame, but for messages that are sent [in chunks](crate::MessageWriter). Zero counts as
    /// one.
    ///
    /// A frame is cut and masked when the queue has room for it. Pongs and Close frames are sent between
    /// the frames of a message, so a larger frame delays them for longer. An extension encodes a message in
    /// pieces of at most 32 KiB, and the encoded bytes are cut. A connection keeps the encoded bytes until
    /// they fill a frame. With `None`, it keeps them until the whole message is encoded.
    #[must_use]
    pub fn outgoing_frame_size(mut self, size: impl Into<Option<usize>>) -> Self {
        self.settings_mut().outgoing_frame_size = size.into().unwrap_or(usize::MAX).max(1);
        self
    }

    /// Sets the number of queued bytes above which `send`, `feed`, `reserve` and `ping` wait for the stream.
    /// Default: 64 KiB.
    ///
    /// The queue holds at most this number of bytes, one frame more
    /// ([`outgoing_frame_size`](Self::outgoing_frame_size)), and control frames. Above this number, the
    /// messages of [handles](crate::connection::Handle) stay in their inbox, and only the newest pong is
    /// kept.
    #[must_use]
    pub fn write_high_water(mut self, bytes: usize) -> Self {
        self.settings_mut().write_high_water = bytes;
        self
    }

    /// Limits the number of messages that wait in the inbox of a connection's
    /// [handles](crate::connection::Handle). Default: 64. Zero counts as one.
    #[must_use]
    pub fn inbox_size(mut self, messages: usize) -> Self {
        self.settings_mut().inbox_size = messages.clamp(1, MAX_INBOX);
        self
    }

    /// Limits the payload bytes that wait in the inbox of a connection's
    /// [handles](crate::connection::Handle). Default: 1 MiB.
    ///
    /// An empty inbox accepts a message of any size. `None` removes the limit.
    #[must_use]
    pub fn inbox_bytes(mut self, bytes: impl Into<Option<usize>>) -> Self {
        self.settings_mut().inbox_bytes = bytes.into().unwrap_or(usize::MAX);
        self
    }

    /// Limits the time of the opening handshake. Default: 10 s.
    ///
    /// For a client, that is the time from the resolution of the name to the response: with the attempts to connect, a
    /// proxy, the TLS handshake and all redirects. For a server, it includes the TLS handshake.
    #[must_use]
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut().open_timeout = timeout;
        self
    }

    /// Limits the time of the closing handshake. Default: 10 s.
    ///
    /// The time starts with the first of these events: the call that requests our Close frame, the peer's
    /// Close frame or violation, a failure of the stream. It ends with the connection. Messages that were
    /// accepted before our Close frame have to be written within this time.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.settings_mut().close_timeout = timeout;
        self
    }

    /// Sends a ping at this interval, to detect dead peers and to keep NATs and proxies from dropping the
    /// connection. `None` disables the keepalive. Default: 20 s on connections that
    /// [`ClientBuilder`](crate::ClientBuilder) or [`ServerBuilder`](crate::ServerBuilder) opens, `None` on
    /// others.
    ///
    /// The keepalive runs in every call that waits. A connection that is not polled sends no ping and
    /// detects no dead peer.
    #[must_use]
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings_mut().ping_interval = Some(interval.into().unwrap_or(Duration::MAX));
        self
    }

    /// Limits the time without a sign of life from the peer. `None` removes the limit. Default: 20 s.
    /// Applies only with a [`ping_interval`](Self::ping_interval).
    ///
    /// - While bytes wait to be written, only bytes that the stream takes are a sign of life. A peer that
    ///   takes no bytes for this time is considered dead, even if bytes arrive from it.
    /// - Otherwise only bytes that arrive are a sign of life. A peer is considered dead if no bytes arrive
    ///   for this time after a ping.
    ///
    /// The connection then ends with [`Timeout::Ping`](crate::Timeout::Ping). The time also limits the wait
    /// of [`Handle::send`](crate::connection::Handle::send) for a connection that takes no message, which ends with
    /// [`Timeout::Inbox`](crate::Timeout::Inbox).
    #[must_use]
    pub fn ping_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings_mut().ping_timeout = timeout.into().unwrap_or(Duration::MAX);
        self
    }

    /// Limits the head of the peer's handshake, in bytes: all lines together. Default: 16 KiB.
    #[must_use]
    pub fn max_head_size(mut self, bytes: usize) -> Self {
        self.settings_mut().max_head_size = bytes;
        self
    }

    /// Limits the number of header lines in the peer's handshake. Default: 128.
    #[must_use]
    pub fn max_headers(mut self, lines: usize) -> Self {
        self.settings_mut().max_headers = lines;
        self
    }

    /// Adds an extension, behind the earlier ones. A client offers it, and a server accepts it if the
    /// client offers it. Default: none. A client can offer one extension of each name.
    ///
    /// [`Deflate`](crate::extension::Deflate) compresses messages.
    #[must_use]
    pub fn extension(mut self, extension: impl Extension + 'static) -> Self {
        self.settings_mut().extensions.push(Arc::new(extension));
        self
    }

    /// Returns the extensions in the order in which they were added.
    pub(crate) fn extensions(&self) -> &[Arc<dyn Extension>] {
        &self.settings.extensions
    }

    /// Replaces the source of masking keys, for tests that compare bytes on the wire.
    ///
    /// By default masking keys are unpredictable, as RFC 6455 §10.3 demands
    /// ([`random_masking_key`](crate::protocol::random_masking_key)). With predictable keys, the script of
    /// a web page could choose the bytes that intermediaries see.
    #[must_use]
    pub fn masking_keys(mut self, source: fn() -> MaskingKey) -> Self {
        self.settings_mut().masking_keys = Some(source);
        self
    }

    /// Sets the ping interval to its default, unless an interval was set.
    #[cfg_attr(
        not(any(feature = "client", feature = "server")),
        expect(dead_code, reason = "for those who open connections")
    )]
    pub(crate) fn with_keepalive(mut self) -> Self {
        self.settings_mut().ping_interval.get_or_insert(KEEPALIVE);
        self
    }

    /// Sets the memory that the unfinished messages of all connections with this budget share.
    #[cfg_attr(
        not(any(feature = "server", test)),
        expect(dead_code, reason = "for servers")
    )]
    pub(crate) fn with_budget(mut self, budget: Option<Arc<Budget>>) -> Self {
        self.settings_mut().budget = budget;
        self
    }

    fn settings_mut(&mut self) -> &mut Settings {
        Arc::make_mut(&mut self.settings)
    }
}

impl Settings {
    /// Returns the number of frames that a message may have when `len` bytes of it have arrived.
    pub(crate) fn max_fragments(&self, len: u64) -> u32 {
        self.max_fragments.unwrap_or_else(|| {
            let more = u32::try_from(len / FRAGMENT).unwrap_or(u32::MAX);
            FRAGMENTS.saturating_add(more)
        })
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
