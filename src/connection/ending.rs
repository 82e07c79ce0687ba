//! [`Ending`]: how a connection's stream is wound up so that the peer still reads our Close frame.
//!
//! A socket that is dropped while bytes wait to be read sends a reset, which can overtake what was
//! written before. So what is queued is written, our direction is shut down, and what the peer still
//! sends is read and thrown away until it closes too. The server shuts down first (RFC 6455 §7.1.1),
//! a client waits for it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use super::{read::ReadBuffer, write::WriteQueue};
use crate::{
    error::{Error, Timeout},
    frame::{ProtocolError, Role},
};

/// How many reads one poll throws away before it lets other tasks run.
const MAX_READS: usize = 16;

/// Why a connection ends.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The Close frames, or their absence, say all.
    Closed,
    /// The peer violated the protocol.
    Failed(ProtocolError),
    /// The deadline of the closing handshake passed, or nothing arrived after a ping.
    Timeout(Timeout),
    /// The stream failed. `None` once that was reported.
    Io(Option<io::Error>),
}

impl Outcome {
    /// The error to report; `None` when the Close frames tell it.
    pub(super) fn error(&mut self) -> Option<Error> {
        match self {
            Self::Closed => None,
            Self::Failed(error) => Some(Error::Protocol(*error)),
            Self::Timeout(timeout) => Some(Error::Timeout(*timeout)),
            Self::Io(error) => error.take().map(Error::Io),
        }
    }
}

/// A connection whose outcome is decided.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    /// What is yet to be done, in order.
    steps: &'static [Step],
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Write what is queued, our Close frame the last of it.
    Write,
    /// Shut our direction down.
    Shutdown,
    /// Throw away what the peer still sends.
    Drain,
}

impl Ending {
    pub(super) fn new(role: Role, outcome: Outcome) -> Self {
        let steps: &[Step] = match (&outcome, role) {
            (Outcome::Timeout(_) | Outcome::Io(_), _) => &[],
            (_, Role::Server) => &[Step::Write, Step::Shutdown, Step::Drain],
            (_, Role::Client) => &[Step::Write, Step::Drain, Step::Shutdown],
        };
        Self { outcome, steps }
    }

    /// The end of a connection whose stream is broken: nothing can be written to it.
    pub(super) fn at_once(outcome: Outcome) -> Self {
        Self {
            outcome,
            steps: &[],
        }
    }

    /// The deadline passed. That changes the outcome only if our Close frame has not left.
    pub(super) fn expire(&mut self) {
        if let (Outcome::Closed, [Step::Write, ..]) = (&self.outcome, self.steps) {
            self.outcome = Outcome::Timeout(Timeout::Close);
        }
    }

    /// Goes on until the stream is wound up. Errors of a stream that is given up mean nothing.
    pub(super) fn poll<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        output: &mut WriteQueue,
        input: &mut ReadBuffer,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        while let Some((step, left)) = self.steps.split_first() {
            match step {
                Step::Write => {
                    let _ = ready!(output.poll_flush(io, cx));
                }
                Step::Shutdown => {
                    let _ = ready!(Pin::new(&mut *io).poll_shutdown(cx));
                }
                Step::Drain => ready!(poll_drain(io, input, cx)),
            }
            self.steps = left;
        }
        Poll::Ready(())
    }
}

fn poll_drain<S: AsyncRead + Unpin>(
    io: &mut S,
    input: &mut ReadBuffer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    for _ in 0..MAX_READS {
        if let Some(bytes) = input.bytes() {
            bytes.clear();
        }
        if !matches!(ready!(input.poll_read(io, cx)), Ok(1..)) {
            return Poll::Ready(());
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}
