//! `Simd`: masking.

use bytes::{BufMut, BytesMut};
use wsimd::simd::{Append, Simd};

use super::kernels::{Input, Placed, check_appended, check_equal, naive_mask};

/// Masks an arbitrary payload with every backend.
///
/// Input: see [`Input`].
///
/// Properties:
/// - The result equals that of three lines that mask byte by byte. This holds in place and copied,
///   whole and in pieces, at every address, and for every size of the output.
/// - The bytes around the payload do not change.
/// - Masking twice restores the payload.
pub fn mask(data: &[u8]) {
    let Some(input) = Input::read(data) else {
        return;
    };
    let masked = naive_mask(&input.payload, input.key);
    for simd in Simd::available() {
        check_in_place(simd, &input, &masked);
        check_pieces(simd, &input, &masked);
        check_copies(simd, &input, &masked, Vec::with_capacity);
        check_copies(simd, &input, &masked, BytesMut::with_capacity);
    }
}

fn check_in_place(simd: Simd, input: &Input, masked: &[u8]) {
    for mut placed in Placed::all(input.from, &input.payload) {
        simd.mask(placed.bytes(), input.key);
        check_equal(simd.name(), placed.bytes(), masked);
        simd.mask(placed.bytes(), input.key);
        check_equal(simd.name(), placed.bytes(), &input.payload);
        placed.check_neighbours(simd.name());
    }
}

fn check_pieces(simd: Simd, input: &Input, masked: &[u8]) {
    let mut placed = Placed::at(input.from, &input.payload);
    let mut copy = Vec::new();
    for piece in input.pieces() {
        let key = input.key_at(&piece);
        simd.copy_mask(&placed.bytes()[piece.clone()], &mut copy, key);
        simd.mask(&mut placed.bytes()[piece], key);
    }
    check_equal(simd.name(), placed.bytes(), masked);
    check_equal(simd.name(), &copy, masked);
    placed.check_neighbours(simd.name());
}

fn check_copies<T: Append + BufMut + AsRef<[u8]>>(
    simd: Simd,
    input: &Input,
    masked: &[u8],
    with_capacity: fn(usize) -> T,
) {
    for mut placed in Placed::all(input.from, &input.payload) {
        let payload: &[u8] = placed.bytes();
        check_appended(simd.name(), with_capacity, input.to, masked, |output| {
            simd.copy_mask(payload, output, input.key);
            true
        });
    }
}
