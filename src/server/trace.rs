//! Events and spans of `tracing`, with the feature `tracing`. Nothing here runs for each message.

use std::net::SocketAddr;

use tracing::{Instrument, Span, field::Empty};

use crate::{connection::WebSocket, error::Error, net::Stream};

/// Spawns the task of a client, in a span that has the address of the client and the path of its request. A span without a
/// subscriber takes no memory.
pub(super) fn spawn(client: impl Future<Output = ()> + Send + 'static, peer: Option<SocketAddr>) {
    let span = tracing::info_span!("websocket", peer = Empty, path = Empty);
    if span.is_disabled() {
        tokio::spawn(client);
        return;
    }
    if let Some(peer) = peer {
        span.record("peer", tracing::field::display(peer));
    }
    tokio::spawn(client.instrument(span));
}

/// A connection is open.
pub(super) fn open(path: &str) {
    Span::current().record("path", path.escape_debug().to_string());
    tracing::debug!("the connection is open");
}

/// A connection has ended.
pub(super) fn closed(ws: &WebSocket<Stream>) {
    if let Some(closed) = ws.closed() {
        tracing::debug!(%closed, "the connection has ended");
    }
}

/// An error of a client, or of the server itself. The end of a connection is no warning, because clients come and go.
pub(super) fn error(error: &Error, peer: Option<SocketAddr>) {
    match peer {
        _ if error.is_closed() => tracing::debug!(%error, "the connection has ended"),
        Some(peer) => tracing::warn!(%error, %peer, "a client failed"),
        None => tracing::warn!(%error, "the server failed"),
    }
}
