//! [`Stream`]: a stream like tokio's sockets. It keeps one waker for each direction, that of the last
//! poll. An event first makes a direction ready, and then wakes.

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

/// The stream. A clone is the other end, which makes it ready.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream(Arc<[Mutex<Half>; 2]>);

#[derive(Debug, Default)]
struct Half {
    /// The number of bytes that can be read or written before a poll blocks.
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

    /// Makes `bytes` more ready, and wakes the task that polled last.
    pub(crate) fn event(&self, direction: Direction, bytes: usize) {
        let half = &self.0[direction as usize];
        half.lock().unwrap().ready += bytes;
        let waker = half.lock().unwrap().waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
