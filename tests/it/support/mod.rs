//! What the tests share: frames by their bytes, a scripted stream, and the chunking runner.

pub(crate) mod bits;
pub(crate) mod checks;
pub(crate) mod cut;
pub(crate) mod deflate;
pub(crate) mod endless;
pub(crate) mod frames;
pub(crate) mod link;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod opening;
pub(crate) mod pair;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod serve;
pub(crate) mod side;
pub(crate) mod story;
pub(crate) mod tasks;
pub(crate) mod zlib;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::unconstrained,
};

/// Polls a future once and drops it. The poll uses no budget of the test's task, which would run out.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for what has to come soon. Nobody notices the minute where time is paused, nor elsewhere
/// unless it fails.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("never woken")
}

/// Reads as many bytes as are expected, and no others.
pub(crate) async fn expect(io: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    soon(io.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, expected);
}
