//! [`NegotiationError`]: why parameters of an extension are not agreed to.

use std::{error, fmt};

/// Why the parameters of an extension are not agreed to.
///
/// A server declines an offer for it; a client fails the opening handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The extension has no such parameter, or not in an offer, or not in a response.
    UnknownParameter(String),
    /// The parameter is there twice.
    DuplicateParameter(String),
    /// The parameter has a value where it may have none, none where it has to have one, or one that
    /// is not allowed.
    InvalidValue {
        /// The parameter.
        name: String,
        /// What it is set to.
        value: Option<String>,
    },
    /// The parameter is missing, and this side does not go on without it.
    MissingParameter(&'static str),
    /// The parameter, or its value, goes beyond what was offered.
    NotOffered(&'static str),
    /// Anything else, in the words of the extension.
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
