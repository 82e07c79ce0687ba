//! The functions of `trace.rs` without the feature `tracing`: they do nothing.

use std::net::SocketAddr;

use crate::{connection::WebSocket, error::Error, net::Stream};

pub(super) fn instrument<F: Future>(
    client: F,
    _: Option<SocketAddr>,
) -> impl Future<Output = F::Output> {
    client
}

pub(super) const fn open(_: &str) {}

pub(super) const fn closed(_: &WebSocket<Stream>) {}

pub(super) const fn error(_: &Error, _: Option<SocketAddr>) {}
