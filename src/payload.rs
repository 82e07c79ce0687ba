//! [`Payload`]: the bytes of an arriving message.

use std::mem;

use crate::{
    budget::Share,
    frame::{MaskingKey, ProtocolError},
    simd::{Carry, Simd},
};

/// The bytes of an arriving message, or of an arriving frame if the caller does not assemble frames.
///
/// Received text is validated only in this module. Only [`reserve`](Self::reserve) allocates memory for
/// arriving messages.
#[derive(Debug)]
pub(crate) struct Payload {
    /// INVARIANT: unmasked. Valid UTF-8 up to `carry` if `is_text`.
    bytes: Vec<u8>,
    is_text: bool,
    /// The unfinished character at the end of the text.
    carry: Carry,
    /// INVARIANT: grown by the capacity of `bytes`.
    share: Share,
}

impl Payload {
    /// Creates an empty payload of text or binary data, which owns no memory. Its memory will count to
    /// `share`.
    pub(crate) const fn new(is_text: bool, share: Share) -> Self {
        Self {
            bytes: Vec::new(),
            is_text,
            carry: Carry::NONE,
            share,
        }
    }

    /// Copies a whole payload that is `masked` with `key`. Allocates exactly its length, which counts to no
    /// share, because the payload is never unfinished.
    #[inline]
    pub(crate) fn copy_whole(
        is_text: bool,
        masked: &[u8],
        key: MaskingKey,
        simd: Simd,
    ) -> Result<Vec<u8>, ProtocolError> {
        let mut bytes = Vec::with_capacity(masked.len());
        if !is_text {
            simd.copy_mask(masked, &mut bytes, key);
            return Ok(bytes);
        }
        match simd.copy_unmask_validate(masked, &mut bytes, key, Carry::NONE) {
            Ok(carry) if carry.is_none() => Ok(bytes),
            _ => Err(ProtocolError::InvalidUtf8),
        }
    }

    /// Unmasks a whole payload in place, which is `masked` with `key`.
    #[inline]
    pub(crate) fn unmask_whole(
        is_text: bool,
        masked: &mut [u8],
        key: MaskingKey,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        if !is_text {
            simd.mask(masked, key);
            return Ok(());
        }
        match simd.unmask_validate(masked, key, Carry::NONE) {
            Ok(carry) if carry.is_none() => Ok(()),
            _ => Err(ProtocolError::InvalidUtf8),
        }
    }

    /// Returns whether the payload is text.
    pub(crate) const fn is_text(&self) -> bool {
        self.is_text
    }

    /// Returns the number of bytes that have arrived.
    pub(crate) const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Reserves room for `arrived` bytes, after which `missing` more bytes follow. `u64::MAX` means that the
    /// number of missing bytes is unknown.
    ///
    /// The memory depends on the bytes that have arrived, not on the length that the peer claims. The
    /// capacity is at most four times the arrived length if `missing` is known, and at most twice the arrived
    /// length otherwise. This growth moves few bytes. The capacity never exceeds a known final length.
    ///
    /// # Errors
    ///
    /// As [`Share::grow`]. Nothing is allocated then.
    #[inline]
    pub(crate) fn reserve(&mut self, arrived: usize, missing: u64) -> Result<(), ProtocolError> {
        let bytes = &mut self.bytes;
        if bytes.capacity() - bytes.len() >= arrived {
            return Ok(());
        }
        let there = bytes.len() + arrived;
        let more = match usize::try_from(missing) {
            Ok(missing) if missing <= there.saturating_mul(3) => missing,
            Ok(_) if missing < u64::MAX => there.saturating_mul(3),
            _ => bytes.len(),
        };
        self.share.grow(there + more - bytes.capacity())?;
        if bytes.capacity() == 0 {
            *bytes = Vec::with_capacity(arrived + more);
        } else {
            bytes.reserve_exact(arrived + more);
        }
        Ok(())
    }

    /// Unmasks, validates and appends the next bytes, in one pass.
    #[inline]
    pub(crate) fn append(
        &mut self,
        chunk: &[u8],
        key: MaskingKey,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        let bytes = &mut self.bytes;
        if self.is_text {
            self.carry = simd
                .copy_unmask_validate(chunk, bytes, key, self.carry)
                .map_err(|_| ProtocolError::InvalidUtf8)?;
        } else {
            simd.copy_mask(chunk, bytes, key);
        }
        Ok(())
    }

    /// Returns the buffer for a read from the stream, and the largest number of bytes to append to it: at
    /// least one, and at most `missing`, which must not be zero. Call [`unmask_tail`](Self::unmask_tail)
    /// after the read. `None` if the [`Share`] cannot grow.
    #[cfg(feature = "tokio")]
    pub(crate) fn tail(&mut self, missing: u64) -> Option<(&mut Vec<u8>, usize)> {
        self.reserve(1, missing - 1).ok()?;
        let room = self.bytes.capacity() - self.bytes.len();
        let most = usize::try_from(missing).map_or(room, |missing| room.min(missing));
        Some((&mut self.bytes, most))
    }

    /// Unmasks and validates the last `len` bytes, which were read from the stream.
    #[cfg(feature = "tokio")]
    pub(crate) fn unmask_tail(
        &mut self,
        len: usize,
        key: MaskingKey,
        simd: Simd,
    ) -> Result<(), ProtocolError> {
        let start = self.bytes.len().saturating_sub(len);
        let masked = &mut self.bytes[start..];
        if self.is_text {
            self.carry = simd
                .unmask_validate(masked, key, self.carry)
                .map_err(|_| ProtocolError::InvalidUtf8)?;
        } else {
            simd.mask(masked, key);
        }
        Ok(())
    }

    /// Checks that `missing` more bytes can complete the last character. `u64::MAX` means that the number of
    /// missing bytes is unknown.
    #[inline]
    pub(crate) fn check_end(&self, missing: u64) -> Result<(), ProtocolError> {
        if self.carry.is_none() || u64::from(self.carry.missing()) <= missing {
            Ok(())
        } else {
            Err(ProtocolError::InvalidUtf8)
        }
    }

    /// Returns the number of bytes up to the last whole character.
    pub(crate) const fn chunk_len(&self) -> usize {
        self.bytes.len() - self.carry.len()
    }

    /// Takes the bytes up to the last whole character.
    pub(crate) fn take_chunk(&mut self) -> Vec<u8> {
        let carried = self.bytes.split_off(self.chunk_len());
        let mut chunk = mem::replace(&mut self.bytes, carried);
        self.share.shrink_to(self.bytes.capacity());
        trim(&mut chunk);
        chunk
    }

    /// Releases unused memory, as [`trim`].
    pub(crate) fn trim(&mut self) {
        trim(&mut self.bytes);
    }

    /// Ends the payload and returns its bytes.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::InvalidUtf8`] if the text ends inside a character.
    #[inline]
    pub(crate) fn finish(self) -> Result<Vec<u8>, ProtocolError> {
        self.check_end(0)?;
        Ok(self.bytes)
    }
}

/// Releases the unused capacity of `bytes`, if it is more than an eighth of the length.
pub(crate) fn trim(bytes: &mut Vec<u8>) {
    if bytes.capacity() - bytes.len() > bytes.len() / 8 {
        bytes.shrink_to_fit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_follows_what_arrives_and_not_what_is_claimed() {
        // tokio-websockets, fastwebsockets, tungstenite and wtx reserve the claimed length.
        let claimed = 64 << 20;
        let mut payload = Payload::new(false, Share::UNLIMITED);
        payload.reserve(1, claimed - 1).unwrap();
        assert_eq!(payload.bytes.capacity(), 4);
        let mut moved = 0;
        while (payload.len() as u64) < claimed {
            let arrived = 1400.min((64 << 20) - payload.len());
            let before = payload.bytes.capacity();
            let missing = claimed - (payload.len() + arrived) as u64;
            payload.reserve(arrived, missing).unwrap();
            if payload.bytes.capacity() != before {
                moved += payload.len();
            }
            payload.bytes.resize(payload.len() + arrived, 0);
            assert!(payload.bytes.capacity() <= 4 * payload.len());
        }
        assert_eq!(
            payload.bytes.capacity(),
            payload.len(),
            "more than the message needs"
        );
        assert!(moved < 2 * payload.len(), "{moved} bytes were moved");
    }

    #[test]
    fn a_payload_that_is_all_there_gets_memory_of_its_own_size() {
        let mut payload = Payload::new(false, Share::UNLIMITED);
        payload.reserve(10, 0).unwrap();
        assert_eq!(payload.bytes.capacity(), 10);
    }

    #[test]
    fn a_message_of_many_fragments_is_not_moved_with_each_of_them() {
        let mut payload = Payload::new(false, Share::UNLIMITED);
        let mut moves = 0;
        for number in 1..=4096 {
            let capacity = payload.bytes.capacity();
            let missing = if number == 4096 { 0 } else { u64::MAX };
            payload.reserve(256, missing).unwrap();
            let simd = Simd::detect();
            payload.append(&[7; 256], MaskingKey::ZERO, simd).unwrap();
            moves += usize::from(payload.bytes.capacity() != capacity);
            assert!(payload.bytes.capacity() <= 2 * payload.len());
        }
        assert!(moves <= 13, "the payload moved {moves} times");
    }
}
