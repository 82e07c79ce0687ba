//! [`Report`]: where the errors of a server go.

use std::{any::Any, net::SocketAddr, sync::Arc};

use super::trace;
use crate::error::Error;

/// A function of the application that gets each error.
pub(super) type OnError = Arc<dyn Fn(&Error, Option<SocketAddr>) + Send + Sync>;

/// Passes errors to the function of the application, and to `tracing`.
#[derive(Clone, Default)]
pub(super) struct Report(Option<OnError>);

impl Report {
    pub(super) fn new(on_error: OnError) -> Self {
        Self(Some(on_error))
    }

    /// Returns whether the application has a function for errors.
    pub(super) const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Reports an error of the client at `peer`, or of the server itself.
    pub(super) fn error(&self, error: &Error, peer: Option<SocketAddr>) {
        trace::error(error, peer);
        if let Some(on_error) = &self.0 {
            on_error(error, peer);
        }
    }
}

/// Returns the error for a handler that panicked.
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Error {
    let message = match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic
            .downcast::<&str>()
            .map_or_else(|_| "no message".to_owned(), |text| (*text).to_owned()),
    };
    Error::other(format!("the handler panicked: {message}"))
}
