//! The reference kernels, for any CPU: 64-bit words and the standard library's validator.

use std::slice;

use super::{
    backend::Backend,
    carry::{Carry, InvalidUtf8, Verdict},
};

/// The fallback on CPUs that can run no other backend.
pub(super) static BACKEND: Backend = Backend {
    name: "scalar",
    is_forced: cfg!(wsimd_backend = "scalar"),
    is_available: || true,
    mask,
    validate,
    unmask_validate,
};

unsafe fn mask(source: *const u8, target: *mut u8, len: usize, key: u32) {
    // SAFETY: `Backend` guarantees that both pointers are valid for `len` bytes.
    unsafe { source.copy_to(target, len) };
    // SAFETY: as above; the bytes were just written.
    let bytes = unsafe { slice::from_raw_parts_mut(target, len) };
    let (words, tail) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_le_bytes(*word) ^ (u64::from(key) << 32 | u64::from(key))).to_le_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.to_le_bytes().into_iter().cycle()) {
        *byte ^= key;
    }
}

unsafe fn validate(source: *const u8, len: usize, carry: u32) -> Verdict {
    // SAFETY: `Backend` guarantees that the bytes are valid.
    let bytes = unsafe { slice::from_raw_parts(source, len) };
    check(bytes, Carry::from_word(carry))
}

unsafe fn unmask_validate(
    source: *const u8,
    target: *mut u8,
    len: usize,
    key: u32,
    carry: u32,
) -> Verdict {
    // SAFETY: as for this function.
    unsafe { mask(source, target, len, key) };
    // SAFETY: as for this function; the bytes were just written.
    unsafe { validate(target, len, carry) }
}

fn check(mut bytes: &[u8], mut carry: Carry) -> Result<Carry, InvalidUtf8> {
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
