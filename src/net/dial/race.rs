//! Attempts to connect to several addresses, staggered in time (Happy Eyeballs, RFC 8305).

use std::{
    collections::VecDeque,
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};

/// The time after which the next attempt starts, if the one before has not ended (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Orders addresses so that the two families alternate, and else keeps the order (RFC 8305 §4).
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else {
        return addresses;
    };
    let len = addresses.len();
    let (mut preferred, mut other): (VecDeque<_>, VecDeque<_>) = addresses
        .into_iter()
        .partition(|addr| addr.is_ipv6() == first);
    let mut ordered = Vec::with_capacity(len);
    while ordered.len() < len {
        ordered.extend(preferred.pop_front());
        ordered.extend(other.pop_front());
    }
    ordered
}

/// Calls `connect` with one address after the other. The next attempt starts as soon as one has failed, and after
/// [`ATTEMPT_DELAY`]. Returns the stream of the attempt that succeeds first, and drops the others. If all fail, returns
/// the last error.
pub(super) async fn race<T, A>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> A,
) -> io::Result<T>
where
    A: Future<Output = io::Result<T>>,
{
    let mut waiting = addresses.into_iter();
    let mut attempts = Vec::new();
    let mut last_error = io::Error::from(io::ErrorKind::NotFound);
    let mut next_start = pin!(sleep_until(Instant::now()));
    poll_fn(|cx| {
        loop {
            let running = attempts.len();
            if let Some(stream) = poll_attempts(&mut attempts, &mut last_error, cx) {
                return Poll::Ready(Ok(stream));
            }
            let has_failed = attempts.len() < running;
            if !has_failed && next_start.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            match waiting.next() {
                Some(addr) => attempts.push(Box::pin(connect(addr))),
                None if attempts.is_empty() => {
                    let error = std::mem::replace(&mut last_error, io::ErrorKind::NotFound.into());
                    return Poll::Ready(Err(error));
                }
                None => return Poll::Pending,
            }
            next_start.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
        }
    })
    .await
}

/// Polls all attempts. Removes those that failed, and returns the stream of one that succeeded.
fn poll_attempts<T, A>(
    attempts: &mut Vec<Pin<Box<A>>>,
    last_error: &mut io::Error,
    cx: &mut Context<'_>,
) -> Option<T>
where
    A: Future<Output = io::Result<T>>,
{
    let mut stream = None;
    attempts.retain_mut(|attempt| {
        if stream.is_some() {
            return true;
        }
        match attempt.as_mut().poll(cx) {
            Poll::Pending => return true,
            Poll::Ready(Ok(connected)) => stream = Some(connected),
            Poll::Ready(Err(error)) => *last_error = error,
        }
        false
    });
    stream
}

#[cfg(test)]
mod tests;
