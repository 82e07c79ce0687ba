//! Frame headers: a prefix is judged independently of the bytes that follow it.

use wsimd::frame::{Expected, FrameHeader, MaskingKey, Opcode, ProtocolError, Role, Rsv};

use super::role;

type Verdict = Result<Option<(FrameHeader, usize)>, ProtocolError>;

/// Parses every prefix of a header. Writes the parsed header and another one.
///
/// Input:
/// 1. a byte of flags: 1 the sender is a server, 2 inside a message, 4 no more data frames, 0x70 the
///    owned RSV bits;
/// 2. eight bytes with the largest payload;
/// 3. the bytes of the wire.
///
/// Properties:
/// - A prefix is undecided, complete or refused. Every prefix that is longer than a complete or refused
///   one has the same outcome. A complete header was undecided until its last byte.
/// - The first byte, the second byte and the complete length are judged at once: an undecided prefix that ends
///   with one of them can still be completed in two ways that are judged differently.
/// - An accepted header has the expected mask, bits, position and length.
/// - Parsing and writing are inverse.
pub fn header(data: &[u8]) {
    let Some((&[flags, ref limit @ ..], wire)) = data.split_first_chunk::<9>() else {
        return;
    };
    let max_payload_len = u64::from_be_bytes(*limit);
    let expected = Expected {
        rsv: rsv(flags),
        continuation: flags & 2 != 0,
        max_payload_len,
        too_big: ProtocolError::FrameTooBig {
            size: 0,
            limit: max_payload_len,
            is_message_limit: false,
        },
        too_many: (flags & 4 != 0).then_some(ProtocolError::TooManyFragments { limit: 4 }),
        ..Expected::first(role(flags & 1 != 0))
    };
    parse_prefixes(wire, &expected);
    write(flags, wire, max_payload_len, &expected);
}

fn parse_prefixes(wire: &[u8], expected: &Expected) {
    let mut last: Verdict = Ok(None);
    for len in 0..=wire.len().min(FrameHeader::MAX_LEN + 4) {
        let prefix = &wire[..len];
        let verdict = FrameHeader::parse(prefix, expected);
        if last != Ok(None) {
            assert_eq!(
                verdict, last,
                "one more byte changed the verdict: {prefix:02x?}, {expected:?}"
            );
            continue;
        }
        last = verdict;
        match verdict {
            Ok(None) => assert!(
                is_inside_length(prefix) || is_open(prefix, expected),
                "all completions are refused for one reason, so it was known before: \
                 {prefix:02x?}, {expected:?}"
            ),
            Ok(Some((header, header_len))) => {
                assert_eq!(
                    header_len, len,
                    "complete only after its last byte: {prefix:02x?}"
                );
                check(&header, expected);
                let mut written = Vec::new();
                header.write(&mut written);
                assert_eq!(written, prefix, "written otherwise than read: {header:?}");
            }
            Err(_) => {}
        }
    }
}

/// Checks the properties of an accepted header.
fn check(header: &FrameHeader, expected: &Expected) {
    let is_masked = header.masking_key.is_some();
    let is_control = header.opcode.is_control();
    let is_legal = is_masked == (expected.sender == Role::Client)
        && (is_control || expected.too_many.is_none())
        && (header.opcode != Opcode::Close || header.payload_len != 1)
        && expected.rsv.contains(header.rsv)
        && match header.opcode {
            Opcode::Continuation => expected.continuation,
            Opcode::Text | Opcode::Binary => !expected.continuation,
            Opcode::Close | Opcode::Ping | Opcode::Pong => header.fin,
        }
        && header.payload_len
            <= if is_control {
                125
            } else {
                expected.max_payload_len
            };
    assert!(is_legal, "accepted {header:?} where {expected:?}");
}

/// Returns whether bytes of the payload length are missing.
fn is_inside_length(prefix: &[u8]) -> bool {
    let size = match prefix.get(1).map(|second| second & 0x7f) {
        Some(126) => 2,
        Some(127) => 8,
        _ => 0,
    };
    prefix.len() < 2 + size && size > 0
}

/// Whether one completion is accepted, or two are refused for different reasons.
fn is_open(prefix: &[u8], expected: &Expected) -> bool {
    // The shortest payload of each length form, one that is too short for it, and a masking key.
    const ENDS: [&[u8]; 6] = [
        &[0x80, 0x80, 0, 0, 0, 0],
        &[0x88, 0x80, 0, 0, 0, 0],
        &[0x82, 0, 0, 0, 0, 0],
        &[0x88, 0, 0, 0, 0, 0],
        &[0, 126, 0, 0, 0, 0],
        &[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
    ];
    let mut refusals: Vec<ProtocolError> = Vec::new();
    for end in ENDS {
        for skipped in 0..end.len() {
            let bytes = [prefix, &end[skipped..], &[0; 12]].concat();
            match FrameHeader::parse(&bytes, expected) {
                Ok(Some(_)) => return true,
                Ok(None) => panic!(
                    "a header of {} bytes is undecided: {bytes:02x?}",
                    bytes.len()
                ),
                Err(error) => refusals.push(error),
            }
        }
    }
    refusals.iter().any(|error| *error != refusals[0])
}

/// Writes a header that the input decides, and parses it.
fn write(flags: u8, wire: &[u8], len: u64, expected: &Expected) {
    let [kind, key @ ..] = wire.first_chunk::<5>().copied().unwrap_or_default();
    let opcode = Opcode::from_bits(kind & 15).unwrap_or(Opcode::Binary);
    let is_control = opcode.is_control();
    let header = FrameHeader {
        fin: is_control || kind & 0x80 != 0,
        rsv: if is_control { Rsv::NONE } else { rsv(flags) },
        opcode,
        masking_key: (flags & 1 == 0).then_some(MaskingKey::new(key)),
        payload_len: if opcode == Opcode::Close {
            2 + len % 124
        } else if is_control {
            len % 126
        } else {
            len & i64::MAX as u64
        },
    };
    let expected = Expected {
        continuation: opcode == Opcode::Continuation,
        max_payload_len: u64::MAX,
        too_many: None,
        ..*expected
    };
    let mut written = Vec::new();
    header.write(&mut written);
    let read = FrameHeader::parse(&written, &expected);
    assert_eq!(
        read,
        Ok(Some((header, written.len()))),
        "read otherwise than written: {written:02x?}"
    );
}

fn rsv(flags: u8) -> Rsv {
    [(0x40, Rsv::RSV1), (0x20, Rsv::RSV2), (0x10, Rsv::RSV3)]
        .into_iter()
        .filter(|(flag, _)| flags & flag != 0)
        .fold(Rsv::NONE, |rsv, (_, bit)| rsv.union(bit))
}
