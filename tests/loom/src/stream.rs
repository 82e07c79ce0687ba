//! [`Stream`]: a stream as tokio's sockets are. It keeps one waker for each direction, that of the
//! last poll, and an event makes a direction ready first and wakes second.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use loom::sync::Mutex;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Direction {
    Read = 0,
    Write = 1,
}

/// A clone is the other end: the one who makes it ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream(Arc<[Mutex<Half>; 2]>);

#[derive(Debug, Default)]
struct Half {
    /// How many bytes may be read or written before it would block.
    ready: usize,
    waker: Option<Waker>,
}

impl Stream {
    /// Reads or writes one byte.
    pub(crate) fn poll(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        let mut half = self.0[direction as usize].lock().unwrap();
        if half.ready == 0 {
            half.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        half.ready -= 1;
        Poll::Ready(())
    }

    /// Makes `bytes` more ready, and wakes who polled last.
    pub(crate) fn event(&self, direction: Direction, bytes: usize) {
        let half = &self.0[direction as usize];
        half.lock().unwrap().ready += bytes;
        let waker = half.lock().unwrap().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
