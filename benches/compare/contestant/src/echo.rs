//! The loops of libraries whose connection is a `Stream` and a `Sink`, or nearly.
//!
//! `receive` polls for the next message, as `StreamExt::poll_next_unpin` does.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt};

use crate::{BoxError, Job, Measured};

/// Sends each message back at once.
///
/// `answer` turns a received message into the message to send, or into `None` if it is not echoed.
pub async fn echo<W, M, E>(
    ws: &mut W,
    receive: impl Fn(&mut W, &mut Context<'_>) -> Poll<Option<Result<M, E>>>,
    answer: impl Fn(M) -> Option<M>,
) -> Result<(), E>
where
    W: Sink<M, Error = E> + Unpin,
{
    while let Some(message) = poll_fn(|cx| receive(ws, cx)).await {
        if let Some(message) = answer(message?) {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Sends messages back, and flushes when no more is ready: one write for a burst.
pub async fn echo_batched<W, M, E>(
    ws: &mut W,
    receive: impl Fn(&mut W, &mut Context<'_>) -> Poll<Option<Result<M, E>>>,
    answer: impl Fn(M) -> Option<M>,
) -> Result<(), E>
where
    W: Sink<M, Error = E> + Unpin,
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
pub async fn decode<W, M, E>(
    job: &Job,
    mut ws: W,
    receive: impl Fn(&mut W, &mut Context<'_>) -> Poll<Option<Result<M, E>>>,
    payload: impl Fn(&M) -> &[u8],
) -> Result<Measured, BoxError>
where
    BoxError: From<E>,
{
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let message = poll_fn(|cx| receive(&mut ws, cx)).await.ok_or("closed")?;
        meter.take(message?, &payload);
    }
    Ok(meter.stop())
}

/// Sends all messages of a job.
pub async fn encode<W, M, R, E>(job: &Job, mut ws: W, pool: Vec<M>) -> Result<Measured, BoxError>
where
    W: Sink<R, Error = E> + Unpin,
    M: Clone + Into<R>,
    BoxError: From<E>,
{
    let meter = job.meter();
    for (message, flush) in job.send(&pool) {
        ws.feed(message.clone().into()).await?;
        if flush {
            ws.flush().await?;
        }
    }
    Ok(meter.stop())
}
