//! The reference kernels, for any CPU: 64-bit words and the standard library's validator.

use super::{
    Append,
    carry::{Carry, InvalidUtf8},
};

pub(super) fn mask(bytes: &mut [u8], key: [u8; 4]) {
    let [a, b, c, d] = key;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.into_iter().cycle()) {
        *byte ^= key;
    }
}

pub(super) fn copy_mask(bytes: &[u8], output: &mut impl Append, key: [u8; 4]) {
    let copy = output.append(bytes);
    if key != [0; 4] {
        mask(copy, key);
    }
}

pub(super) fn validate(mut bytes: &[u8], mut carry: Carry) -> Result<Carry, InvalidUtf8> {
    while !carry.is_none() {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Ok(carry);
        };
        carry = carry.push(byte)?;
        bytes = rest;
    }
    match str::from_utf8(bytes) {
        Ok(_) => Ok(Carry::NONE),
        Err(error) if error.error_len().is_some() => Err(InvalidUtf8),
        Err(error) => bytes[error.valid_up_to()..]
            .iter()
            .try_fold(Carry::NONE, |carry, &byte| carry.push(byte)),
    }
}

pub(super) fn unmask_validate(
    bytes: &mut [u8],
    key: [u8; 4],
    carry: Carry,
) -> Result<Carry, InvalidUtf8> {
    mask(bytes, key);
    validate(bytes, carry)
}

pub(super) fn copy_unmask_validate(
    bytes: &[u8],
    output: &mut impl Append,
    key: [u8; 4],
    carry: Carry,
) -> Result<Carry, InvalidUtf8> {
    let copy = output.append(bytes);
    if key != [0; 4] {
        mask(copy, key);
    }
    validate(copy, carry)
}
