//! [`Ending`]: the end of a connection, as far as this side has decided it.

use std::io;

use tokio::time::Instant;

use crate::{
    error::{Error, Timeout},
    frame::CloseFrame,
    protocol::{Closed, Step},
};

/// The bytes that a read counts at least, so that the number of reads is bounded too.
const MIN_READ: usize = 1 << 10;

/// The end of a connection, as far as this side has decided it.
#[derive(Debug, Default)]
pub(super) struct Ending {
    /// Our Close frame, while accepted messages have to leave before it.
    request: Option<CloseFrame>,
    cause: Cause,
    /// The moment at which the connection ends at the latest.
    deadline: Option<Instant>,
    /// Whether a write has failed: nothing is written any more.
    broken: bool,
    /// The number of bytes that were read after the deadline, or discarded.
    excess: usize,
    /// Whether a stream of messages has come to its end.
    #[cfg_attr(not(feature = "stream"), expect(dead_code, reason = "for streams"))]
    reported: bool,
}

/// Why a stream was given up, beside Close frames and violations.
#[derive(Debug, Default)]
pub(super) enum Cause {
    #[default]
    None,
    Timeout(Timeout),
    /// The stream has failed. `None` once that was reported.
    Io(Option<io::Error>),
}

impl Ending {
    /// Sets our Close frame, which has to wait. `None` takes it back.
    pub(super) fn set_request(&mut self, frame: Option<CloseFrame>) -> Option<CloseFrame> {
        std::mem::replace(&mut self.request, frame)
    }

    /// Returns whether our Close frame waits for accepted messages to leave.
    pub(super) const fn is_requested(&self) -> bool {
        self.request.is_some()
    }

    /// Records why the stream was given up. The first cause counts.
    pub(super) fn set_cause(&mut self, cause: Cause) {
        if let Cause::None = self.cause {
            self.cause = cause;
        }
    }

    /// Returns the deadline, and sets it if there is none.
    pub(super) fn deadline_or(&mut self, deadline: impl FnOnce() -> Instant) -> Instant {
        *self.deadline.get_or_insert_with(deadline)
    }

    /// Returns the deadline, if one was set.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Records that a write has failed.
    pub(super) fn on_broken(&mut self, error: io::Error) {
        self.broken = true;
        self.cause = Cause::Io(Some(error));
        self.request = None;
    }

    /// Returns whether a write has failed: nothing is written any more.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Returns whether no message is accepted any more.
    pub(super) const fn ends_sending(&self) -> bool {
        self.broken || self.is_requested()
    }

    /// Returns whether bytes were read after the deadline, or discarded.
    pub(super) const fn has_excess(&self) -> bool {
        self.excess > 0
    }

    /// Counts bytes that were read after the deadline or are discarded. Returns whether they exceed
    /// the limit. A short read counts as [`MIN_READ`] bytes.
    pub(super) fn is_too_much(&mut self, len: usize) -> bool {
        self.excess = self.excess.saturating_add(len.max(MIN_READ));
        self.excess > Step::MAX_DRAIN
    }

    /// Records that a stream of messages has come to its end.
    #[cfg(feature = "stream")]
    pub(super) const fn set_reported(&mut self) {
        self.reported = true;
    }

    /// Returns whether a stream of messages has come to its end.
    #[cfg(feature = "stream")]
    pub(super) const fn has_reported(&self) -> bool {
        self.reported
    }

    /// Returns the error of an operation on a connection that ended with these Close frames.
    pub(super) fn error(&mut self, closed: Closed) -> Error {
        match &mut self.cause {
            Cause::Timeout(timeout) => Error::Timeout(*timeout),
            // The peer's Close frame says more than the broken stream.
            Cause::Io(error) if closed.received.is_none() => {
                error.take().map_or_else(|| closed.into(), Error::Io)
            }
            Cause::Io(_) | Cause::None => closed.into(),
        }
    }
}
