//! Opcodes (RFC 6455 §5.2).

/// The type of a frame (RFC 6455 §5.2, §11.8). Reserved opcodes have no variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Opcode {
    /// Another fragment of a message.
    Continuation = 0x0,
    /// A text message, or its first fragment.
    Text = 0x1,
    /// A binary message, or its first fragment.
    Binary = 0x2,
    /// The start of the closing handshake, or the answer.
    Close = 0x8,
    /// A check whether the peer is alive.
    Ping = 0x9,
    /// The answer to a ping, or an unsolicited sign of life.
    Pong = 0xA,
}

impl Opcode {
    /// Returns the opcode with this number, the low four bits of a frame's first byte. Returns `None` for a
    /// reserved opcode.
    pub const fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    /// Returns whether this is the opcode of a control frame: Close, Ping or Pong (RFC 6455 §5.5).
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::Opcode;

    #[test]
    fn reserved_opcodes_are_none_and_the_others_keep_their_bits() {
        for bits in 0..=15 {
            match Opcode::from_bits(bits) {
                Some(opcode) => assert_eq!(opcode as u8, bits),
                None => assert!(matches!(bits, 3..=7 | 11..=15)),
            }
        }
        assert!(Opcode::Close.is_control() && Opcode::Ping.is_control());
        assert!(!Opcode::Continuation.is_control() && !Opcode::Binary.is_control());
    }
}
