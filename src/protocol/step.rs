//! [`Step`]: how the owner of a stream winds it up.
//!
//! ```text
//!            a Close frame or a violation of the peer
//! ┌──────────┐    ┌───────┐ server ┌───────────┐    ┌──────────────────┐    ┌──────┐
//! │ Continue ├───▶│ Flush ├───────▶│ HalfClose ├───▶│ Drain or Discard ├───▶│ Done │
//! └┬──┬──────┘    └───┬───┘        └───────────┘    └──────────────────┘    └──────┘
//!  │  │               │ client ┌───────┐    ┌───────────┐                    ▲ ▲ ▲
//!  │  │               └───────▶│ Drain ├───▶│ HalfClose ├────────────────────┘ │ │
//!  │  │ the end of the stream  └───────┘    └───────────┘                      │ │
//!  │  └────────────────────────────────────▶ HalfClose ────────────────────────┘ │
//!  │ the stream has failed, or a deadline has passed                             │
//!  └─────────────────────────────────────────────────────────────────────────────┘
//! ```

use std::time::Duration;

/// The next step of the owner of the stream.
///
/// After each step but [`Continue`](Self::Continue) and [`Done`](Self::Done), the owner calls
/// [`Endpoint::on_step`](super::Endpoint::on_step). An error of the stream ends a step as success does.
/// The deadline of [`Config::close_timeout`](crate::Config::close_timeout) bounds all steps together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// The connection goes on: write the output, read, and send messages.
    Continue,
    /// Write the remaining output and flush the stream.
    Flush,
    /// Shut the sending direction of the stream down.
    HalfClose,
    /// Read and discard until the end of the stream: at most [`MAX_DRAIN`](Self::MAX_DRAIN) bytes,
    /// and until no byte has arrived for [`LINGER`](Self::LINGER).
    ///
    /// A stream that is dropped with unread bytes sends a reset, which can overtake our Close frame.
    Drain,
    /// Try to read once. If bytes have arrived, continue as in [`Drain`](Self::Drain); else do not wait.
    Discard,
    /// The connection has ended: drop the stream.
    Done,
}

impl Step {
    /// How long the peer may stay silent while the stream is drained.
    pub const LINGER: Duration = Duration::from_secs(1);

    /// The number of bytes that are discarded after a violation before the stream is dropped.
    pub const MAX_DRAIN: usize = 4 << 20;
}
