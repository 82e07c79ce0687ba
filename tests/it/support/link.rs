//! A stream between two connections that keeps no promise about time and size: partial reads and writes,
//! waits, stalls and failures, as a seed decides.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::tasks::Random;

/// Both directions of the stream.
#[derive(Clone)]
pub(crate) struct Link(Arc<Mutex<State>>);

struct State {
    random: Random,
    /// The bytes that each end has written.
    directions: [Direction; 2],
    /// The wakers of polls that were made to wait although the stream could continue.
    late: Vec<Waker>,
    capacity: usize,
    /// Whether every poll continues as far as it can.
    prompt: bool,
    /// The number of bytes and ends that were moved.
    moved: usize,
    /// Whether a write or a read has failed.
    has_failed: bool,
}

#[derive(Default)]
struct Direction {
    bytes: BytesMut,
    /// Whether the end of the stream follows the bytes.
    ended: bool,
    /// Whether reads wait although there are bytes.
    stalled: bool,
    fails_to_read: bool,
    fails_to_write: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// One end of the stream.
pub(crate) struct End {
    link: Link,
    /// The place of the end's own direction.
    place: usize,
    is_vectored: bool,
}

impl Direction {
    fn wake(&mut self) {
        let wakers = [self.reader.take(), self.writer.take()];
        wakers.into_iter().flatten().for_each(Waker::wake);
    }
}

impl Link {
    pub(crate) fn new(seed: u64, capacity: usize) -> (Self, End, End) {
        let mut random = Random::new(seed);
        let vectored = [random.below(2) == 0, random.below(2) == 0];
        let link = Self(Arc::new(Mutex::new(State {
            random,
            directions: Default::default(),
            late: Vec::new(),
            capacity,
            prompt: false,
            moved: 0,
            has_failed: false,
        })));
        let end = |place: usize| End {
            link: link.clone(),
            place,
            is_vectored: vectored[place],
        };
        let (near, far) = (end(0), end(1));
        (link, near, far)
    }

    /// Returns the number of bytes and ends that were moved.
    pub(crate) fn moved(&self) -> usize {
        self.lock().moved
    }

    /// Returns whether a write or a read has failed. A peer that has left fails writes as well.
    pub(crate) fn has_failed(&self) -> bool {
        self.lock().has_failed
    }

    /// Lets every poll continue as far as it can, or not.
    pub(crate) fn set_prompt(&self, prompt: bool) {
        self.lock().prompt = prompt;
    }

    /// Wakes a poll that was made to wait. Returns whether there was one.
    pub(crate) fn wake_late(&self) -> bool {
        let mut state = self.lock();
        if state.late.is_empty() {
            return false;
        }
        let len = state.late.len();
        let place = state.random.below(len);
        state.late.swap_remove(place).wake();
        true
    }

    /// Stalls a direction, or ends the stall.
    pub(crate) fn set_stalled(&self, place: usize, stalled: bool) {
        let mut state = self.lock();
        state.directions[place].stalled = stalled;
        state.directions[place].wake();
    }

    /// Ends all stalls. Returns whether there was one.
    pub(crate) fn end_stalls(&self) -> bool {
        let stalled = self.lock().directions.each_ref().map(|it| it.stalled);
        self.set_stalled(0, false);
        self.set_stalled(1, false);
        stalled.contains(&true)
    }

    /// Breaks a direction: its writes fail, its reads fail, or both ends lose each other.
    pub(crate) fn fail(&self, place: usize, kind: usize) {
        let mut state = self.lock();
        match kind {
            0 => state.directions[place].fails_to_write = true,
            1 => state.directions[place].fails_to_read = true,
            _ => {
                for direction in &mut state.directions {
                    let len = direction.bytes.len();
                    direction.bytes.truncate(len / 2);
                    direction.ended = true;
                    direction.fails_to_write = true;
                }
            }
        }
        for direction in &mut state.directions {
            direction.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    /// Makes a poll wait, now and then.
    fn delays(&mut self, cx: &Context<'_>) -> bool {
        let delays = !self.prompt && self.random.below(6) == 0;
        if delays {
            self.late.push(cx.waker().clone());
        }
        delays
    }

    /// Draws the number of bytes to move, from 1 to `len`.
    fn part(&mut self, len: usize) -> usize {
        match self.random.below(3) {
            0 => 1 + self.random.below(len),
            1 => len.min(1 + self.random.below(8)),
            _ => len,
        }
    }
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.link.lock();
        if state.delays(cx) {
            return Poll::Pending;
        }
        let place = 1 - self.place;
        let direction = &mut state.directions[place];
        if direction.fails_to_read {
            state.has_failed = true;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let most = direction.bytes.len().min(buf.remaining());
        if direction.stalled || (most == 0 && !direction.ended) {
            direction.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if most == 0 {
            return Poll::Ready(Ok(()));
        }
        let len = state.part(most);
        state.moved += len;
        let direction = &mut state.directions[place];
        buf.put_slice(&direction.bytes[..len]);
        direction.bytes.advance(len);
        if let Some(writer) = direction.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.lock();
        if state.delays(cx) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.lock();
        if state.delays(cx) {
            return Poll::Pending;
        }
        state.moved += 1;
        state.directions[self.place].ended = true;
        state.directions[self.place].wake();
        Poll::Ready(Ok(()))
    }

    fn is_write_vectored(&self) -> bool {
        self.is_vectored
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.link.lock();
        if state.delays(cx) {
            return Poll::Pending;
        }
        let capacity = state.capacity;
        let direction = &mut state.directions[self.place];
        if direction.fails_to_write {
            state.has_failed = true;
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = capacity - direction.bytes.len();
        if room == 0 {
            direction.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let all: usize = bufs.iter().map(|buf| buf.len()).sum();
        let len = state.part(room.min(all));
        state.moved += len;
        let direction = &mut state.directions[self.place];
        let mut left = len;
        for buf in bufs {
            let part = left.min(buf.len());
            direction.bytes.extend_from_slice(&buf[..part]);
            left -= part;
        }
        if let Some(reader) = direction.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(len))
    }
}

/// A dropped end writes no more, and takes no bytes.
impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        state.directions[self.place].ended = true;
        state.directions[1 - self.place].fails_to_write = true;
        for direction in &mut state.directions {
            direction.wake();
        }
    }
}
