//! [`Closing`]: the Close frames of both sides, their order, and the meaning of the end (§7).
//!
//! ```text
//!            we send Close   ┌───────────┐   Close received
//!          ┌────────────────▶│ sent      ├─────────────────┐
//!  ┌──────┐│                 └───────────┘                 ▼
//!  │ open ├┤                                          ┌─────────┐  the stream ends here:
//!  └──────┘│                 ┌───────────┐            │ closed  │  clean. Anywhere else:
//!          └────────────────▶│ received  ├───────────▶└─────────┘  abnormal, 1006.
//!            Close received  └───────────┘  we send Close
//! ```

use std::fmt;

use crate::frame::{CloseCode, CloseFrame};

/// Keeps the Close frames of a connection that is open or closing (RFC 6455 §7.1).
#[derive(Clone, Debug, Default)]
pub struct Closing {
    // Boxed, because it is absent for most of a connection's life.
    facts: Option<Box<Facts>>,
}

#[derive(Clone, Debug, Default)]
struct Facts {
    closed: Closed,
    /// The number of bytes of pongs that follow our Close frame in the output.
    after_sent: usize,
}

impl Closing {
    /// Records the peer's Close frame.
    pub fn on_received(&mut self, frame: CloseFrame) {
        let closed = &mut self.facts.get_or_insert_default().closed;
        closed.received_first = closed.sent.is_none();
        closed.received = Some(frame);
    }

    /// Records our Close frame; the first one counts.
    pub fn on_sent(&mut self, frame: CloseFrame) {
        let closed = &mut self.facts.get_or_insert_default().closed;
        closed.sent.get_or_insert(frame);
    }

    /// Records that `len` bytes of a pong were appended to the output.
    pub(crate) fn on_pong(&mut self, len: usize) {
        if let Some(facts) = &mut self.facts {
            facts.after_sent += len;
        }
    }

    /// Records that the last `len` bytes of the output were never written. They can hold our Close frame.
    #[cfg(feature = "tokio")]
    pub(crate) fn on_output_lost(&mut self, len: usize) {
        if let Some(facts) = &mut self.facts
            && len > facts.after_sent
        {
            let closed = &mut facts.closed;
            closed.sent = None;
            closed.received_first = closed.received.is_some();
        }
    }

    /// Returns the facts so far, as they stand if the connection ends now.
    pub fn close_frames(&self) -> Closed {
        let facts = self.facts.as_ref();
        facts.map(|it| it.closed.clone()).unwrap_or_default()
    }
}

/// How a connection ended: the Close frames of both sides (RFC 6455 §7.1.4–§7.1.6).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Closed {
    /// The peer's Close frame; `None` when the connection ended without one.
    pub received: Option<CloseFrame>,
    /// Our Close frame; `None` when the connection ended before the stream took all of one. A Close frame whose write
    /// failed counts as sent.
    pub sent: Option<CloseFrame>,
    /// Whether the peer's Close frame came before we sent ours.
    pub received_first: bool,
}

impl Closed {
    /// Returns the connection's close code: the peer's, 1005 when its Close frame had none, 1006 when
    /// there was no Close frame (RFC 6455 §7.1.5).
    pub fn code(&self) -> CloseCode {
        match &self.received {
            None => CloseCode::ABNORMAL,
            Some(frame) => frame.code().unwrap_or(CloseCode::NO_STATUS),
        }
    }

    /// Returns the connection's close reason: the peer's, empty when there was none (§7.1.6).
    pub fn reason(&self) -> &str {
        self.received.as_ref().map_or("", CloseFrame::reason)
    }

    /// Returns whether both Close frames passed, with any codes.
    pub const fn is_complete(&self) -> bool {
        self.received.is_some() && self.sent.is_some()
    }

    /// Returns whether both Close frames passed and the peer's had the code 1000, 1001 or none.
    pub fn is_clean(&self) -> bool {
        let fine = matches!(
            self.code(),
            CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS
        );
        fine && self.sent.is_some()
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.received, &self.sent) {
            (None, None) => f.write_str("connection lost without a Close frame"),
            (None, Some(sent)) => write!(f, "sent Close {sent}, received no Close frame"),
            (Some(received), None) => write!(f, "received Close {received}, sent none"),
            (Some(received), Some(sent)) => {
                let (first, second) = match self.received_first {
                    true => (("received", received), ("sent", sent)),
                    false => (("sent", sent), ("received", received)),
                };
                write!(f, "{} Close {}, then {} ", first.0, first.1, second.0)?;
                match first.1 == second.1 {
                    true => f.write_str("the same"),
                    false => second.1.fmt(f),
                }
            }
        }
    }
}
