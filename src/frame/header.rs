//! Frame headers (RFC 6455 §5.2). No other module parses or writes headers.
//!
//! [`FrameHeader::parse`] checks every rule for headers, in both roles. It checks the first byte, the second
//! byte and the payload length, each as soon as it has arrived.

use std::fmt;

use bytes::{BufMut, BytesMut};

use super::{MAX_CONTROL_PAYLOAD, MaskingKey, Opcode, ProtocolError, Role};

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0F;
const MASK: u8 = 0x80;
const LENGTH: u8 = 0x7F;
/// The largest payload length that the second byte holds, in bytes.
const MAX_SHORT_LENGTH: u64 = 125;

/// The reserved bits of a frame. Extensions define their meaning (RFC 6455 §5.2, §9).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Rsv(u8);

impl Rsv {
    /// No bit.
    pub const NONE: Self = Self(0);
    /// The first reserved bit, which permessage-deflate owns (RFC 7692 §6).
    pub const RSV1: Self = Self(0x40);
    /// The second reserved bit.
    pub const RSV2: Self = Self(0x20);
    /// The third reserved bit.
    pub const RSV3: Self = Self(0x10);

    /// Returns the bits that are set in `self` or in `other`.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the bits that are set in `self` and in `other`.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether no bit is set.
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Returns whether `self` contains all bits of `other`.
    pub const fn contains(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }
}

impl fmt::Debug for Rsv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rsv({:03b})", self.0 >> 4)
    }
}

/// The constraints on the next header of a connection.
///
/// The frame reader updates the constraints, and [`FrameHeader::parse`] enforces them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    /// The role of the sender, which determines whether frames are masked (RFC 6455 §5.1).
    pub sender: Role,
    /// The reserved bits of data frames that negotiated extensions own (§5.2).
    pub rsv: Rsv,
    /// Whether a fragmented message is unfinished (§5.4).
    pub continuation: bool,
    /// The largest payload of a data frame, in bytes.
    pub max_payload_len: u64,
    /// The error for a data frame with a larger payload. Its size is that of the bytes before the frame.
    pub too_big: ProtocolError,
    /// The error for any data frame, or `None` if a data frame is allowed.
    pub too_many: Option<ProtocolError>,
}

impl Expected {
    /// Returns the constraints on the first frame from `sender`, without extensions and without a size limit.
    pub const fn first(sender: Role) -> Self {
        Self {
            sender,
            rsv: Rsv::NONE,
            continuation: false,
            max_payload_len: u64::MAX,
            too_big: ProtocolError::FrameTooBig {
                size: 0,
                limit: u64::MAX,
                is_message_limit: false,
            },
            too_many: None,
        }
    }

    /// Checks a frame's first byte: FIN, reserved bits and opcode.
    fn check_first(&self, byte: u8) -> Result<(bool, Rsv, Opcode), ProtocolError> {
        let fin = byte & FIN != 0;
        let rsv = Rsv(byte & RESERVED);
        let Some(opcode) = Opcode::from_bits(byte & OPCODE) else {
            return Err(ProtocolError::ReservedOpcode(byte & OPCODE));
        };
        if !rsv.is_none() && (opcode.is_control() || !self.rsv.contains(rsv)) {
            return Err(self.bits_error(opcode, rsv));
        }
        match opcode {
            // §5.5: "All control frames [...] MUST NOT be fragmented."
            Opcode::Close | Opcode::Ping | Opcode::Pong if !fin => {
                Err(ProtocolError::FragmentedControl)
            }
            Opcode::Continuation if !self.continuation => {
                Err(ProtocolError::UnexpectedContinuation)
            }
            Opcode::Text | Opcode::Binary if self.continuation => {
                Err(ProtocolError::ExpectedContinuation)
            }
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                self.too_many.map_or(Ok((fin, rsv, opcode)), Err)
            }
            _ => Ok((fin, rsv, opcode)),
        }
    }

    /// Returns the error for reserved bits that are not allowed. Extensions apply to messages, so that no extension owns
    /// the bits of control frames.
    #[cold]
    fn bits_error(&self, opcode: Opcode, rsv: Rsv) -> ProtocolError {
        match opcode.is_control() {
            true => ProtocolError::ReservedControlBits(rsv.0 >> 4),
            false => ProtocolError::ReservedBits((rsv.0 & !self.rsv.0) >> 4),
        }
    }

    /// Checks a frame's second byte: the mask bit, and the payload length of a control frame.
    fn check_second(&self, opcode: Opcode, byte: u8) -> Result<bool, ProtocolError> {
        let masked = byte & MASK != 0;
        match self.sender {
            // §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
            Role::Client if !masked => return Err(ProtocolError::MissingMask),
            // §5.1: "A client MUST close a connection if it detects a masked frame."
            Role::Server if masked => return Err(ProtocolError::UnexpectedMask),
            _ => {}
        }
        if opcode.is_control() && usize::from(byte & LENGTH) > MAX_CONTROL_PAYLOAD {
            return Err(ProtocolError::ControlTooLong);
        }
        // §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer"
        if opcode == Opcode::Close && byte & LENGTH == 1 {
            return Err(ProtocolError::CloseTooShort);
        }
        Ok(masked)
    }

    /// Checks the payload length. `size` is the number of bytes after the second byte that encode it.
    fn check_len(&self, opcode: Opcode, len: u64, size: usize) -> Result<(), ProtocolError> {
        if len > i64::MAX as u64 {
            return Err(ProtocolError::LengthOverflow);
        }
        // §5.2: "the minimal number of bytes MUST be used to encode the length"
        if !is_minimal(len, size) {
            return Err(ProtocolError::NonMinimalLength);
        }
        if len > self.max_payload_len && !opcode.is_control() {
            return Err(self.too_big.add_frame(len));
        }
        Ok(())
    }
}

/// Returns the payload length, and the number of bytes after the second byte that encode it. Returns `None`
/// while some of these bytes are missing.
fn read_len(short: u8, behind: &[u8]) -> Option<(u64, usize)> {
    match short {
        126 => Some((u64::from(u16::from_be_bytes(*behind.first_chunk()?)), 2)),
        127 => Some((u64::from_be_bytes(*behind.first_chunk()?), 8)),
        short => Some((u64::from(short), 0)),
    }
}

/// Returns whether a payload length needs as many as `size` bytes after the second byte.
const fn is_minimal(len: u64, size: usize) -> bool {
    match size {
        0 => true,
        2 => len > MAX_SHORT_LENGTH,
        _ => len > u16::MAX as u64,
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Whether this is the last frame of its message.
    pub fin: bool,
    /// The reserved bits that are set.
    pub rsv: Rsv,
    /// The opcode, which states the type of the frame.
    pub opcode: Opcode,
    /// The masking key, or `None` if the payload is not masked.
    pub masking_key: Option<MaskingKey>,
    /// The length of the payload, in bytes. Less than 2^63.
    pub payload_len: u64,
}

impl FrameHeader {
    /// The longest header, in bytes.
    pub const MAX_LEN: usize = 14;

    /// Parses the header at the start of `input`. Returns the header and its length in bytes, or `None` while
    /// the header is incomplete and free of errors.
    ///
    /// # Errors
    ///
    /// A [`ProtocolError`] in the first byte, the second byte or the payload length, as soon as that part has
    /// arrived.
    #[doc(hidden)]
    #[inline]
    pub fn parse(
        input: &[u8],
        expected: &Expected,
    ) -> Result<Option<(Self, usize)>, ProtocolError> {
        let [first, rest @ ..] = input else {
            return Ok(None);
        };
        let (fin, rsv, opcode) = expected.check_first(*first)?;
        let [second, rest @ ..] = rest else {
            return Ok(None);
        };
        let masked = expected.check_second(opcode, *second)?;
        let Some((payload_len, size)) = read_len(second & LENGTH, rest) else {
            return Ok(None);
        };
        expected.check_len(opcode, payload_len, size)?;
        let key = rest.get(size..).and_then(|rest| rest.first_chunk());
        let masking_key = match (masked, key) {
            (false, _) => None,
            (true, Some(key)) => Some(MaskingKey::new(*key)),
            (true, None) => return Ok(None),
        };
        let header = Self {
            fin,
            rsv,
            opcode,
            masking_key,
            payload_len,
        };
        Ok(Some((header, 2 + size + if masked { 4 } else { 0 })))
    }

    /// Appends the header to `output`, in its shortest form.
    #[inline]
    pub fn write(&self, output: &mut impl BufMut) {
        let (bytes, len) = self.to_bytes();
        output.put_slice(&bytes[..len]);
    }

    /// Appends the header to `output`, as [`write`](Self::write).
    #[inline]
    pub(crate) fn append_to(&self, output: &mut BytesMut) {
        let (bytes, len) = self.to_bytes();
        // A copy of constant size is a store, not a call.
        output.extend_from_slice(&bytes);
        output.truncate(output.len() - (bytes.len() - len));
    }

    /// Returns the usual length of the header of a text from `role`, in bytes: 126 to 65,535 bytes of payload.
    #[cfg(feature = "json")]
    pub(crate) const fn room(role: Role) -> usize {
        match role {
            Role::Client => 4 + size_of::<MaskingKey>(),
            Role::Server => 4,
        }
    }

    /// Writes the header of a payload that lies behind `room` bytes at `start`. Moves the payload if the header has
    /// another length. Returns the place of the payload.
    #[cfg(feature = "json")]
    pub(crate) fn insert(&self, buffer: &mut BytesMut, start: usize, room: usize) -> usize {
        let (bytes, len) = self.to_bytes();
        let (from, to) = (start + room, start + len);
        let payload_len = buffer.len() - from;
        buffer.resize(buffer.len().max(to + payload_len), 0);
        if from != to {
            buffer.copy_within(from..from + payload_len, to);
        }
        buffer.truncate(to + payload_len);
        buffer[start..to].copy_from_slice(&bytes[..len]);
        to
    }

    /// Returns the bytes of the header, and their number.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "each arm has checked the range of the length"
    )]
    fn to_bytes(self) -> ([u8; 16], usize) {
        let fin = if self.fin { FIN } else { 0 };
        let mask = if self.masking_key.is_some() { MASK } else { 0 };
        // §5.2: the bytes after the second byte are in network byte order.
        let (short, extended, size) = match self.payload_len {
            short @ 0..=MAX_SHORT_LENGTH => (short as u8, 0, 0),
            medium if medium <= u64::from(u16::MAX) => {
                (126, u64::from((medium as u16).swap_bytes()), 2)
            }
            long => (127, long.swap_bytes(), 8),
        };
        // The header is assembled as one little-endian number. Separate stores for its parts would delay the
        // copy of the whole header, because the CPU cannot forward several stores to one load.
        let mut header = u128::from(fin | self.rsv.0 | self.opcode as u8)
            | u128::from(mask | short) << 8
            | u128::from(extended) << 16;
        let mut len = 2 + size;
        if let Some(key) = self.masking_key {
            header |= u128::from(u32::from_le_bytes(key.to_bytes())) << (8 * len);
            len += 4;
        }
        (header.to_le_bytes(), len)
    }
}

/// The location of a whole data frame at the start of an input. The frame is text or binary, unfragmented,
/// and has no reserved bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WholeFrame {
    pub(crate) is_text: bool,
    pub(crate) masking_key: MaskingKey,
    /// The length of the header, in bytes. The payload follows.
    pub(crate) header_len: usize,
    pub(crate) payload_len: usize,
}

impl WholeFrame {
    /// Recognises a whole frame from `sender` with a payload of at most `max_payload_len` bytes.
    ///
    /// Returns `None` if the frame is of another kind, incomplete or invalid. The caller then calls
    /// [`FrameHeader::parse`].
    #[inline]
    pub(crate) fn recognise(input: &[u8], sender: Role, max_payload_len: u64) -> Option<Self> {
        let [first, second, behind @ ..] = input else {
            return None;
        };
        let is_text = *first == FIN | Opcode::Text as u8;
        if !is_text && *first != FIN | Opcode::Binary as u8 {
            return None;
        }
        let (mask, mask_len) = match sender {
            Role::Client => (MASK, size_of::<MaskingKey>()),
            Role::Server => (0, 0),
        };
        let short = second ^ mask;
        if short & MASK != 0 {
            return None;
        }
        let (payload_len, size) = read_len(short, behind)?;
        if !is_minimal(payload_len, size) || payload_len > max_payload_len {
            return None;
        }
        let payload_len = usize::try_from(payload_len).ok()?;
        let header_len = 2 + size + mask_len;
        let arrived = input.len().checked_sub(header_len)?;
        if payload_len > arrived {
            return None;
        }
        let masking_key = match sender {
            Role::Client => MaskingKey::new(*behind.get(size..)?.first_chunk()?),
            Role::Server => MaskingKey::ZERO,
        };
        Some(Self {
            is_text,
            masking_key,
            header_len,
            payload_len,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &[u8], expected: &Expected) -> Result<Option<FrameHeader>, ProtocolError> {
        let parsed = FrameHeader::parse(bytes, expected)?;
        Ok(parsed.map(|(header, _)| header))
    }

    /// Returns the number of bytes after which a header is refused, and the error.
    fn refused(bytes: &[u8], expected: &Expected) -> (usize, ProtocolError) {
        for len in 0..=bytes.len() {
            match FrameHeader::parse(&bytes[..len], expected) {
                Ok(None) => {}
                Ok(Some(parsed)) => panic!("accepted: {parsed:?}"),
                Err(error) => return (len, error),
            }
        }
        panic!("not refused: {bytes:x?}")
    }

    const FROM_SERVER: Expected = Expected::first(Role::Server);
    const FROM_CLIENT: Expected = Expected::first(Role::Client);

    #[test]
    fn every_header_parses_back_and_its_prefixes_are_incomplete() {
        for payload_len in [0, 1, 125, 126, 127, 65_535, 65_536, i64::MAX as u64] {
            for masking_key in [None, Some(MaskingKey::new([1, 2, 3, 4]))] {
                let expected = match masking_key {
                    None => FROM_SERVER,
                    Some(_) => FROM_CLIENT,
                };
                let header = FrameHeader {
                    fin: true,
                    rsv: Rsv::NONE,
                    opcode: Opcode::Binary,
                    masking_key,
                    payload_len,
                };
                let mut bytes = Vec::new();
                header.write(&mut bytes);
                for len in 0..bytes.len() {
                    assert_eq!(parse(&bytes[..len], &expected), Ok(None));
                }
                bytes.extend_from_slice(b"payload");
                let parsed = FrameHeader::parse(&bytes, &expected);
                assert_eq!(parsed, Ok(Some((header, bytes.len() - 7))));
            }
        }
    }

    #[test]
    fn the_first_byte_is_enough_to_refuse_what_it_proves() {
        use ProtocolError::*;
        let inside = Expected {
            continuation: true,
            ..FROM_SERVER
        };
        for (byte, expected, error) in [
            (0x83, FROM_SERVER, ReservedOpcode(3)),
            (0x8f, FROM_SERVER, ReservedOpcode(15)),
            (0xc1, FROM_SERVER, ReservedBits(4)),
            (0x89 | 0x20, FROM_SERVER, ReservedControlBits(2)),
            (0x92, FROM_SERVER, ReservedBits(1)),
            (0x08, FROM_SERVER, FragmentedControl),
            (0x09, FROM_SERVER, FragmentedControl),
            (0x0a, inside, FragmentedControl),
            (0x80, FROM_SERVER, UnexpectedContinuation),
            (0x00, FROM_SERVER, UnexpectedContinuation),
            (0x81, inside, ExpectedContinuation),
            (0x02, inside, ExpectedContinuation),
        ] {
            assert_eq!(refused(&[byte, 0x05], &expected), (1, error), "{byte:#x}");
        }
    }

    #[test]
    fn an_owned_reserved_bit_is_accepted_and_reported() {
        let expected = Expected {
            rsv: Rsv::RSV1,
            ..FROM_SERVER
        };
        let header = parse(&[0xc1, 0], &expected).unwrap().unwrap();
        assert_eq!(header.rsv, Rsv::RSV1);
        assert_eq!(
            refused(&[0xe1, 0], &expected),
            (1, ProtocolError::ReservedBits(2))
        );
    }

    #[test]
    fn the_mask_is_checked_both_ways_from_the_second_byte() {
        // fastwebsockets, yawc and wtx accept one or both of these.
        let unmasked = refused(&[0x81, 0x05], &FROM_CLIENT);
        assert_eq!(unmasked, (2, ProtocolError::MissingMask));
        let masked = refused(&[0x81, 0x85], &FROM_SERVER);
        assert_eq!(masked, (2, ProtocolError::UnexpectedMask));
    }

    #[test]
    fn every_kind_of_control_frame_is_limited_to_125_bytes() {
        // fastwebsockets, yawc and wtx check only pings.
        for opcode in [0x88, 0x89, 0x8a] {
            assert!(parse(&[opcode, 125], &FROM_SERVER).unwrap().is_some());
            let (len, error) = refused(&[opcode, 126, 0, 200], &FROM_SERVER);
            assert_eq!((len, error), (2, ProtocolError::ControlTooLong));
        }
    }

    #[test]
    fn a_close_frame_of_one_byte_is_refused_at_its_length() {
        let short = refused(&[0x88, 1, 3], &FROM_SERVER);
        assert_eq!(short, (2, ProtocolError::CloseTooShort));
        for (opcode, len) in [(0x88, 0), (0x88, 2), (0x89, 1), (0x8a, 1)] {
            assert!(parse(&[opcode, len], &FROM_SERVER).unwrap().is_some());
        }
    }

    #[test]
    fn a_fragment_too_many_is_refused_at_its_first_byte() {
        let error = ProtocolError::TooManyFragments { limit: 3 };
        let expected = Expected {
            continuation: true,
            too_many: Some(error),
            ..FROM_SERVER
        };
        for byte in [0, 0x80] {
            assert_eq!(refused(&[byte, 1], &expected), (1, error));
        }
        assert!(parse(&[0x89, 0], &expected).unwrap().is_some());
    }

    #[test]
    fn lengths_not_in_their_shortest_form_are_refused_before_the_masking_key() {
        let error = ProtocolError::NonMinimalLength;
        assert_eq!(refused(&[0x82, 126, 0, 125], &FROM_SERVER), (4, error));
        let long = [0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
        assert_eq!(refused(&long, &FROM_CLIENT), (10, error));
        assert!(parse(&[0x82, 126, 0, 126], &FROM_SERVER).unwrap().is_some());
    }

    #[test]
    fn the_top_bit_of_a_64_bit_length_is_refused() {
        let bytes = [0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(
            refused(&bytes, &FROM_SERVER),
            (10, ProtocolError::LengthOverflow)
        );
    }

    #[test]
    fn a_data_frame_too_big_is_refused_at_its_length() {
        let too_big = ProtocolError::FrameTooBig {
            size: 0,
            limit: 1000,
            is_message_limit: false,
        };
        let expected = Expected {
            max_payload_len: 1000,
            too_big,
            ..FROM_SERVER
        };
        assert!(parse(&[0x82, 126, 3, 0xe8], &expected).unwrap().is_some());
        let error = too_big.add_frame(1001);
        assert_eq!(refused(&[0x82, 126, 3, 0xe9], &expected), (4, error));
    }

    #[test]
    fn control_frames_never_count_against_the_limit_of_data() {
        // The Python library refuses a ping of 20 bytes when a message may grow by only 10 more bytes.
        let expected = Expected {
            max_payload_len: 10,
            ..FROM_SERVER
        };
        assert!(parse(&[0x89, 20], &expected).unwrap().is_some());
    }

    #[test]
    fn a_whole_frame_is_recognised_where_the_header_is_right_and_all_is_there() {
        let mut recognised = 0;
        for first in 0..=u8::MAX {
            for short in 0..=u8::MAX {
                for len in [0_u64, 1, 125, 126, 65_535, 65_536, 1 << 63] {
                    let extended = match short & LENGTH {
                        126 => len.to_be_bytes()[6..].to_vec(),
                        127 => len.to_be_bytes().to_vec(),
                        _ => Vec::new(),
                    };
                    let input = [&[first, short][..], &extended, &[7; 4 + 126]].concat();
                    for sender in [Role::Client, Role::Server] {
                        for missing in [0, 1, 4, 126, 129, 130] {
                            let input = &input[..input.len() - missing];
                            recognised += usize::from(is_recognised(input, sender));
                        }
                    }
                }
            }
        }
        assert!(recognised > 1000, "{recognised}");
    }

    /// Returns whether a frame with a payload of at most 126 bytes is recognised. Asserts that the result
    /// matches the parsed header.
    fn is_recognised(input: &[u8], sender: Role) -> bool {
        let expected = Expected {
            max_payload_len: 126,
            ..Expected::first(sender)
        };
        let parsed = FrameHeader::parse(input, &expected);
        let whole = parsed.ok().flatten().filter(|(header, len)| {
            let is_data = matches!(header.opcode, Opcode::Text | Opcode::Binary);
            is_data && header.fin && header.payload_len <= (input.len() - len) as u64
        });
        let found = WholeFrame::recognise(input, sender, 126);
        let expected = whole.map(|(header, header_len)| WholeFrame {
            is_text: header.opcode == Opcode::Text,
            masking_key: header.masking_key.unwrap_or(MaskingKey::ZERO),
            header_len,
            payload_len: usize::try_from(header.payload_len).unwrap(),
        });
        assert_eq!(found, expected, "{input:x?} from a {sender:?}");
        found.is_some()
    }
}
