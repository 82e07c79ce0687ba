//! The functions of `trace.rs` without the feature `tracing`: they do nothing.

use std::net::SocketAddr;

use crate::{connection::WebSocket, error::Error, net::Stream};

pub(super) fn spawn(client: impl Future<Output = ()> + Send + 'static, _: Option<SocketAddr>) {
    tokio::spawn(client);
}

pub(super) const fn open(_: &str) {}

pub(super) const fn closed(_: &WebSocket<Stream>) {}

pub(super) const fn error(_: &Error, _: Option<SocketAddr>) {}
