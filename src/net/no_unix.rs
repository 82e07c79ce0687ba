//! The functions of `unix.rs` on a platform without Unix sockets.

use std::{io, path::Path};

use super::Stream;

pub(super) async fn connect(_: &Path) -> io::Result<Stream> {
    Err(io::ErrorKind::Unsupported.into())
}
