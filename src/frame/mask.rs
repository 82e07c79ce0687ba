//! Masking keys (RFC 6455 §5.3).

/// The four bytes that the payload of a client's frame is XORed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaskingKey([u8; 4]);

impl MaskingKey {
    /// The key that changes nothing: what an unmasked payload is unmasked with.
    pub const ZERO: Self = Self([0; 4]);

    /// Makes a key of its bytes, in the order of the wire.
    pub const fn new(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes of the key, in the order of the wire.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// Returns the key as it applies from byte `offset` of the payload on.
    pub const fn rotate(self, offset: u64) -> Self {
        let bits = 8 * (offset % 4) as u32;
        Self(u32::from_le_bytes(self.0).rotate_right(bits).to_le_bytes())
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
