//! [`Intake`]: the connection's end of the inbox of its handles, which exists once a handle was asked
//! for.

use std::task::Waker;

use super::{
    handle::Handle,
    inbox::{Command, InboxOwner},
};
use crate::{config::Config, message::Message, protocol::Closed};

#[derive(Debug, Default)]
pub(super) struct Intake(Option<InboxOwner>);

impl Intake {
    /// Returns a handle, which creates the inbox if there is none.
    pub(super) fn handle(&mut self, config: &Config) -> Handle {
        let inbox = self.0.get_or_insert_with(|| InboxOwner::new(config));
        Handle::new(inbox)
    }

    /// Returns whether there is an inbox.
    #[inline]
    pub(super) const fn exists(&self) -> bool {
        self.0.is_some()
    }

    /// Uses an inbox that the server has created.
    pub(super) fn set_inbox(&mut self, inbox: InboxOwner) {
        self.0 = Some(inbox);
    }

    /// Registers the task to wake for new requests. Returns whether there are any.
    #[inline]
    pub(super) fn watch(&mut self, waker: &Waker) -> bool {
        let Some(inbox) = &mut self.0 else {
            return false;
        };
        inbox.register(waker);
        inbox.has_work()
    }

    /// Registers the task again with the next call: another task polls the connection.
    pub(super) fn forget_task(&mut self) {
        if let Some(inbox) = &mut self.0 {
            inbox.forget_task();
        }
    }

    /// Returns whether a message or a request waits.
    pub(super) fn has_work(&self) -> bool {
        self.0.as_ref().is_some_and(|inbox| inbox.has_work())
    }

    /// Takes the latest request of a handle.
    pub(super) fn take_command(&mut self) -> Option<Command> {
        self.0.as_mut()?.take_command()
    }

    /// Takes at most `most` messages out, until their bytes reach `room`. Returns the number of messages that
    /// were taken, and whether messages are left.
    pub(super) fn drain(
        &mut self,
        most: usize,
        room: usize,
        mut accept: impl FnMut(Message),
    ) -> (usize, bool) {
        let Some(inbox) = &mut self.0 else {
            return (0, false);
        };
        let mut taken = 0;
        let is_left = inbox.drain(most, room, |message| {
            taken += 1;
            accept(message);
        });
        (taken, is_left)
    }

    /// Refuses the messages of handles from now on, with the Close frames so far.
    pub(super) fn seal(&self, closed: Closed) {
        if let Some(inbox) = &self.0 {
            inbox.seal(closed);
        }
    }

    /// Tells the handles that the connection has ended.
    pub(super) fn end(&self, closed: Closed) {
        if let Some(inbox) = &self.0 {
            inbox.end(closed);
        }
    }
}
