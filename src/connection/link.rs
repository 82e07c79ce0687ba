//! [`Link`]: a session with its timer and the inbox of its handles. Its methods are the steps of a poll.

use std::{
    task::{Poll, Waker, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    ending::Cause,
    handle::Handle,
    inbox::{Command, InboxOwner},
    intake::Intake,
    session::Session,
    timer::{Signs, Timer, Verdict},
    turn::{Io, Turn},
    want::Want,
    wire::Attempt,
};
use crate::{
    error::Timeout,
    frame::{CloseCode, CloseFrame},
    protocol::{Closed, Step},
    text::Text,
};

/// How long the peer's Close frame is looked for after a write has failed. The frame is there already,
/// but the runtime learns so only when it next asks the system.
const BROKEN_GRACE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Link {
    session: Session,
    timer: Timer,
    intake: Intake,
}

impl Link {
    pub(super) fn new(session: Session) -> Self {
        Self {
            timer: Timer::new(session.config()),
            session,
            intake: Intake::default(),
        }
    }

    #[inline]
    pub(super) const fn session(&self) -> &Session {
        &self.session
    }

    #[inline]
    pub(super) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Registers the task again with the timer and the inbox: another task polls the connection.
    pub(super) fn forget_task(&mut self) {
        self.timer.forget_task();
        self.intake.forget_task();
    }

    /// Returns whether a deadline is set.
    pub(super) const fn has_deadline(&self) -> bool {
        self.timer.has_deadline()
    }

    /// Returns whether a message is accepted without a poll.
    #[inline]
    pub(super) fn accepts(&self) -> bool {
        self.session.accepts() && !self.intake.has_work()
    }

    /// Returns how the connection ended; `None` while it has not.
    pub(super) fn closed(&self) -> Option<Closed> {
        (self.session.step() == Step::Done).then(|| self.session.close_frames())
    }

    /// Returns a handle that sends from elsewhere.
    pub(super) fn handle(&mut self) -> Handle {
        let handle = self.intake.handle(self.session.config());
        self.update_inbox();
        handle
    }

    /// Returns whether there is an inbox.
    #[inline]
    pub(super) const fn has_inbox(&self) -> bool {
        self.intake.exists()
    }

    /// Uses an inbox that the server has created.
    pub(super) fn set_inbox(&mut self, inbox: InboxOwner) {
        self.intake.set_inbox(inbox);
        self.update_inbox();
    }

    /// Tells a new inbox how far the connection is.
    fn update_inbox(&mut self) {
        if self.session.step() == Step::Done {
            self.intake.end(self.session.close_frames());
        } else if !self.session.is_open() {
            self.intake.seal(self.session.close_frames());
        }
    }

    /// Accepts our Close frame, which leaves after everything that was accepted before. The deadline
    /// runs from `asked`. Returns `false` if the connection is closing already.
    pub(super) fn request_close(&mut self, frame: CloseFrame, asked: Instant) -> bool {
        if !self.session.is_open() {
            return false;
        }
        let deadline = self.session.deadline(asked);
        self.timer.set_deadline(deadline);
        self.session.request_close(frame);
        self.intake.seal(self.session.close_frames());
        if !self.intake.has_work() {
            self.send_close();
        }
        true
    }

    /// Fails the connection in the middle of a message that is sent in chunks. Needs no runtime: the next poll starts the
    /// timer.
    pub(super) fn fail_stream(&mut self) {
        if self.session.is_streaming() {
            self.session.deadline(Instant::now());
            let reason = Text::from_static("a message was not finished");
            let frame = CloseFrame::from_static(CloseCode::INTERNAL_ERROR, reason);
            self.cut_stream(frame);
        }
    }

    fn cut_stream(&mut self, frame: CloseFrame) {
        self.session.cut_stream(frame);
        self.intake.seal(self.session.close_frames());
    }

    fn send_close(&mut self) {
        self.session.send_close();
        self.intake.seal(self.session.close_frames());
    }

    /// Registers the task to wake for requests of handles, and carries out those that wait. Returns
    /// whether there were any, or messages wait.
    #[inline]
    pub(super) fn take_requests(&mut self, waker: &Waker) -> bool {
        let has_requests = self.intake.watch(waker);
        if has_requests {
            self.take_command();
        }
        has_requests
    }

    /// Returns whether messages or requests of handles wait.
    pub(super) fn has_requests(&self) -> bool {
        self.intake.has_work()
    }

    /// Returns whether the inbox has more messages that may be queued.
    pub(super) fn has_more_messages(&self, want: Want) -> bool {
        self.intake.has_work() && self.may_take_messages(want)
    }

    #[cold]
    fn take_command(&mut self) {
        match self.intake.take_command() {
            Some(Command::Close { frame, at }) => drop(self.request_close(frame, at)),
            Some(Command::CloseNow { frame, at }) => {
                self.request_close(frame.clone(), at);
                if self.session.is_streaming() {
                    self.cut_stream(frame);
                } else {
                    self.session.replace_close(frame);
                    self.send_close();
                }
            }
            Some(Command::Abort) => self.session.give_up(Cause::None),
            None => {}
        }
    }

    /// Queues messages of handles, while there is room. A task that waits for the stream to take its own
    /// bytes is not held up by them.
    #[cold]
    pub(super) fn take_messages<S>(&mut self, want: Want, turn: &mut Turn<'_, S>) {
        if !self.may_take_messages(want) {
            return;
        }
        let session = &mut self.session;
        let (taken, is_left) = self.intake.drain(turn.messages, session.room(), |message| {
            session.queue_accepted(message)
        });
        turn.messages -= taken;
        session.count_encoded(&mut turn.work);
        if !is_left && session.is_close_requested() {
            self.send_close();
        }
    }

    /// Returns whether messages of handles may be queued now.
    pub(super) fn may_take_messages(&self, want: Want) -> bool {
        let session = &self.session;
        let closes = session.is_close_requested();
        session.has_room() && (want.takes_messages() || closes || session.buffered() == 0)
    }

    /// Reads once, unless a message is parked.
    pub(super) fn read<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Attempt {
        if self.session.is_parked() {
            self.session.wire_mut().miss_read();
            return Attempt::Blocked;
        }
        if turn.work.is_done() && !(self.session.is_starved() && turn.may_read()) {
            return Attempt::NotNow;
        }
        let read = self.session.read(turn);
        if let Attempt::Done(len) = read
            && self.timer.poll_deadline(&mut turn.cx()).is_ready()
            && self.session.is_too_much(len)
        {
            self.give_up_closing();
        }
        read
    }

    /// Writes the queue as far as the stream takes it.
    #[inline(always)]
    pub(super) fn write<S: Io>(&mut self, uncork: bool, turn: &mut Turn<'_, S>) -> Attempt {
        if self.session.is_plain() && !self.session.has_backlog() {
            return Attempt::Done(0);
        }
        self.write_backlog(uncork, turn)
    }

    /// Writes the queue, as [`write`](Self::write). After a failure the peer's Close frame is looked for, for a
    /// short time.
    pub(super) fn write_backlog<S: Io>(&mut self, uncork: bool, turn: &mut Turn<'_, S>) -> Attempt {
        let wrote = self.session.write(uncork, turn);
        let Attempt::Failed(error) = wrote else {
            return wrote;
        };
        self.session.on_broken(error);
        self.shorten_deadline(BROKEN_GRACE);
        self.intake.seal(self.session.close_frames());
        Attempt::Done(0)
    }

    /// Judges the peer, after nothing could be read and nothing more could be written.
    pub(super) fn judge<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        self.arm_deadline();
        let is_blocked = self.session.has_backlog();
        let signs = || {
            let wire = self.session.wire_mut();
            let written = wire.take_written();
            Signs {
                received: wire.take_received(),
                written: turn.transport.take_progress().unwrap_or(written),
            }
        };
        match ready!(self.timer.poll_verdict(is_blocked, signs, &mut turn.cx())) {
            Verdict::Ping => self.session.keepalive_ping(),
            Verdict::Gone => {
                self.session.close_dead();
                let _ = self.write(true, turn);
                let limit = self.session.config().settings.ping_timeout;
                let timeout = Timeout::Ping { limit, is_blocked };
                self.session.give_up(Cause::Timeout(timeout));
            }
            Verdict::Deadline => self.give_up_closing(),
        }
        Poll::Ready(())
    }

    /// Starts the timer of a deadline that was set without a runtime.
    fn arm_deadline(&mut self) {
        if let Some(deadline) = self.session.deadline_so_far()
            && !self.timer.has_deadline()
        {
            self.timer.set_deadline(deadline);
        }
    }

    /// Winds the stream up.
    pub(super) fn poll_end<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        if !self.timer.has_deadline() {
            let deadline = self.session.deadline(Instant::now());
            self.timer.set_deadline(deadline);
        }
        self.intake.seal(self.session.close_frames());
        loop {
            let step = self.session.step();
            if step == Step::Done {
                self.timer.stop();
                self.session.finish();
                self.intake.end(self.session.close_frames());
                return Poll::Ready(());
            }
            if turn.work.is_done() {
                turn.yield_now();
                return Poll::Pending;
            }
            if self.session.is_broken() {
                self.session.give_up(Cause::None);
            } else if self.session.poll_step(turn).is_ready() {
                // Bytes that arrive extend the time only if the closing handshake is not complete.
                let next = self.session.step();
                let drains = matches!(next, Step::Drain | Step::Discard);
                if drains && (next != step || !self.session.close_frames().is_complete()) {
                    self.shorten_deadline(Step::LINGER);
                }
            } else {
                ready!(self.timer.poll_deadline(&mut turn.cx()));
                match step {
                    // Our Close frame has not left.
                    Step::Flush => self.give_up_closing(),
                    _ => self.session.give_up(Cause::None),
                }
            }
        }
    }

    /// Gives the stream up if the deadline of the closing handshake has passed, for a task that never waits.
    #[inline]
    pub(super) fn expire(&mut self) {
        let deadline = self.session.deadline_so_far();
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            self.give_up_closing();
        }
    }

    /// Gives the stream up at the deadline of the closing handshake.
    fn give_up_closing(&mut self) {
        let limit = self.session.config().settings.close_timeout;
        let timeout = Timeout::Close { limit };
        self.session.give_up(Cause::Timeout(timeout));
    }

    /// Fires after the given time, or at the deadline if that is sooner.
    fn shorten_deadline(&mut self, after: Duration) {
        let now = Instant::now();
        let deadline = self.session.deadline(now);
        self.timer.set_deadline(deadline.min(now + after));
    }
}
