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

use tokio::{task::coop, time::Instant};

use super::{
    ending::Cause,
    handle::Handle,
    inbox::Command,
    intake::Intake,
    session::Session,
    timer::{Signs, Timer, Verdict},
    turn::{Io, Turn, Work},
    waiters::{Side, Waiters},
    want::{Outcome, Want},
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
const _: () = assert!(size_of::<Driver>() <= 80 * size_of::<u64>());

/// A connection without its stream: each call borrows it.
#[derive(Debug)]
pub(super) struct Driver {
    session: Session,
    timer: Timer,
    waiters: Waiters,
    intake: Intake,
    /// The number of operations, for [`poll_proceed`](Self::poll_proceed).
    operations: u8,
}

impl Driver {
    pub(super) fn new(session: Session) -> Self {
        Self {
            timer: Timer::new(session.config()),
            session,
            waiters: Waiters::new(),
            intake: Intake::default(),
            operations: 0,
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
        true
    }

    fn send_close(&mut self) {
        self.session.send_close();
        self.intake.seal(self.session.closed());
    }

    /// Counts an operation, and waits when other tasks have to run first. An operation that completes
    /// costs a quarter of what a read of a socket costs.
    #[inline]
    pub(super) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.operations = self.operations.wrapping_add(1);
        if !self.operations.is_multiple_of(4) {
            return Poll::Ready(());
        }
        coop::poll_proceed(cx).map(|budget| budget.made_progress())
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
        let before = self.view();
        let outcome = self.drive(want, Turn::new(transport, &waker));
        if self.view() != before {
            self.waiters.wake_other(want.side());
        }
        outcome
    }

    fn drive<S: Io>(&mut self, want: Want, mut turn: Turn<'_, S>) -> Poll<Outcome> {
        let turn = &mut turn;
        // A task that sends looks at the input only when it has to wait or is about to return.
        let mut looks = want.takes_messages();
        let mut met = false;
        loop {
            let has_requests = self.intake.watch(turn.waker);
            if has_requests {
                self.take_commands();
            }
            if self.session.step() != Step::Continue {
                let ended = self.poll_end(turn);
                return match met {
                    true => Poll::Ready(Outcome::Met),
                    false => ended.map(|()| Outcome::Over),
                };
            }
            if has_requests || self.session.is_close_requested() {
                self.take_messages(want, &mut turn.work);
            }
            if want == Want::Room && self.is_met(want) {
                return Poll::Ready(Outcome::Met);
            }
            if looks && (want.takes_messages() || !self.session.is_parked()) {
                match self.session.receive(&mut turn.work) {
                    Some(message) if want == Want::Message => {
                        return Poll::Ready(Outcome::Message(message));
                    }
                    Some(_) if want == Want::Ended => continue,
                    Some(message) => self.session.park(message),
                    None if self.session.step() != Step::Continue => continue,
                    None => {}
                }
            }
            let wrote = self.write(want.uncorks(), turn);
            met |= self.is_met(want);
            if met && (looks || !self.looks_before_return(want)) {
                return Poll::Ready(Outcome::Met);
            }
            if self.is_hopeless(want) {
                return Poll::Ready(Outcome::Over);
            }
            if !mem::replace(&mut looks, true) && !self.session.is_starved() {
                continue;
            }
            let read = self.read(turn);
            if let Attempt::Done(_) | Attempt::Failed(_) = read {
                continue;
            }
            if met {
                return Poll::Ready(Outcome::Met);
            }
            ready!(self.poll_wait(read, wrote, turn));
        }
    }

    /// Waits, after attempts to read and to write have stopped.
    fn poll_wait<S: Io>(
        &mut self,
        read: Attempt,
        wrote: Attempt,
        turn: &mut Turn<'_, S>,
    ) -> Poll<()> {
        if turn.work.is_done() {
            turn.waker.wake_by_ref();
            return Poll::Pending;
        }
        let wrote = match wrote {
            Attempt::Done(_) => self.session.uncork(turn),
            stopped => stopped,
        };
        self.check_broken();
        if let (Attempt::NotNow, _) | (_, Attempt::NotNow) = (read, wrote) {
            return Poll::Pending;
        }
        if turn.work.messages() == 0 && self.intake.has_work() {
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
        let session = &mut self.session;
        let closes = session.is_close_requested();
        let may_take = want.takes_messages() || closes || session.buffered() == 0;
        if !may_take || !session.has_room() {
            return;
        }
        let is_left = self.intake.drain(work, session.room(), |message| {
            session.queue_accepted(message)
        });
        if !is_left && closes {
            self.send_close();
        }
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

    #[inline]
    fn write<S: Io>(&mut self, uncork: bool, turn: &mut Turn<'_, S>) -> Attempt {
        let wrote = self.session.write(uncork, turn);
        self.check_broken();
        wrote
    }

    /// Looks for the peer's Close frame after a write has failed, for a short time.
    #[inline]
    fn check_broken(&mut self) {
        if self.session.take_failure() {
            self.start_deadline(Instant::now());
            self.timer.shorten_deadline(BROKEN_GRACE);
            self.intake.seal(self.session.closed());
        }
    }

    /// Returns whether the want is met.
    #[inline]
    fn is_met(&self, want: Want) -> bool {
        let session = &self.session;
        match want {
            Want::Message | Want::Ended => false,
            Want::Room => session.is_open() && session.has_room(),
            Want::Sent => session.buffered() == 0 && !session.is_broken(),
            Want::Flushed => !session.has_backlog() && !session.is_broken(),
            Want::CloseSent => {
                !session.has_backlog() && !session.is_broken() && !session.is_close_requested()
            }
        }
    }

    /// Returns whether the task reads once before it returns, so that a task that only sends answers
    /// pings and Close frames. A task that waits for messages reads anyway.
    #[inline]
    fn looks_before_return(&self, want: Want) -> bool {
        matches!(want, Want::Sent | Want::Flushed)
            && !self.session.is_parked()
            && self.session.is_starved()
            && !self.waiters.is_waiting(Side::Read)
    }

    /// Returns whether the want cannot be met any more, though the connection has not ended.
    #[inline]
    fn is_hopeless(&self, want: Want) -> bool {
        let session = &self.session;
        match want {
            Want::Message | Want::Ended => false,
            // The peer's Close frame is looked for, up to the first message.
            _ if session.is_broken() => self.session.is_parked(),
            Want::Room => !session.is_open(),
            Want::Sent | Want::Flushed | Want::CloseSent => false,
        }
    }

    /// Judges the peer, after nothing could be read and nothing more could be written.
    fn judge<S: Io>(&mut self, turn: &mut Turn<'_, S>) -> Poll<()> {
        let blocked = self.session.has_backlog();
        let signs = || Signs {
            received: self.session.take_received(),
            written: self.session.take_written() | turn.transport.take_progress(),
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
                self.finish();
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
                    self.timer.shorten_deadline(Step::LINGER);
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

    fn finish(&mut self) {
        self.timer.stop();
        self.session.finish();
        self.intake.end(self.session.closed());
    }

    fn start_deadline(&mut self, from: Instant) {
        let timeout = self.session.config().values.close_timeout;
        self.timer.start_deadline(from, timeout);
    }

    /// Returns the state that the other task of a connection may wait for.
    fn view(&self) -> (Step, [bool; 4]) {
        let session = &self.session;
        let (open, parked) = (session.is_open(), session.is_parked());
        let (room, backlog) = (session.has_room(), session.has_backlog());
        (session.step(), [open, parked, room, backlog])
    }
}
