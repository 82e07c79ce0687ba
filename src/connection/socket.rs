//! [`Socket`]: a connection with its stream, and the waits that a whole connection and halves share.

use std::task::{Context, Poll, Waker, ready};

use tokio::time::Instant;

use super::{
    driver::Driver,
    handle::Handle,
    lend::Lent,
    link::Link,
    read::ReadBuffer,
    session::Session,
    transport::Transport,
    turn::Io,
    waiters::{Side, Waiters},
    want::{Outcome, View, Want},
};
use crate::{
    error::Error,
    frame::{CloseCode, CloseFrame, WholeFrame},
    message::Message,
    protocol::Event,
    text::Text,
};

/// A message to be queued.
pub(super) trait Content {
    /// Queues the message on a connection that is known to be open. The content may be taken.
    fn queue(&mut self, session: &mut Session) -> Result<(), Error>;
}

impl Content for Message {
    #[inline]
    fn queue(&mut self, session: &mut Session) -> Result<(), Error> {
        session.accept(self)
    }
}

/// Returns the Close frame of a stream or sink that is closed.
pub(super) fn normal_close() -> CloseFrame {
    CloseFrame::from_static(CloseCode::NORMAL, Text::from_static(""))
}

/// A connection with its stream.
pub(super) struct Socket<S> {
    pub(super) transport: Transport<S>,
    pub(super) link: Link,
    pub(super) waiters: Waiters,
    /// Boxed twice, because most connections have none.
    pub(super) subprotocol: Option<Box<Box<str>>>,
}

/// Every idle connection takes this, beside its stream and its timer.
const _: () = assert!(size_of::<Socket<()>>() <= 36 * size_of::<u64>());

impl<S> Socket<S> {
    #[inline]
    pub(super) const fn session(&self) -> &Session {
        self.link.session()
    }

    #[inline]
    pub(super) const fn session_mut(&mut self) -> &mut Session {
        self.link.session_mut()
    }

    /// Accepts a Close frame with the code 1000, for a stream or sink that is closed. Returns a waker, as
    /// [`request_close`](Self::request_close).
    pub(super) fn request_normal_close(&mut self) -> Option<Waker> {
        self.request_close(normal_close()).1
    }

    /// Accepts our Close frame, as [`Link::request_close`]. Also returns the waker of the task that receives,
    /// which has to look at the deadline. Wake it once no lock is held.
    pub(super) fn request_close(&mut self, frame: CloseFrame) -> (bool, Option<Waker>) {
        let is_accepted = self.link.request_close(frame, Instant::now());
        let receiver = match is_accepted {
            true => self.waiters.take(Side::Read),
            false => None,
        };
        (is_accepted, receiver)
    }
}

impl<S> Socket<S> {
    /// Continues with the rest of an input that was lent. Returns the waker of a task that has waited for it. Wake
    /// it once no lock is held.
    #[inline]
    pub(super) fn give_back(&mut self, input: ReadBuffer) -> Option<Waker> {
        match self.session_mut().give_back(input) {
            true => self.waiters.take(Side::Write),
            false => None,
        }
    }

    /// Returns a handle that sends from elsewhere.
    pub(super) fn handle(&mut self) -> Handle {
        self.claim_inbox();
        self.link.handle()
    }

    /// Shares an inbox with the server, if there is one.
    fn claim_inbox(&mut self) {
        if !self.link.has_inbox()
            && let Some(cork) = self.transport.cork
        {
            let config = self.link.session().config();
            let inbox = (cork().claim_inbox)(&self.transport.io, config);
            self.link.set_inbox(inbox);
        }
    }

    /// Takes the inbox that the server has created for this connection.
    #[inline]
    fn take_inbox(&mut self) {
        if let Some(cork) = self.transport.cork
            && !self.link.has_inbox()
            && (cork().has_mail)(&self.transport.io)
        {
            self.claim_inbox();
        }
    }

    /// Creates an inbox if a task other than the handler's polls the connection, because the server wakes only the
    /// handler's task.
    fn on_new_task(&mut self, task: &Waker) {
        if let Some(cork) = self.transport.cork
            && !(cork().is_task)(&self.transport.io, task)
        {
            self.claim_inbox();
        }
    }
}

impl<S: Io> Socket<S> {
    /// Receives a message; `None` after a clean end.
    #[inline]
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        self.poll_next(|session, frame| session.take_whole(frame), cx)
    }

    /// Receives a message that is to be lent; `None` after a clean end.
    #[inline]
    pub(super) fn poll_lend(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Lent>, Error>> {
        self.poll_next(Lent::new, cx)
    }

    /// Receives a message or a control frame; `None` after a clean end.
    pub(super) fn poll_event(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Event>, Error>> {
        ready!(self.poll_proceed(cx));
        self.session_mut().wire_mut().only_sends(false);
        loop {
            if let Some(event) = self.session_mut().take_seen() {
                return Poll::Ready(Ok(Some(event)));
            }
            if let Some(frame) = self.session().find_whole()
                && let Some(message) = self.session_mut().take_whole(frame)
            {
                return Poll::Ready(Ok(Some(message.into())));
            }
            self.session_mut().deliver_whole();
            match ready!(self.poll(Want::Event, cx)) {
                Outcome::Message(message) => return Poll::Ready(Ok(Some(message.into()))),
                Outcome::Met => {}
                Outcome::Over => {
                    let close = self.session_mut().take_seen();
                    return Poll::Ready(match close {
                        None => self.session_mut().report().map(|()| None),
                        close => Ok(close),
                    });
                }
            }
        }
    }

    /// Waits for a message that leaves in chunks: whether it is text; `None` after a clean end. Drops the rest of the
    /// previous message.
    pub(super) fn poll_stream(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<bool>, Error>> {
        ready!(self.poll_proceed(cx));
        self.session_mut().deliver_chunks();
        let is_text = ready!(self.poll_take(|session| session.chunk_is_text(), cx));
        Poll::Ready(match is_text {
            None => self.session_mut().report().map(|()| None),
            is_text => Ok(is_text),
        })
    }

    /// Receives the next chunk of a message, and whether it is the last.
    pub(super) fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(Message, bool), Error>> {
        ready!(self.poll_proceed(cx));
        let chunk = ready!(self.poll_take(Session::take_chunk, cx));
        Poll::Ready(chunk.ok_or_else(|| self.session_mut().refusal()))
    }

    /// Waits for a chunk, which `take` takes; `None` after the end of the connection.
    fn poll_take<T>(
        &mut self,
        take: impl Fn(&mut Session) -> Option<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<T>> {
        self.session_mut().wire_mut().only_sends(false);
        loop {
            if let Some(taken) = take(self.session_mut()) {
                return Poll::Ready(Some(taken));
            }
            match ready!(self.poll(Want::Chunk, cx)) {
                Outcome::Message(message) => self.session_mut().park(message),
                Outcome::Met => {}
                Outcome::Over => return Poll::Ready(None),
            }
        }
    }

    /// Receives a message. `take` takes a whole one out of the input, unless it is a violation.
    #[inline(always)]
    fn poll_next<T: From<Message>>(
        &mut self,
        take: impl Fn(&mut Session, WholeFrame) -> Option<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<T>, Error>> {
        ready!(self.poll_proceed(cx));
        self.session_mut().wire_mut().only_sends(false);
        loop {
            if let Some(frame) = self.session().find_whole()
                && let Some(message) = take(self.session_mut(), frame)
            {
                return Poll::Ready(Ok(Some(message)));
            }
            self.session_mut().deliver_whole();
            match ready!(self.poll(Want::Message, cx)) {
                Outcome::Message(message) => return Poll::Ready(Ok(Some(message.into()))),
                Outcome::Met => {}
                Outcome::Over => return Poll::Ready(self.session_mut().report().map(|()| None)),
            }
        }
    }

    /// Waits for room and queues the message. `message` is `None` once that is done.
    pub(super) fn poll_feed(
        &mut self,
        message: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_proceed(cx));
        self.poll_accept(message, cx)
    }

    /// Waits for room, queues the message and waits until the stream has taken it. `content` is `None`
    /// once it is queued.
    pub(super) fn poll_send(
        &mut self,
        content: &mut Option<impl Content>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_proceed(cx));
        ready!(self.poll_accept(content, cx))?;
        self.poll_sent(cx)
    }

    /// Waits until the stream has taken all queued bytes.
    pub(super) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.waiters.is_alone(cx.waker())
            && Driver::new(Want::Sent, &mut self.link, &mut self.transport, cx.waker())
                .send_at_once()
        {
            return Poll::Ready(Ok(()));
        }
        self.poll_met(Want::Sent, cx)
    }

    /// Waits until `want` is met.
    pub(super) fn poll_until(
        &mut self,
        want: Want,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_proceed(cx));
        self.poll_met(want, cx)
    }

    #[inline]
    fn poll_accept(
        &mut self,
        content: &mut Option<impl Content>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if let Some(message) = content {
            ready!(self.poll_room(cx))?;
            message.queue(self.session_mut())?;
            *content = None;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for room for a message.
    #[inline]
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A task that only sends may never wait.
        self.take_inbox();
        if self.link.accepts() {
            return Poll::Ready(Ok(()));
        }
        self.poll_met(Want::Room, cx)
    }

    pub(super) fn poll_met(&mut self, want: Want, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if want == Want::Room && self.session().is_streaming() {
            // The writer of the message was leaked.
            self.link.fail_stream();
        }
        match ready!(self.poll(want, cx)) {
            Outcome::Over if !(want.closes() && self.session().close_frames().is_complete()) => {
                Poll::Ready(Err(self.session_mut().refusal()))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Drives the connection until `want` is met, for the task that polls.
    #[inline(always)]
    fn poll(&mut self, want: Want, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.take_inbox();
        if !self.waiters.is_alone(cx.waker()) {
            return self.poll_shared(want, cx);
        }
        let driver = Driver::new(want, &mut self.link, &mut self.transport, cx.waker());
        let outcome = driver.run();
        self.waiters.set_waiting(want.side(), outcome.is_pending());
        outcome
    }

    /// Polls for a task that is new, or one of two.
    #[inline(never)]
    fn poll_shared(&mut self, want: Want, cx: &mut Context<'_>) -> Poll<Outcome> {
        let (side, other) = (want.side(), want.side().other());
        self.on_new_task(cx.waker());
        let entered = self.waiters.enter(side, cx.waker());
        if entered.is_new {
            self.link.forget_task();
        }
        let before = entered
            .other_waits
            .then(|| View::of(self.link.session(), other));
        let mut driver = Driver::new(want, &mut self.link, &mut self.transport, entered.waker)
            .beside(entered.other_waits);
        let outcome = match want {
            Want::Sent if driver.send_at_once() => Poll::Ready(Outcome::Met),
            _ => driver.run(),
        };
        if before.is_some_and(|before| before != View::of(self.link.session(), other)) {
            self.waiters.wake(other);
        }
        if outcome.is_ready() {
            self.waiters.leave(side);
        }
        outcome
    }

    #[inline]
    pub(super) fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wire = self.session_mut().wire_mut();
        wire.debt().poll_settle(cx)
    }
}
