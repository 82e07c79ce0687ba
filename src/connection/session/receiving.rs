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

    /// Returns whether a message or a chunk is parked, or a message is lent, so that nothing is received.
    #[inline]
    pub(in crate::connection) fn is_parked(&self) -> bool {
        self.parked.is_some() || self.wire.is_lent() || self.endpoint.receiver().has_chunk()
    }

    /// Receives messages in chunks from now on. Drops the rest of a message if chunks of it were taken.
    pub(in crate::connection) fn deliver_chunks(&mut self) {
        self.wire.set_starved(false);
        self.endpoint.receiver_mut().deliver_chunks();
    }

    /// Receives messages as a whole from now on, as [`deliver_chunks`](Self::deliver_chunks).
    #[inline]
    pub(in crate::connection) fn deliver_whole(&mut self) {
        if self.endpoint.receiver().is_in_chunks() {
            self.leave_chunks();
        }
    }

    #[cold]
    fn leave_chunks(&mut self) {
        self.wire.set_starved(false);
        let received = self.endpoint.deliver_whole(self.wire.output());
        if let Some(message) = received.and_then(into_message) {
            self.park(message);
        }
    }

    /// Returns whether the next chunk is text, if it has arrived.
    pub(in crate::connection) fn chunk_is_text(&self) -> Option<bool> {
        match &self.parked {
            Some(message) => Some(message.is_text()),
            None => self.endpoint.receiver().chunk_is_text(),
        }
    }

    /// Takes the next chunk, if it has arrived. Returns whether it is the last of its message.
    pub(in crate::connection) fn take_chunk(&mut self) -> Option<(Message, bool)> {
        if let Some(message) = self.take_parked() {
            return Some((message, true));
        }
        let (is_text, payload, is_last) = self.endpoint.receiver_mut().take_chunk()?;
        self.wire.set_starved(false);
        let message = if is_text {
            text(payload)
        } else {
            payload.into()
        };
        Some((message, is_last))
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
        into_message(self.wire.take_whole(frame, &mut self.endpoint)?)
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
        if want == Want::Ended {
            self.endpoint.receiver_mut().discard_chunks();
        }
        if self.parked.is_some() {
            return self.take_parked().map(Outcome::Message);
        }
        loop {
            if want.receives() && self.find_whole().is_some() {
                return Some(Outcome::Met);
            }
            if self.endpoint.receiver().has_chunk() {
                return (want == Want::Chunk).then_some(Outcome::Met);
            }
            let Some(received) = self.wire.receive(&mut self.endpoint, turn) else {
                if self.endpoint.receiver().has_chunk() {
                    continue;
                }
                return None;
            };
            match received {
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

#[inline(always)]
fn into_message(received: Received) -> Option<Message> {
    match received {
        Received::Text(payload) => Some(text(payload)),
        Received::Binary(payload) => Some(payload.into()),
        Received::Control(_) => None,
    }
}
