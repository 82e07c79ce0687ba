//! `Waiters`: two tasks poll one connection from any of its methods, and neither sleeps when it could
//! continue. Each method reads and writes, on the side of its task.

mod split;
mod wrong;

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use loom::{sync::Mutex, thread};

use crate::{
    stream::{
        Direction::{self, Read, Write},
        Stream,
    },
    task::{check, poll_once, wait, wait_locked},
    waiters::{Side, Waiters},
};

/// The checked type: the one of the crate, and wrong ones, which the models have to refuse.
trait Share: Sized + 'static {
    fn new(stream: Stream) -> Self;

    fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R>;

    /// Two halves, and the other end of their stream.
    fn pair() -> (Arc<Self>, Arc<Self>, Stream) {
        let stream = Stream::default();
        let shared = Arc::new(Self::new(stream.clone()));
        (Arc::clone(&shared), shared, stream)
    }

    /// Reads or writes a byte, for the task on this side.
    fn wait(&self, side: Side, direction: Direction) {
        wait(|cx| self.poll(side, cx, |stream, cx| stream.poll(direction, cx)));
    }
}

/// A connection between two tasks, as halves share it: its wakers and its state under one lock.
pub(crate) struct Shared<T>(Mutex<(Waiters, T)>);

impl<T> Shared<T> {
    pub(crate) fn new(state: T) -> Self {
        let mut waiters = Waiters::new();
        waiters.set_defers(true);
        Self(Mutex::new((waiters, state)))
    }

    pub(crate) fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut T, &mut Context<'_>) -> R,
    ) -> R {
        let (polled, due) = {
            let (waiters, state) = &mut *self.0.lock().unwrap();
            let entered = waiters.enter(side, cx.waker());
            let polled = poll(state, &mut Context::from_waker(entered.waker));
            (polled, waiters.take_due())
        };
        due.into_iter().for_each(Waker::wake);
        polled
    }
}

impl Share for Shared<Stream> {
    fn new(stream: Stream) -> Self {
        Self::new(stream)
    }

    fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.poll(side, cx, poll)
    }
}

/// Each side performs its steps of one byte while the events arrive.
fn sides<S: Share>(
    read_side: &'static [Direction],
    write_side: &'static [Direction],
    events: &'static [(Direction, usize)],
) {
    check(move || {
        let (read_half, write_half, stream) = S::pair();
        let reader = thread::spawn(move || {
            for &step in read_side {
                read_half.wait(Side::Read, step);
            }
        });
        let writer = thread::spawn(move || {
            for &step in write_side {
                write_half.wait(Side::Write, step);
            }
        });
        for &(direction, bytes) in events {
            stream.event(direction, bytes);
        }
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

/// The read side polls for writing once, and does not wait for the result, like a `recv` that is dropped.
fn given_up<S: Share>() {
    check(|| {
        let (read_half, write_half, stream) = S::pair();
        let reader = thread::spawn(move || {
            poll_once(|cx| read_half.poll(Side::Read, cx, |stream, cx| stream.poll(Write, cx)))
        });
        let writer = thread::spawn(move || write_half.wait(Side::Write, Write));
        stream.event(Write, 2);
        let _ = reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn the_sides_wait_for_a_direction_each() {
    sides::<Shared<Stream>>(&[Read], &[Write], &[(Read, 1), (Write, 1)]);
    sides::<Shared<Stream>>(&[Read], &[Write], &[(Write, 1), (Read, 1)]);
}

#[test]
fn one_event_lets_both_sides_write() {
    sides::<Shared<Stream>>(&[Write], &[Write], &[(Write, 2)]);
}

#[test]
fn each_event_lets_one_of_two_sides_write() {
    sides::<Shared<Stream>>(&[Write], &[Write], &[(Write, 1), (Write, 1)]);
}

#[test]
fn the_read_side_answers_while_the_write_side_waits_for_room() {
    sides::<Shared<Stream>>(&[Read, Write], &[Write], &[(Read, 1), (Write, 2)]);
    sides::<Shared<Stream>>(&[Read, Write], &[Write], &[(Write, 2), (Read, 1)]);
}

#[test]
fn a_side_that_turns_to_something_else_takes_no_wake_up_along() {
    given_up::<Shared<Stream>>();
}

#[test]
fn the_other_side_hears_of_an_event_between_the_polls_of_a_side() {
    sides::<Shared<Stream>>(&[Read, Read], &[Write], &[(Read, 1), (Write, 1), (Read, 1)]);
}

/// The case of tokio's sockets, which are pending after a task has used its budget, although they are
/// ready.
#[test]
fn a_poll_that_wakes_its_own_task_neither_blocks_nor_loses_the_other() {
    check(|| {
        let (read_half, write_half, stream) = Shared::pair();
        let reader = thread::spawn(move || {
            let mut yielded = false;
            wait(|cx| {
                Shared::poll(&read_half, Side::Read, cx, |stream, cx| {
                    if !std::mem::replace(&mut yielded, true) {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    stream.poll(Read, cx)
                })
            });
        });
        let writer = thread::spawn(move || write_half.wait(Side::Write, Write));
        stream.event(Write, 1);
        stream.event(Read, 1);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

/// A waker that takes the lock of the poll, as those of executors may.
#[test]
fn the_task_is_woken_under_no_lock_that_its_polls_need() {
    check(|| {
        let (read_half, write_half, stream) = Shared::pair();
        let reader = thread::spawn(move || {
            wait_locked(|cx| {
                Shared::poll(&read_half, Side::Read, cx, |stream, cx| {
                    stream.poll(Read, cx)
                })
            });
        });
        let writer = thread::spawn(move || write_half.wait(Side::Write, Write));
        stream.event(Read, 1);
        stream.event(Write, 1);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_half_that_moved_wakes_the_task_it_moved_to() {
    check(|| {
        let (read_half, write_half, stream) = Shared::pair();
        let writer = thread::spawn(move || write_half.wait(Side::Write, Write));
        let reader = thread::spawn(move || {
            let polled = poll_once(|cx| {
                Shared::poll(&read_half, Side::Read, cx, |stream, cx| {
                    stream.poll(Read, cx)
                })
            });
            thread::spawn(move || {
                if polled.is_pending() {
                    read_half.wait(Side::Read, Read);
                }
            })
            .join()
            .unwrap();
        });
        stream.event(Read, 1);
        stream.event(Write, 1);
        reader.join().unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_side_hears_of_what_the_other_did_without_an_event() {
    check(|| {
        let shared = Arc::new(Shared::new(false));
        let half = Arc::clone(&shared);
        let writer = thread::spawn(move || {
            poll_once(|cx| {
                let (due, reader) = {
                    let (waiters, done) = &mut *half.0.lock().unwrap();
                    let _ = waiters.enter(Side::Write, cx.waker());
                    *done = true;
                    waiters.wake(Side::Read);
                    (waiters.take_due(), waiters.take(Side::Read))
                };
                due.into_iter().chain(reader).for_each(Waker::wake);
                Poll::Ready(())
            })
        });
        wait(|cx| {
            shared.poll(Side::Read, cx, |done, _| match done {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
        });
        let _ = writer.join().unwrap();
    });
}
