//! Ways to cut the same bytes into pieces, like reads from a socket.

use std::iter;

/// Returns `bytes` whole, byte by byte, and in pieces whose lengths alternate between the two given
/// ones plus one. Each way has a name.
pub(crate) fn splits(bytes: &[u8], lengths: [u8; 2]) -> [(&'static str, Vec<&[u8]>); 3] {
    [
        ("whole", vec![bytes]),
        ("byte by byte", bytes.chunks(1).collect()),
        ("in pieces", pieces(bytes, lengths).collect()),
    ]
}

fn pieces(mut bytes: &[u8], lengths: [u8; 2]) -> impl Iterator<Item = &[u8]> {
    let mut lengths = lengths.into_iter().cycle();
    iter::from_fn(move || {
        let wanted = usize::from(lengths.next()?) + 1;
        let (piece, rest) = bytes.split_at(wanted.min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}
