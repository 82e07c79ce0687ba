//! The echo loop that batches, for libraries whose connection is a `Sink`.

use std::{
    future::poll_fn,
    task::{Context, Poll, ready},
};

use futures_util::{Sink, SinkExt};

/// Sends messages back, and flushes when no more is ready: one write for a burst.
///
/// `receive` polls for what comes next; `answer` turns it into what is sent, `None` for what is not
/// echoed.
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
