//! The loops of libraries whose connection is a `Stream` and a `Sink`, or nearly.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt};

use crate::{BoxError, Job, Measured};

/// Sends each message back at once.
///
/// `answer` turns a received message into the message to send, or into `None` if it is not echoed.
pub async fn echo<W, M, R>(
    ws: &mut W,
    mut next: impl AsyncFnMut(&mut W) -> Result<M, BoxError>,
    answer: impl Fn(M) -> Option<R>,
) -> Result<(), BoxError>
where
    W: Sink<R, Error: Into<BoxError>> + Unpin,
{
    loop {
        if let Some(message) = answer(next(ws).await?) {
            ws.send(message).await.map_err(Into::into)?;
        }
    }
}

/// Sends messages back, and flushes when no more is ready: one write for a burst.
pub async fn echo_batched<W, M, R, E>(
    ws: &mut W,
    receive: impl Fn(&mut W, &mut Context<'_>) -> Poll<Option<Result<M, E>>>,
    answer: impl Fn(M) -> Option<R>,
) -> Result<(), E>
where
    W: Sink<R, Error = E> + Unpin,
{
    let mut fed = false;
    loop {
        let next = poll_fn(|cx| match receive(ws, cx) {
            Poll::Pending if fed => {
                ready!(ws.poll_flush_unpin(cx))?;
                fed = false;
                Poll::Pending
            }
            next => next.map(Option::transpose),
        });
        let Some(message) = next.await? else {
            return Ok(());
        };
        if let Some(message) = answer(message) {
            ws.feed(message).await?;
            fed = true;
        }
    }
}

/// Receives all messages of a job.
pub async fn decode<W, M>(
    job: &Job,
    mut ws: W,
    mut next: impl AsyncFnMut(&mut W) -> Result<M, BoxError>,
    payload: impl Fn(&M) -> &[u8],
) -> Result<Measured, BoxError> {
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let message = next(&mut ws).await?;
        meter.take(message, &payload);
    }
    Ok(meter.stop())
}

/// Sends all messages of a job.
pub async fn encode<W, M>(job: &Job, mut ws: W, pool: Vec<M>) -> Result<Measured, BoxError>
where
    W: Sink<M, Error: Into<BoxError>> + Unpin,
    M: Clone,
{
    let meter = job.meter();
    for (message, flush) in job.send(&pool) {
        ws.feed(message.clone()).await.map_err(Into::into)?;
        if flush {
            ws.flush().await.map_err(Into::into)?;
        }
    }
    Ok(meter.stop())
}
