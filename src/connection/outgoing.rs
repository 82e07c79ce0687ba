//! The sending side of [`Core`]: from messages to the stream.

use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    TryFeedError,
    core::{Core, State},
    ending::Outcome,
    ping::Waiter,
    write::WriteQueue,
};
use crate::{
    error::{Error, Timeout},
    frame::CloseFrame,
    message::Message,
    protocol::Event,
};

impl Core {
    /// Waits for room, queues the message and writes everything that is queued. `message` is `None`
    /// once it is queued.
    pub(super) fn poll_send<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        message: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_feed(io, message, cx))?;
        self.poll_flush(io, cx)
    }

    /// Waits for room and queues the message. `message` is `None` once that is done.
    pub(super) fn poll_feed<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        message: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if message.is_some() {
            self.begin_with_inbox(cx);
            ready!(self.poll_ready(io, cx))?;
        }
        Poll::Ready(self.queue(message))
    }

    /// Queues the message unless too much is queued.
    pub(super) fn try_feed(&mut self, message: Message) -> Result<(), TryFeedError> {
        self.check_open()?;
        if !self.has_room() {
            return Err(TryFeedError::Full(message));
        }
        Ok(self.queue(&mut Some(message))?)
    }

    /// Makes room for a message.
    pub(super) fn poll_ready<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if matches!(self.state, State::Open) {
            self.check_open()?;
        }
        let high_water = self.values().write_high_water;
        if self.output.len() <= high_water && matches!(self.state, State::Open) {
            return Poll::Ready(Ok(()));
        }
        self.poll_output(io, cx, |output, io, cx| {
            output.poll_write(io, cx, high_water)
        })
    }

    /// Writes everything that is queued.
    pub(super) fn poll_flush<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        self.begin_with_inbox(cx);
        self.poll_output(io, cx, WriteQueue::poll_flush)
    }

    /// Queues the message, if there is one, whatever is queued already.
    pub(super) fn queue(&mut self, message: &mut Option<Message>) -> Result<(), Error> {
        if let Some(queued) = message {
            self.check_open()?;
            self.sender.message(queued, &mut self.output)?;
            *message = None;
        }
        Ok(())
    }

    /// Queues a ping; `waiter` is told of its pong.
    pub(super) fn ping(&mut self, payload: Bytes, waiter: Option<Waiter>) -> Result<(), Error> {
        self.check_open()?;
        self.sender
            .send(Event::Ping(payload.clone()), &mut self.output)?;
        self.pings.sent(payload, waiter);
        Ok(())
    }

    /// Queues an unsolicited pong.
    pub(super) fn pong(&mut self, payload: Bytes) -> Result<(), Error> {
        self.check_open()?;
        Ok(self.sender.send(Event::Pong(payload), &mut self.output)?)
    }

    /// Queues our Close frame, and starts the deadline; `false` when there was one or it is too late.
    pub(super) fn send_close(&mut self, frame: CloseFrame) -> bool {
        if self.is_open()
            && let Some(inbox) = &mut self.inbox
        {
            inbox.drain(usize::MAX, usize::MAX, |message| {
                let _ = self.sender.send(message, &mut self.output);
            });
        }
        self.queue_close(frame)
    }

    /// Queues our Close frame; what is in the inbox is lost.
    pub(super) fn queue_close(&mut self, frame: CloseFrame) -> bool {
        if !self.is_open() {
            return false;
        }
        // A Close frame is legal by its type.
        let _ = self
            .sender
            .send(Event::Close(frame.clone()), &mut self.output);
        self.closing.sent(frame);
        self.start_deadline();
        self.close_inbox();
        true
    }

    /// Writes what is queued as far as the stream takes it now, and what handles have sent.
    pub(super) fn write_queued<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) {
        let idle = self.output.is_idle() && self.pong.is_none() && self.inbox.is_none();
        if idle || !matches!(self.state, State::Open) {
            return;
        }
        self.queue_waiting_pong();
        self.empty_inbox(cx);
        if !matches!(self.state, State::Open) {
            return;
        }
        let queued = self.output.len();
        let written = self.output.poll_flush(io, cx);
        let some = self.output.len() < queued;
        self.timer.written(some, written.is_pending());
        if let Poll::Ready(Err(error)) = written {
            return self.broken(error);
        }
        let more = self.inbox.as_ref().is_some_and(|inbox| inbox.has_work());
        if self.is_open() && more && self.has_room() {
            cx.waker().wake_by_ref();
        }
        self.queue_waiting_pong();
    }

    /// Queues what handles have sent if nothing else is: those that never pause hold nobody up.
    fn begin_with_inbox(&mut self, cx: &mut Context<'_>) {
        if self.inbox.is_some() && self.output.is_idle() {
            self.empty_inbox(cx);
        }
    }

    /// Queues what handles have sent, while there is room.
    fn empty_inbox(&mut self, cx: &mut Context<'_>) {
        let Some(inbox) = &mut self.inbox else {
            return;
        };
        inbox.register(cx.waker());
        if !inbox.has_work() && self.close_frame.is_none() {
            return;
        }
        if let Some(command) = inbox.take_command() {
            self.command(command);
        }
        if !self.has_room() || !self.is_open() {
            return;
        }
        let room = self.values().write_high_water + 1 - self.output.len();
        let Some(inbox) = &mut self.inbox else {
            return;
        };
        let more = inbox.drain(32, room, |message| {
            let _ = self.sender.send(message, &mut self.output);
        });
        if !more && let Some(frame) = self.close_frame.take() {
            self.queue_close(*frame);
        }
    }

    /// Runs one of the queue's operations; when the stream is broken, looks whether the peer said why.
    fn poll_output<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
        write: impl FnOnce(&mut WriteQueue, &mut S, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<Result<(), Error>> {
        if matches!(self.state, State::Open) {
            match write(&mut self.output, io, cx) {
                Poll::Ready(Ok(())) => return Poll::Ready(Ok(())),
                Poll::Pending if self.timer.deadline_passed(cx) => {
                    self.end(Outcome::Timeout(Timeout::Close));
                }
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => self.broken(error),
            }
        }
        if self.found.is_none() {
            let found = ready!(self.poll_message(io, cx));
            self.found = found.ok().flatten().map(Box::new);
        }
        Poll::Ready(Err(self.refusal()))
    }

    /// Queues a pong; when there is no room, the newest waits and replaces the one that waited
    /// (RFC 6455 §5.5.3).
    pub(super) fn queue_pong(&mut self, payload: Bytes) {
        if self.has_room() && self.pong.is_none() {
            // A pong that repeats a ping's payload is never too long.
            let _ = self.sender.send(Event::Pong(payload), &mut self.output);
        } else {
            self.pong = Some(Box::new(payload));
        }
    }

    fn queue_waiting_pong(&mut self) {
        if self.pong.is_some()
            && self.has_room()
            && let Some(payload) = self.pong.take()
        {
            let _ = self.sender.send(Event::Pong(*payload), &mut self.output);
        }
    }

    /// Whether a control frame may be queued.
    pub(super) fn has_room(&self) -> bool {
        matches!(self.state, State::Open) && self.output.len() <= self.values().write_high_water
    }
}
