//! Shared by the targets of the byte kernels: the layout of an input, and places in memory.

use std::ops::Range;

use bytes::BufMut;
use wsimd::frame::MaskingKey;

use super::text;

/// The longest payload. Kernels work in groups of 256 bytes, and align their output from 1 KiB on.
const MAX_LEN: usize = 5 << 10;
/// The limit of a piece, and of the filler on one side.
const MAX_PART: usize = MAX_LEN / 2;
/// The largest number of pieces of a payload. The last piece is the rest.
const MAX_PIECES: usize = 24;

/// The parsed input of a target:
/// 1. two bytes with addresses modulo 64: the start of the payload, and the start of a copy;
/// 2. a byte for the filler: the low three bits double the pattern, the next two choose an alphabet;
/// 3. the masking key;
/// 4. five lengths of two bytes: the filler before and after the pattern, and three pieces;
/// 5. the pattern.
///
/// So a short input has a long payload, and a change of one byte moves the pattern along the groups of a
/// kernel.
pub(crate) struct Input {
    /// The address of a payload, modulo 64.
    pub(crate) from: u8,
    /// The address of a copy, modulo 64.
    pub(crate) to: u8,
    pub(crate) key: MaskingKey,
    pub(crate) payload: Vec<u8>,
    lengths: [usize; 3],
}

impl Input {
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (&[from, to, kind], data) = data.split_first_chunk()?;
        let (&key, data) = data.split_first_chunk()?;
        let (lengths, pattern) = data.split_first_chunk::<10>()?;
        let length = |i: usize| {
            usize::from(u16::from_be_bytes([lengths[2 * i], lengths[2 * i + 1]])) % MAX_PART
        };
        let [before, after] = [0, 1].map(length);
        let mut payload = text(kind, before).into_bytes();
        let pattern = pattern.repeat(1 << (kind & 7));
        payload.extend(pattern.iter().take(MAX_LEN - before - after));
        payload.extend_from_slice(text(kind, after).as_bytes());
        Some(Self {
            from: from % 64,
            to: to % 64,
            key: MaskingKey::new(key),
            payload,
            lengths: [2, 3, 4].map(length),
        })
    }

    /// Cuts the payload into pieces of the three lengths in turn. Pieces may be empty.
    pub(crate) fn pieces(&self) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut start = 0;
        for len in self.lengths.iter().cycle().take(MAX_PIECES - 1) {
            if start + len >= self.payload.len() {
                break;
            }
            pieces.push(start..start + len);
            start += len;
        }
        pieces.push(start..self.payload.len());
        pieces
    }

    /// The key, rotated for a piece.
    pub(crate) fn key_at(&self, piece: &Range<usize>) -> MaskingKey {
        self.key.rotate(piece.start as u64)
    }
}

pub(crate) fn naive_mask(bytes: &[u8], key: MaskingKey) -> Vec<u8> {
    let key = key.to_bytes().into_iter().cycle();
    bytes
        .iter()
        .zip(key)
        .map(|(byte, key)| byte ^ key)
        .collect()
}

/// Bytes at a chosen address.
pub(crate) struct Placed {
    memory: Vec<u8>,
    range: Range<usize>,
}

/// The bytes around the placed ones.
const NEIGHBOUR: u8 = b'#';

impl Placed {
    /// Places `bytes` at an address modulo 64, between other bytes.
    pub(crate) fn at(address: u8, bytes: &[u8]) -> Self {
        let mut memory = vec![NEIGHBOUR; bytes.len() + 192];
        let start = 64 + up_to(address, &memory);
        let range = start..start + bytes.len();
        memory[range.clone()].copy_from_slice(bytes);
        Self { memory, range }
    }

    /// Places `bytes` in memory of exactly their size, so that AddressSanitizer notices a read outside.
    fn exact(bytes: &[u8]) -> Self {
        Self {
            memory: bytes.to_vec(),
            range: 0..bytes.len(),
        }
    }

    /// Places `bytes` in both ways.
    pub(crate) fn all(address: u8, bytes: &[u8]) -> [Self; 2] {
        [Self::at(address, bytes), Self::exact(bytes)]
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.range.clone()]
    }

    pub(crate) fn check_neighbours(&self, name: &str) {
        let [before, behind] = [
            &self.memory[..self.range.start],
            &self.memory[self.range.end..],
        ];
        let unchanged = [before, behind]
            .concat()
            .iter()
            .all(|&byte| byte == NEIGHBOUR);
        assert!(unchanged, "{name}: bytes beside the payload were changed");
    }
}

/// Calls `kernel` with outputs that already hold bytes, and checks the outputs afterwards.
///
/// One output has ample room, so that the appended bytes begin at `address` modulo 64. One has exactly
/// enough room, and one has none. `kernel` returns whether the appended bytes are specified: they are
/// `wanted` then.
pub(crate) fn check_appended<T: BufMut + AsRef<[u8]>>(
    name: &str,
    with_capacity: fn(usize) -> T,
    address: u8,
    wanted: &[u8],
    kernel: impl Fn(&mut T) -> bool,
) {
    let ample = with_capacity(64 + wanted.len());
    let head = up_to(address, ample.as_ref());
    let exact = with_capacity(head + wanted.len());
    let full = with_capacity(head);
    for mut output in [ample, exact, full] {
        output.put_bytes(NEIGHBOUR, head);
        let is_specified = kernel(&mut output);
        let (before, appended) = output.as_ref().split_at(head);
        let unchanged = before.iter().all(|&byte| byte == NEIGHBOUR);
        assert!(unchanged, "{name}: bytes that were there were changed");
        if is_specified {
            check_equal(name, appended, wanted);
        }
    }
}

/// `assert_eq!` for more bytes than can be printed.
pub(crate) fn check_equal(name: &str, seen: &[u8], wanted: &[u8]) {
    assert_eq!(seen.len(), wanted.len(), "{name}: the length (left)");
    let differs = seen
        .iter()
        .zip(wanted)
        .position(|(seen, wanted)| seen != wanted);
    assert_eq!(differs, None, "{name}: position of a wrong byte (left)");
}

/// The offset in `memory` of the first byte whose address is `address` modulo 64.
fn up_to(address: u8, memory: &[u8]) -> usize {
    usize::from(address).wrapping_sub(memory.as_ptr().addr()) % 64
}
