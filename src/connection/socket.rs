//! [`Socket`]: a connection with its stream, and the waits that a whole connection and halves share.

use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::{
    driver::Driver,
    turn::Io,
    want::{Outcome, Want},
    wire::Transport,
};
use crate::{error::Error, frame::CloseFrame, message::Message};

/// A connection with its stream.
pub(super) struct Socket<S> {
    pub(super) transport: Transport<S>,
    pub(super) driver: Driver,
    pub(super) subprotocol: Option<Box<str>>,
}

impl<S> Socket<S> {
    /// Accepts our Close frame, as [`Link::request_close`](super::link::Link::request_close).
    pub(super) fn request_close(&mut self, frame: CloseFrame) -> bool {
        self.driver.link_mut().request_close(frame, Instant::now())
    }
}

impl<S: Io> Socket<S> {
    /// Receives a message; `None` after a clean end.
    #[inline]
    pub(super) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, Error>> {
        ready!(self.poll_proceed(cx));
        self.driver.session_mut().wire_mut().only_sends(false);
        if let Some(message) = self.driver.session_mut().receive_whole() {
            return Poll::Ready(Ok(Some(message)));
        }
        match ready!(self.driver.poll(Want::Message, &mut self.transport, cx)) {
            Outcome::Message(message) => Poll::Ready(Ok(Some(message))),
            Outcome::Met | Outcome::Over => Poll::Ready(self.driver.session_mut().report()),
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

    /// Waits for room, queues the message and waits until the stream has taken it. `message` is `None`
    /// once it is queued.
    pub(super) fn poll_send(
        &mut self,
        message: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        ready!(self.poll_proceed(cx));
        ready!(self.poll_accept(message, cx))?;
        if self.driver.send_at_once(&mut self.transport, cx) {
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
        message: &mut Option<Message>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if let Some(queued) = message {
            if !self.driver.link().accepts() {
                ready!(self.poll_met(Want::Room, cx))?;
            }
            self.driver.session_mut().accept(queued)?;
            *message = None;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_met(&mut self, want: Want, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match ready!(self.driver.poll(want, &mut self.transport, cx)) {
            Outcome::Over if !(want.closes() && self.driver.session().closed().is_complete()) => {
                Poll::Ready(Err(self.driver.session_mut().refusal()))
            }
            _ => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    fn poll_proceed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let wire = self.driver.session_mut().wire_mut();
        wire.operations().poll_proceed(cx)
    }
}
