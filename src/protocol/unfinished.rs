//! [`Unfinished`]: a message whose last frame was not appended to the output, and the messages behind it.

#![cfg_attr(
    not(feature = "tokio"),
    expect(dead_code, reason = "only connections send messages in chunks")
)]

use super::{
    outgoing::{Fragment, Outgoing},
    streamed::Streamed,
};
use crate::{extension::Encoders, frame::CloseFrame, message::Message};

/// A message whose last frame was not appended.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) body: Body,
    /// A message that was accepted although there was no room.
    pub(super) next: Option<Message>,
    /// Our Close frame, which follows both messages.
    pub(super) close: Option<CloseFrame>,
}

/// The rest of a message.
#[derive(Debug)]
pub(super) enum Body {
    /// All of the message was accepted.
    Whole(Outgoing),
    /// The application sends the message in chunks.
    Streamed(Streamed),
}

impl Unfinished {
    /// Creates a message that nothing follows.
    pub(super) fn new(body: Body) -> Box<Self> {
        Box::new(Self {
            body,
            next: None,
            close: None,
        })
    }

    /// Returns the number of bytes that were accepted and are in no frame.
    pub(super) fn len(&self) -> usize {
        let rest = match &self.body {
            Body::Whole(message) => message.len(),
            Body::Streamed(message) => message.len(),
        };
        rest + self.next.as_ref().map_or(0, Message::len)
    }

    /// Returns whether the next frame does not depend on the application.
    pub(super) fn is_ready(&self) -> bool {
        match &self.body {
            Body::Whole(_) => true,
            Body::Streamed(message) => message.is_ready(),
        }
    }

    /// Returns whether a message can be accepted behind this one.
    pub(super) const fn takes_next(&self) -> bool {
        let is_open = match &self.body {
            Body::Whole(_) => false,
            Body::Streamed(message) => message.is_open(),
        };
        !is_open && self.next.is_none()
    }

    /// Cuts the next frame, with a payload of at most `size` bytes; `None` if a piece has to be encoded first.
    pub(super) fn cut(&mut self, size: usize) -> Option<Fragment> {
        match &mut self.body {
            Body::Whole(message) => message.cut(size),
            Body::Streamed(message) => message.cut(size),
        }
    }

    /// Encodes the next piece.
    pub(super) fn encode(&mut self, encoders: &mut Encoders) {
        match &mut self.body {
            Body::Whole(message) => message.encode(encoders),
            Body::Streamed(message) => message.encode(encoders),
        }
    }
}
