//! [`Unfinished`]: a message whose last frame was not appended to the output.

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only connections send messages in chunks")
)]

use super::{
    outgoing::{Fragment, Outgoing},
    streamed::Streamed,
};
use crate::{extension::Encoders, frame::CloseFrame};

/// A message whose last frame was not appended.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// All of the message was accepted.
    Whole(Outgoing),
    /// The application sends the message in chunks.
    Streamed(Streamed),
}

impl Unfinished {
    /// Returns the number of bytes that were accepted and are in no frame.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Whole(message) => message.len(),
            Self::Streamed(message) => message.len(),
        }
    }

    /// Returns whether the next frame does not depend on the application.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::Streamed(message) => message.is_ready(),
        }
    }

    /// Sets our Close frame, which follows the message.
    pub(super) fn set_close(&mut self, frame: CloseFrame) {
        match self {
            Self::Whole(message) => message.set_close(frame),
            Self::Streamed(message) => message.set_close(frame),
        }
    }

    /// Returns our Close frame, if one waits for the end of the message.
    pub(super) fn into_close(self) -> Option<CloseFrame> {
        match self {
            Self::Whole(message) => message.into_close(),
            Self::Streamed(message) => message.into_close(),
        }
    }

    /// Cuts the next frame, with a payload of at most `size` bytes; `None` if a piece has to be encoded first.
    pub(super) fn cut(&mut self, size: usize) -> Option<Fragment> {
        match self {
            Self::Whole(message) => message.cut(size),
            Self::Streamed(message) => message.cut(size),
        }
    }

    /// Encodes the next piece.
    pub(super) fn encode(&mut self, encoders: &mut Encoders) {
        match self {
            Self::Whole(message) => message.encode(encoders),
            Self::Streamed(message) => message.encode(encoders),
        }
    }
}
