//! `Stream` for [`Reconnect`].

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{FusedStream, Stream};

use super::{Reconnect, State};
use crate::{connection::WebSocket, error::Error, net};

/// The connections, as [`next`](Self::next) returns them. Ends after the first error.
impl Stream for Reconnect {
    type Item = Result<WebSocket<net::Stream>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.is_terminated() {
            return Poll::Ready(None);
        }
        Self::poll_next(&mut self, cx).map(Some)
    }
}

impl FusedStream for Reconnect {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Failed(_))
    }
}
