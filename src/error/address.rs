//! [`AddressError`]: a name or an address that cannot be used, and the error of the system.

use std::{fmt, io};

#[cfg(feature = "client")]
use crate::handshake::authority::host_and_port;

/// A name or an address that cannot be used, and the error of the operating system.
#[derive(Debug)]
#[non_exhaustive]
pub struct AddressError {
    /// The host that has no address, the host and port of the peer, or the address on which a server cannot listen.
    pub address: String,
    /// The error of the operating system. If a host has several addresses, the error of the last one.
    pub error: io::Error,
}

impl AddressError {
    /// Creates an error for a host and a port. An IPv6 address gets brackets.
    #[cfg(feature = "client")]
    pub(crate) fn of_host(host: &str, port: u16, error: io::Error) -> Self {
        let address = host_and_port(host, port);
        Self { address, error }
    }

    /// Creates an error for the address of a listener, which is usually a string.
    #[cfg(feature = "server")]
    pub(super) fn of_listener(address: &dyn fmt::Debug, error: io::Error) -> Self {
        let quoted = format!("{address:?}");
        let address = quoted.trim_matches('"');
        if error.kind() == io::ErrorKind::InvalidInput && !address.contains(':') {
            return Self {
                address: quoted,
                error: io::Error::new(io::ErrorKind::InvalidInput, "needs host:port"),
            };
        }
        Self {
            address: address.to_owned(),
            error,
        }
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}
