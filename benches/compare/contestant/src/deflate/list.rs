//! Messages in a file, each behind its length in four bytes.

use std::{fs, io, path::Path};

use bytes::{Buf, Bytes};

/// Reads messages.
pub fn read_list(path: &Path) -> io::Result<Vec<Bytes>> {
    let mut bytes = Bytes::from(fs::read(path)?);
    let mut list = Vec::new();
    while bytes.len() >= 4 {
        let length = bytes.get_u32_le() as usize;
        if length > bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        list.push(bytes.split_to(length));
    }
    Ok(list)
}

/// Writes messages.
pub fn write_list<T: AsRef<[u8]>>(path: &Path, list: &[T]) -> io::Result<()> {
    let mut bytes = Vec::new();
    for message in list {
        let message = message.as_ref();
        bytes.extend_from_slice(&(message.len() as u32).to_le_bytes());
        bytes.extend_from_slice(message);
    }
    fs::write(path, bytes)
}
