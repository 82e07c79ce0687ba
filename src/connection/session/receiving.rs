//! The receiving side of a session: messages are taken, parked or lent.

use super::Session;
use crate::{
    connection::{
        read::ReadBuffer,
        turn::Turn,
        want::{Outcome, Want},
    },
    frame::WholeFrame,
    message::Message,
    protocol::{Event, Received, Step, text},
};

impl Session {
    /// Keeps a message for the task that receives.
    pub(in crate::connection) fn park(&mut self, message: Message) {
        self.parked = Some(Box::new(message));
    }

    /// Takes the parked message.
    pub(in crate::connection) fn take_parked(&mut self) -> Option<Message> {
        Some(*self.parked.take()?)
    }

    /// Returns whether a message is parked or lent, so that none is received.
    #[inline]
    pub(in crate::connection) const fn is_parked(&self) -> bool {
        self.parked.is_some() || self.wire.is_lent()
    }

    /// Returns the place of the next message if the input begins with all of it, and no message is parked.
    /// Nothing else of the connection changes when it is taken, so that this needs no poll.
    #[inline(always)]
    pub(in crate::connection) fn find_whole(&self) -> Option<WholeFrame> {
        if self.parked.is_some() {
            return None;
        }
        self.wire.find_whole(&self.endpoint)
    }

    /// Copies a whole message out of the input. `None` after a violation.
    #[inline(always)]
    pub(in crate::connection) fn take_whole(&mut self, frame: WholeFrame) -> Option<Message> {
        match self.wire.take_whole(frame, &mut self.endpoint)? {
            Received::Text(payload) => Some(text(payload)),
            Received::Binary(payload) => Some(payload.into()),
            Received::Control(_) => None,
        }
    }

    /// Takes the input, which then begins with the payload of the whole message. `None` after a violation. Nothing
    /// is received until [`give_back`](Self::give_back).
    #[inline(always)]
    pub(in crate::connection) fn lend_whole(&mut self, frame: WholeFrame) -> Option<ReadBuffer> {
        self.wire.lend_whole(frame, &mut self.endpoint)
    }

    /// Continues with the rest of the input. Returns whether another task would have read meanwhile.
    #[inline(always)]
    pub(in crate::connection) fn give_back(&mut self, input: ReadBuffer) -> bool {
        let is_over = self.step() == Step::Done;
        self.wire.give_back(if is_over {
            ReadBuffer::default()
        } else {
            input
        })
    }

    /// Returns the parked message, or the next one in the input. Answers to control frames are queued. For a task
    /// that wants a message, a whole one stays in the input and the want is met.
    #[inline(always)]
    pub(in crate::connection) fn receive<S>(
        &mut self,
        want: Want,
        turn: &mut Turn<'_, S>,
    ) -> Option<Outcome> {
        if self.parked.is_some() {
            return self.take_parked().map(Outcome::Message);
        }
        loop {
            if want.receives() && self.find_whole().is_some() {
                return Some(Outcome::Met);
            }
            match self.wire.receive(&mut self.endpoint, turn)? {
                Received::Text(payload) => return Some(Outcome::Message(text(payload))),
                Received::Binary(payload) => return Some(Outcome::Message(payload.into())),
                Received::Control(event) => self.pings.on_control(event),
            }
            if want == Want::Event && self.step() == Step::Continue {
                return Some(Outcome::Met);
            }
        }
    }

    /// Returns whether nothing is received without another read.
    #[inline]
    pub(in crate::connection) fn is_starved(&self) -> bool {
        self.wire.is_starved(&self.endpoint)
    }

    /// Takes a control frame, as [`Pings::take_seen`](crate::connection::ping::Pings::take_seen).
    pub(in crate::connection) fn take_seen(&mut self) -> Option<Event> {
        self.pings.take_seen(self.step() == Step::Done)
    }
}
