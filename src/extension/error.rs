//! [`NegotiationError`]: the reason to refuse the parameters of an extension.

use std::{error, fmt};

/// The reason to refuse the parameters of an extension.
///
/// After this error, a server declines the offer, and a client fails the opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The extension has no such parameter, or does not allow it in an offer or in a response.
    UnknownParameter(String),
    /// The parameter occurs twice.
    DuplicateParameter(String),
    /// The parameter lacks a value, has an invalid value, or must not have a value.
    InvalidValue {
        /// The name of the parameter.
        name: String,
        /// The value of the parameter. `None` if it has no value.
        value: Option<String>,
    },
    /// The parameter is missing, and this side requires it.
    MissingParameter(&'static str),
    /// The client did not offer the parameter, or the value exceeds the offered one.
    NotOffered(&'static str),
    /// Another reason, which the extension describes.
    Other(&'static str),
}

impl fmt::Display for NegotiationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParameter(name) => write!(f, "unknown parameter {name:?}"),
            Self::DuplicateParameter(name) => write!(f, "parameter {name:?} is there twice"),
            Self::InvalidValue {
                name,
                value: Some(value),
            } => write!(f, "parameter {name:?} may not be {value:?}"),
            Self::InvalidValue { name, value: None } => {
                write!(f, "parameter {name:?} has no value")
            }
            Self::MissingParameter(name) => write!(f, "parameter {name:?} is missing"),
            Self::NotOffered(name) => write!(f, "parameter {name:?} is more than was offered"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl error::Error for NegotiationError {}
