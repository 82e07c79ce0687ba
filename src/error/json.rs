//! [`JsonError`]: a document that is not JSON, or not a value of the expected type.

use std::{error, fmt};

use crate::{
    frame::{CloseCode, CloseFrame},
    message::Message,
    text::Text,
};

/// The kind of a [`JsonError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// A received document is not JSON, or has more levels than 127.
    Syntax,
    /// A received document is JSON, but not a value of the expected type.
    Data,
    /// A value to be sent cannot be a JSON document.
    Serialize,
}

/// An error of the feature `json`.
#[derive(Debug)]
pub struct JsonError(pub(crate) Box<JsonFault>);

/// The content of a [`JsonError`], whose size is that of a pointer, because values are returned beside it.
#[derive(Debug)]
pub(crate) struct JsonFault {
    pub(crate) kind: JsonErrorKind,
    /// The text of the parser, without control characters.
    pub(crate) text: String,
    pub(crate) path: Option<String>,
    pub(crate) offset: Option<usize>,
    pub(crate) message: Option<Message>,
}

impl JsonError {
    /// Returns the kind of the error.
    pub const fn kind(&self) -> JsonErrorKind {
        self.0.kind
    }

    /// Returns the path of the value that is not of the expected type, for example `trades[3].price`. `None` for
    /// the whole document, and where the parser does not know the path.
    pub fn path(&self) -> Option<&str> {
        self.0.path.as_deref()
    }

    /// Returns the number of bytes of the document before the place of the error; `None` where the parser does not
    /// know the place.
    pub const fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// Returns the message that was received, from the methods that receive a value of a type.
    pub const fn message(&self) -> Option<&Message> {
        self.0.message.as_ref()
    }

    /// Returns the message that was received, as [`message`](Self::message).
    pub fn into_message(self) -> Option<Message> {
        self.0.message
    }

    /// Returns the Close frame that reports the error to the peer: 1007 for a document that is not JSON, 1008 for
    /// a value of another type. `None` if the error is this side's.
    pub(super) const fn close_frame(&self) -> Option<CloseFrame> {
        let (code, reason) = match self.0.kind {
            JsonErrorKind::Syntax => (CloseCode::INVALID_PAYLOAD, "invalid JSON"),
            JsonErrorKind::Data => (CloseCode::POLICY_VIOLATION, "unexpected JSON"),
            JsonErrorKind::Serialize => return None,
        };
        Some(CloseFrame::from_static(code, Text::from_static(reason)))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.kind {
            JsonErrorKind::Syntax => "invalid JSON",
            JsonErrorKind::Data => "unexpected JSON",
            JsonErrorKind::Serialize => "the value is no JSON",
        })?;
        if let Some(path) = &self.0.path {
            write!(f, " in {path}")?;
        }
        if let Some(offset) = self.0.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.0.text)
    }
}

impl error::Error for JsonError {}
