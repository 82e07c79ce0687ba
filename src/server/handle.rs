//! [`ServerHandle`]: the open connections of a server, and its end.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::timeout;

use super::guests::Guests;
use crate::{
    connection::Handle,
    error::Error,
    frame::{CloseCode, CloseFrame},
    text::Text,
};

/// The largest part of a deadline that is kept for handlers that do not end by themselves.
const MAX_RESERVE: Duration = Duration::from_secs(1);

/// A handle of a server, which knows the open connections and shuts the server down.
///
/// [`Server::handle`](super::Server::handle) creates it. A clone has the same server.
#[derive(Clone)]
pub struct ServerHandle {
    guests: Arc<Guests>,
}

impl ServerHandle {
    pub(super) const fn new(guests: Arc<Guests>) -> Self {
        Self { guests }
    }

    /// Returns a handle of each open connection, for example to send a message to all clients. Connections may come
    /// and go meanwhile.
    pub fn connections(&self) -> Vec<Handle> {
        self.guests.handles()
    }

    /// Returns the number of open connections.
    pub fn connection_count(&self) -> usize {
        self.guests.count().1
    }

    /// Returns the number of opening handshakes in progress.
    pub fn handshake_count(&self) -> usize {
        self.guests.count().0
    }

    /// Stops the server, closes all connections, and waits for their end, for at most `deadline`.
    ///
    /// 1. The server stops listening, so that the system refuses new clients. Opening handshakes in progress get 503.
    /// 2. Each connection is closed as [`Handle::close`] does: the Close frame follows the messages that were sent
    ///    before. `recv` of a handler returns `None` once the client has closed as well.
    /// 3. After nine tenths of `deadline`, and at most one second before its end, the handlers that still run are
    ///    dropped. Their connections get one attempt to send the Close frame, and are then closed without a wait.
    ///
    /// Returns the number of clients that were cut off by the third step. [`Server::serve`](super::Server::serve)
    /// completes as well once all clients have left.
    ///
    /// # Errors
    ///
    /// [`Error::Send`] for a code or a reason that may not be sent, which changes nothing.
    ///
    /// # Cancel safety
    ///
    /// The first two steps are done when the future is first polled. Dropping it then leaves out the third.
    pub async fn shutdown(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Text>,
        deadline: Duration,
    ) -> Result<usize, Error> {
        let frame = CloseFrame::new(code, reason)?;
        Ok(self.shutdown_with(frame, deadline).await)
    }

    /// Shuts down with 1001 once `signal` completes.
    pub(super) async fn shutdown_after<S: Future>(self, signal: S, deadline: Duration) {
        signal.await;
        self.shutdown_with(going_away(""), deadline).await;
    }

    async fn shutdown_with(&self, frame: CloseFrame, deadline: Duration) -> usize {
        self.guests.stop(frame);
        let reserve = MAX_RESERVE.min(deadline / 10);
        if timeout(deadline - reserve, self.guests.emptied())
            .await
            .is_ok()
        {
            return 0;
        }
        let cut = self.guests.cancel();
        let _ = timeout(reserve, self.guests.emptied()).await;
        cut
    }
}

/// Returns a Close frame with 1001.
pub(super) fn going_away(reason: &'static str) -> CloseFrame {
    CloseFrame::new(CloseCode::GOING_AWAY, reason).unwrap_or_default()
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle")
            .field("connections", &self.connection_count())
            .field("handshakes", &self.handshake_count())
            .finish()
    }
}
