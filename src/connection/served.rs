//! A connection under `serve`, whose stream is corked.

use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use super::transport::CorkFunctions;
use super::{
    WebSocket,
    owned::{Left, Owned},
    want::Want,
};
use crate::{error::Error, frame::CloseFrame};

impl<S> WebSocket<S> {
    /// Marks a stream that keeps written bytes, and that takes a dropped connection back.
    pub(crate) fn cork(&mut self, functions: fn() -> CorkFunctions<S>) {
        self.inner.transport.cork = Some(functions);
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// Closes the connection, as [`close`](Self::close).
    pub(crate) async fn close_with(&mut self, frame: CloseFrame) -> Result<(), Error> {
        self.inner.request_close(frame);
        self.until(Want::Ended).await
    }
}

impl<S> Left<S> {
    /// Returns the stream.
    pub(crate) fn get_ref(&self) -> &S {
        &self.0.transport.io
    }
}

impl<S> From<Left<S>> for WebSocket<S> {
    fn from(left: Left<S>) -> Self {
        Self {
            inner: Owned::new(left.0),
        }
    }
}
