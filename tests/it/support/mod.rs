//! What the tests share: frames by their bytes, a scripted stream, and the chunking runner.

pub(crate) mod frames;
pub(crate) mod opening;
pub(crate) mod runner;
pub(crate) mod script;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Polls a future once and drops it.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}
