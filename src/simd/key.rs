//! Masking keys (RFC 6455 §5.3).

/// The four bytes with which the payload of a client's frame is XORed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskingKey([u8; 4]);

impl MaskingKey {
    /// The key that changes no byte, for payloads that are not masked.
    pub const ZERO: Self = Self([0; 4]);

    /// Creates a key from its bytes, in the order of the wire.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key, in wire order.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Returns the word with which the kernels compute.
    pub(super) const fn to_word(self) -> u32 {
        u32::from_le_bytes(self.0)
    }

    /// Returns the key for the rest of a payload that starts at byte `offset`.
    pub const fn rotate(self, offset: u64) -> Self {
        let bits = 8 * (offset % 4) as u32;
        Self(self.to_word().rotate_right(bits).to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::MaskingKey;

    #[test]
    fn rotation_moves_the_key_to_the_byte_at_the_offset() {
        let key = MaskingKey::new([1, 2, 3, 4]);
        assert_eq!(key.rotate(0).to_bytes(), [1, 2, 3, 4]);
        assert_eq!(key.rotate(1).to_bytes(), [2, 3, 4, 1]);
        assert_eq!(key.rotate(6).to_bytes(), [3, 4, 1, 2]);
        assert_eq!(key.rotate(u64::MAX).to_bytes(), [4, 1, 2, 3]);
    }
}
