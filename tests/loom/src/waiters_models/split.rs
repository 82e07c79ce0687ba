//! `StreamExt::split` of futures: two tasks poll one connection under a lock that a poll never waits for. A task is
//! woken while the other one holds the lock, because the connection knows nothing of it.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};

use loom::thread;

use super::{
    Direction::{self, Read, Write},
    Share, Side, Stream, given_up, sides,
};
use crate::{
    split_lock::SplitLock,
    task::{check, poll_once, wait},
    waiters::Waiters,
};

/// A connection that futures has split.
struct Split<T>(SplitLock<(Waiters, T)>);

impl<T> Split<T> {
    fn of(state: T) -> Self {
        Self(SplitLock::new((Waiters::new(), state)))
    }

    /// Polls as `Socket::poll` does. The closure returns whether the other task has to look.
    fn poll_state<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut T, &mut Context<'_>) -> (Poll<R>, bool),
    ) -> Poll<R> {
        let mut locked = ready!(self.0.poll_lock(cx));
        let (waiters, state) = &mut *locked;
        if waiters.is_alone(cx.waker()) {
            let (polled, _) = poll(state, cx);
            waiters.set_waiting(side, polled.is_pending());
            return polled;
        }
        let entered = waiters.enter(side, cx.waker());
        let (polled, changed) = poll(state, &mut Context::from_waker(entered.waker));
        if changed {
            waiters.wake(side.other());
        }
        if polled.is_ready() {
            waiters.leave(side);
        }
        polled
    }
}

impl Share for Split<Stream> {
    fn new(stream: Stream) -> Self {
        Self::of(stream)
    }

    fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll_state(side, cx, |stream, cx| (poll(stream, cx), false))
    }
}

#[test]
fn the_sides_wait_for_a_direction_each() {
    sides::<Split<Stream>>(&[Read], &[Write], &[(Read, 1), (Write, 1)]);
    sides::<Split<Stream>>(&[Read], &[Write], &[(Write, 1), (Read, 1)]);
}

#[test]
fn an_event_lets_both_sides_write_or_one_after_the_other() {
    sides::<Split<Stream>>(&[Write], &[Write], &[(Write, 2)]);
    sides::<Split<Stream>>(&[Write], &[Write], &[(Write, 1), (Write, 1)]);
}

#[test]
fn the_read_side_answers_while_the_write_side_waits_for_room() {
    sides::<Split<Stream>>(&[Read, Write], &[Write], &[(Read, 1), (Write, 2)]);
    sides::<Split<Stream>>(&[Read, Write], &[Write], &[(Write, 2), (Read, 1)]);
}

#[test]
fn a_side_that_turns_to_something_else_takes_no_wake_up_along() {
    given_up::<Split<Stream>>();
}

/// A connection as far as wake-ups go: a queue of bytes before the stream, and a parked message behind it.
#[derive(Default)]
struct Connection {
    stream: Stream,
    /// The number of queued bytes. The queue has room while it is empty.
    queued: usize,
    is_parked: bool,
    /// The number of messages that arrive before the end of the stream.
    messages: usize,
    has_ended: bool,
}

impl Connection {
    /// Writes and reads as far as the stream allows, for either side.
    fn drive(&mut self, cx: &mut Context<'_>) {
        while self.queued > 0 && self.stream.poll(Write, cx).is_ready() {
            self.queued -= 1;
        }
        if !self.is_parked && !self.has_ended && self.stream.poll(Read, cx).is_ready() {
            match self.messages.checked_sub(1) {
                Some(left) => (self.messages, self.is_parked) = (left, true),
                None => self.has_ended = true,
            }
        }
    }

    const fn view(&self) -> (bool, bool, bool) {
        (self.queued > 0, self.is_parked, self.has_ended)
    }

    /// `Stream::poll_next`.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> (Poll<()>, bool) {
        let before = self.view();
        self.drive(cx);
        let changed = self.view() != before;
        match std::mem::take(&mut self.is_parked) || self.has_ended {
            true => (Poll::Ready(()), changed),
            false => (Poll::Pending, changed),
        }
    }

    /// `Sink::poll_flush`, or `Sink::poll_ready` with `start_send` of so many bytes behind it.
    fn poll_empty(&mut self, then_queue: usize, cx: &mut Context<'_>) -> (Poll<()>, bool) {
        let before = self.view();
        self.drive(cx);
        let changed = self.view() != before;
        match self.queued {
            _ if self.has_ended => (Poll::Ready(()), changed),
            0 => {
                self.queued = then_queue;
                (Poll::Ready(()), changed)
            }
            _ => (Poll::Pending, changed),
        }
    }
}

/// One task receives so many messages or the end, and the other one sends two bytes and flushes.
fn stream_and_sink(received: usize, messages: usize, events: &'static [(Direction, usize)]) {
    check(move || {
        let stream = Stream::default();
        let reader = Arc::new(Split::of(Connection {
            stream: stream.clone(),
            messages,
            ..Connection::default()
        }));
        let writer = Arc::clone(&reader);
        let reads = thread::spawn(move || {
            for _ in 0..received {
                wait(|cx| reader.poll_state(Side::Read, cx, Connection::poll_next));
            }
        });
        let writes = thread::spawn(move || {
            for queued in [1, 1, 0] {
                wait(|cx| writer.poll_state(Side::Write, cx, |it, cx| it.poll_empty(queued, cx)));
            }
        });
        for &(direction, bytes) in events {
            stream.event(direction, bytes);
        }
        reads.join().unwrap();
        writes.join().unwrap();
    });
}

#[test]
fn a_stream_and_a_sink_in_two_tasks_sleep_only_while_nothing_moves() {
    stream_and_sink(1, 1, &[(Read, 1), (Write, 2)]);
    stream_and_sink(1, 1, &[(Write, 2), (Read, 1)]);
}

#[test]
fn a_sink_that_writes_byte_by_byte_leaves_the_stream_awake() {
    stream_and_sink(1, 1, &[(Write, 1), (Read, 1), (Write, 1)]);
}

/// A message that the sink has parked stands before the end of the stream, which the stream alone meets then.
#[test]
fn a_sink_that_waits_learns_of_the_end() {
    stream_and_sink(2, 1, &[(Read, 2)]);
}

/// The task that receives drops its `next` after one poll.
#[test]
fn a_sink_continues_after_the_stream_was_given_up() {
    check(|| {
        let stream = Stream::default();
        let reader = Arc::new(Split::of(Connection {
            stream: stream.clone(),
            queued: 1,
            ..Connection::default()
        }));
        let writer = Arc::clone(&reader);
        let reads = thread::spawn(move || {
            poll_once(|cx| reader.poll_state(Side::Read, cx, Connection::poll_next))
        });
        let writes = thread::spawn(move || {
            wait(|cx| writer.poll_state(Side::Write, cx, |it, cx| it.poll_empty(0, cx)));
        });
        stream.event(Write, 1);
        let _ = reads.join().unwrap();
        writes.join().unwrap();
    });
}
