//! Wrong ways to share a stream. A model that accepted them would prove nothing.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use loom::sync::Mutex;

use super::{
    Direction::{Read, Write},
    Share, Side, Stream, given_up, sides,
};

/// Polls with the task's own waker, although a stream keeps only the last one.
struct OwnWaker(Mutex<Stream>);

impl Share for OwnWaker {
    fn new(stream: Stream) -> Self {
        Self(Mutex::new(stream))
    }

    fn poll<R>(
        &self,
        _side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        poll(&mut self.0.lock().unwrap(), cx)
    }
}

/// Registers the task after the poll. An event in between wakes no task.
struct RegistersLate(Mutex<Stream>, Arc<Wakers>);

#[derive(Default)]
struct Wakers(Mutex<[Option<Waker>; 2]>);

impl Share for RegistersLate {
    fn new(stream: Stream) -> Self {
        Self(Mutex::new(stream), Arc::default())
    }

    fn poll<R>(
        &self,
        side: Side,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Stream, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let waker = Waker::from(Arc::clone(&self.1));
        let polled = poll(
            &mut self.0.lock().unwrap(),
            &mut Context::from_waker(&waker),
        );
        self.1.0.lock().unwrap()[side as usize] = Some(cx.waker().clone());
        polled
    }
}

impl Wake for Wakers {
    fn wake(self: Arc<Self>) {
        let wakers = std::mem::take(&mut *self.0.lock().unwrap());
        for waker in wakers.into_iter().flatten() {
            waker.wake();
        }
    }
}

#[test]
#[should_panic = "deadlock"]
fn with_its_own_waker_a_side_sleeps_when_both_write() {
    sides::<OwnWaker>(&[Write], &[Write], &[(Write, 2)]);
}

#[test]
#[should_panic = "deadlock"]
fn with_its_own_waker_a_side_sleeps_when_the_other_turns_away() {
    given_up::<OwnWaker>();
}

#[test]
#[should_panic = "deadlock"]
fn registered_late_a_side_sleeps() {
    sides::<RegistersLate>(&[Read], &[Write], &[(Read, 1), (Write, 1)]);
}
