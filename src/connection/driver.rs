//! [`Driver`]: the one function that polls a connection, for every operation that waits.
//!
//! Every wait drives the whole connection. A poll goes around this loop until its [`Want`] is met, the
//! stream cannot continue, or its [`Work`] is used up:
//!
//! ```text
//!  ┌▶ inbox ─▶ receive ─▶ write ─▶ met? ─▶ read ─┬─ bytes ────▶ around
//!  │                                             └─ nothing ──▶ judge ─▶ wait
//!  └─ the connection has come to its end ─▶ flush, half-close, drain ─▶ done
//! ```
//!
//! A task that wants no message parks the first one that arrives, and then reads no more.

use std::{
    mem,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    ending::Cause,
    handle::Handle,
    inbox::Command,
    intake::Intake,
    session::Session,
    timer::{Signs, Timer, Verdict},
    turn::{Io, Turn, Work},
    waiters::{Side, Waiters},
    want::{AtOnce, Outcome, View, Want},
    wire::{Attempt, Transport},
};
use crate::{
    error::Timeout,
    frame::CloseFrame,
    protocol::{Closed, Step},
};

/// How long the peer's Close frame is looked for after a write has failed. The frame is there already,
/// but the runtime learns so only when it next asks the system.
const BROKEN_GRACE: Duration = Duration::from_millis(50);

/// Every idle connection takes this, beside its stream and its timer.
const _: () = assert!(size_of::<Driver>() <= 40 * size_of::<u64>());

const MET: Poll<Outcome> = Poll::Ready(Outcome::Met);

/// A connection without its stream: each call borrows it.
#[derive(Debug)]
pub(super) struct Driver {
    session: Session,
    timer: Timer,
    waiters: Waiters,
    intake: Intake,
}

impl Driver {
    pub(super) fn new(session: Session) -> Self {
        Self {
            timer: Timer::new(session.config()),
            session,
            waiters: Waiters::new(),
            intake: Intake::default(),
        }
    }

    /// Forgets the tasks that have polled the connection.
    pub(super) fn forget_tasks(&mut self) {
        self.waiters = Waiters::new();
        self.timer.forget_task();
    }

    /// Returns whether a message is accepted without a poll.
    #[inline]
    pub(super) fn accepts(&self) -> bool {
        self.session.accepts() && !self.intake.has_work()
    }

    pub(super) const fn session(&self) -> &Session {
        &self.session
    }
    pub(super) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Returns how the connection ended; `None` while it has not.
    pub(super) fn closed(&self) -> Option<Closed> {
        (self.session.step() == Step::Done).then(|| self.session.closed())
    }

    /// Returns a handle that sends from elsewhere.
    pub(super) fn handle(&mut self) -> Handle {
        let handle = self.intake.handle(self.session.config());
        if self.session.step() == Step::Done {
            self.intake.end(self.session.closed());
        } else if !self.session.is_open() {
            self.intake.seal(self.session.closed());
        }
        handle
    }

    /// Accepts our Close frame, which leaves after everything that was accepted before. The deadline
    /// runs from `asked`. Returns `false` if the connection is closing already.
    pub(super) fn request_close(&mut self, frame: CloseFrame, asked: Instant) -> bool {
        if !self.session.is_open() {
            return false;
        }
        self.start_deadline(asked);
        self.session.request_close(frame);
        self.intake.seal(self.session.closed());
        if !self.intake.has_work() {
            self.send_close();
        }
        // A task that receives has to look at the deadline.
        self.waiters.wake(Side::Read);
        true
    }

    fn send_close(&mut self) {
        self.session.send_close();
        self.intake.seal(self.session.closed());
    }
    /// Drives the connection until `want` is met, for the task that polls.
    #[inline]
    pub(super) fn poll<S: Io>(
        &mut self,
        want: Want,
        transport: &mut Transport<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome> {
        let entered = self.waiters.enter(want.side(), cx.waker());
        if entered.is_new {
            self.timer.forget_task();
        }
        let Some(waker) = entered.waker else {
            return self.drive(want, Turn::new(transport, cx.waker()));
        };
        let other = want.side().other();
        let before = View::of(&self.session, other);
        let outcome = self.drive(want, Turn::new(transport, &waker));
        if View::of(&self.session, other) != before {
            self.waiters.wake(other);
        }
        outcome
    }

    fn drive<S: Io>(&mut self, want: Want, mut turn: Turn<'_, S>) -> Poll<Outcome> {
        let turn = &mut turn;
        // A task that sends looks at the input only when it has to wait or is about to return.
        let (mut looks, mut met) = (want.takes_messages(), false);
        let mut stopped = None;
        if want == Want::Sent && self.session.is_plain() {
            match self.send_at_once(turn) {
                AtOnce::Done => return MET,
                AtOnce::Arrived => (met, looks) = (true, true),
                AtOnce::Stopped(wrote) => stopped = Some(wrote),
            }
        }
        loop {
            let has_requests = self.intake.watch(turn.waker);
            if has_requests {
                self.take_commands();
            }
            if self.session.step() != Step::Continue {
                let ended = self.poll_end(turn).map(|()| Outcome::Over);
                return if met { MET } else { ended };
            }
            if has_requests || self.session.is_close_requested() {
                self.take_messages(want, &mut turn.work);
            }
            if want == Want::Room && want.is_met(&self.session) {
                return MET;
            }
            if looks && (want.takes_messages() || !self.session.is_parked()) {
                match self.session.receive(&mut turn.work) {
                    Some(message) if want == Want::Message => {
                        return Poll::Ready(Outcome::Message(message));
                    }
                    Some(_) if want == Want::Ended => continue,
                    Some(message) => self.session.park(message),
                    None if self.session.step() == Step::Continue => {}
                    None => continue,
                }
            }
            let stopped = stopped.take();
            let wrote = stopped.unwrap_or_else(|| self.write(want.uncorks(), turn));
            met |= want.is_met(&self.session);
            if met && (looks || !self.looks_before_return(want)) {
                return MET;
            }
            if want.is_hopeless(&self.session) {
                return Poll::Ready(Outcome::Over);
            }
            if !mem::replace(&mut looks, true) && !self.session.is_starved() {
                continue;
            }
            let read = self.read(turn);
            self.session
                .wire_mut()
                .set_recent_read(want.takes_messages());
            if let Attempt::Done(_) | Attempt::Failed(_) = read {
                continue;
            }
            if met {
                return MET;
            }
            ready!(self.poll_wait(want, [read, wrote], turn));
        }
    }

    /// Sends in the common case: the stream takes everything, and nothing has arrived.
    #[inline]
    fn send_at_once<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> AtOnce {
        let wrote = self.session.write(false, turn);
        if !self.session.is_plain() || !matches!(wrote, Attempt::Done(_)) {
            self.check_broken();
            return AtOnce::Stopped(wrote);
        }
        if !self.looks_before_return(Want::Sent) {
            return AtOnce::Done;
        }
        match self.session.read(turn) {
            Attempt::Blocked | Attempt::NotNow => AtOnce::Done,
            Attempt::Done(_) | Attempt::Failed(_) => AtOnce::Arrived,
        }
    }

    /// Waits, after attempts to read and to write have stopped.
    fn poll_wait<S: Io>(
        &mut self,
        want: Want,
        [read, wrote]: [Attempt; 2],
        turn: &mut Turn<'_, S>,
    ) -> Poll<()> {
        if turn.work.is_done() {
            turn.waker.wake_by_ref();
            return Poll::Pending;
        }
        let wrote = match wrote {
            Attempt::Done(_) => self.write(true, turn),
            stopped => stopped,
        };
        if let (Attempt::NotNow, _) | (_, Attempt::NotNow) = (read, wrote) {
            // A stream that uses no budget does not wake the task for a lack of budget.
            turn.waker.wake_by_ref();
            return Poll::Pending;
        }
        if self.intake.has_work() && self.may_take_messages(want) {
            turn.waker.wake_by_ref();
        }
        self.judge(turn)
    }

    /// Carries out the requests of handles.
    #[cold]
    fn take_commands(&mut self) {
        match self.intake.take_command() {
            Some(Command::Close { frame, at }) => drop(self.request_close(frame, at)),
            Some(Command::CloseNow { frame, at }) => {
                self.request_close(frame.clone(), at);
                self.session.replace_close(frame);
                self.send_close();
            }
            Some(Command::Abort) => self.session.give_up(Cause::None),
            None => {}
        }
    }

    /// Queues messages of handles, while there is room. A task that waits for the stream to take its own
    /// bytes is not held up by them.
    #[cold]
    fn take_messages(&mut self, want: Want, work: &mut Work) {
        if !self.may_take_messages(want) {
            return;
        }
        let session = &mut self.session;
        let is_left = self.intake.drain(work, session.room(), |message| {
            session.queue_accepted(message)
        });
        if !is_left && session.is_close_requested() {
            self.send_close();
        }
    }

    fn may_take_messages(&self, want: Want) -> bool {
        let session = &self.session;
        let closes = session.is_close_requested();
        session.has_room() && (want.takes_messages() || closes || session.wire().buffered() == 0)
    }

    fn read<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Attempt {
        if self.session.is_parked() {
            return Attempt::Blocked;
        }
        if turn.work.is_done() {
            return Attempt::NotNow;
        }
        let read = self.session.read(turn);
        if let Attempt::Done(len) = read
            && self.timer.poll_deadline(&mut turn.cx()).is_ready()
            && self.session.is_too_much(len)
        {
            self.session.give_up(Cause::Timeout(Timeout::Close));
        }
        read
    }

    /// Writes the queue as far as the stream takes it.
    #[inline]
    fn write<S: Io>(&mut self, uncork: bool, turn: &mut Turn<'_, S>) -> Attempt {
        if self.session.is_plain() && !self.session.wire().has_backlog() {
            return Attempt::Done(0);
        }
        let wrote = self.session.write(uncork, turn);
        self.check_broken();
        wrote
    }

    /// Looks for the peer's Close frame after a write has failed, for a short time.
    #[inline]
    fn check_broken(&mut self) {
        if self.session.take_failure() {
            self.shorten_deadline(BROKEN_GRACE);
            self.intake.seal(self.session.closed());
        }
    }

    /// Returns whether the task reads once before it returns, so that a task that only sends answers
    /// pings and Close frames. A task that also receives reads anyway.
    #[inline]
    fn looks_before_return(&mut self, want: Want) -> bool {
        matches!(want, Want::Sent | Want::Flushed)
            && !self.session.is_parked()
            && self.session.is_starved()
            && !self.session.wire_mut().take_recent_read()
            && !self.waiters.is_waiting(Side::Read)
    }

    /// Judges the peer, after nothing could be read and nothing more could be written.
    fn judge<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        let blocked = self.session.wire().has_backlog();
        let signs = || Signs {
            received: self.session.wire_mut().take_received(),
            written: self.session.wire_mut().take_written() | turn.transport.take_progress(),
        };
        match ready!(self.timer.poll_verdict(blocked, signs, &mut turn.cx())) {
            Verdict::Ping => self.session.keepalive_ping(),
            Verdict::Gone => {
                self.session.close_dead();
                let _ = self.write(true, turn);
                self.session.give_up(Cause::Timeout(Timeout::Ping));
            }
            Verdict::Deadline => self.session.give_up(Cause::Timeout(Timeout::Close)),
        }
        Poll::Ready(())
    }

    /// Winds the stream up.
    fn poll_end<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        self.start_deadline(Instant::now());
        self.intake.seal(self.session.closed());
        loop {
            let step = self.session.step();
            if step == Step::Done {
                self.timer.stop();
                self.session.finish();
                self.intake.end(self.session.closed());
                return Poll::Ready(());
            }
            if turn.work.is_done() {
                turn.waker.wake_by_ref();
                return Poll::Pending;
            }
            if self.session.is_broken() {
                self.session.give_up(Cause::None);
            } else if self.session.poll_step(turn).is_ready() {
                if matches!(self.session.step(), Step::Drain | Step::Discard) {
                    self.shorten_deadline(Step::LINGER);
                }
            } else {
                ready!(self.timer.poll_deadline(&mut turn.cx()));
                self.session.give_up(match step {
                    // Our Close frame has not left.
                    Step::Flush => Cause::Timeout(Timeout::Close),
                    _ => Cause::None,
                });
            }
        }
    }

    fn start_deadline(&mut self, from: Instant) {
        if !self.timer.has_deadline() {
            self.timer.set_deadline(self.session.deadline(from));
        }
    }

    /// Fires after the given time, or at the deadline if that is sooner.
    fn shorten_deadline(&mut self, after: Duration) {
        let now = Instant::now();
        let deadline = self.session.deadline(now);
        self.timer.set_deadline(deadline.min(now + after));
    }
}
