//! (d) Every destination residue mod 64, because the kernels align their stores, in place and copying.

use std::ops::Deref;

use bytes::BytesMut;

use super::{
    Append, Carry, Fill, InvalidUtf8, KEY, MaskingKey, Simd, carry_of, naive_mask, pattern,
    rotated, scaled, verdict,
};

/// The value of the bytes around a destination, which must not change.
const GUARD: u8 = 0x5a;

/// The bytes of an unfinished sequence with the bytes that follow: first valid pairs, then invalid ones.
const PENDING: [(&[u8], &[u8]); 23] = [
    (b"", b""),
    (b"\xd0", b"\xb6"),
    (b"\xe2", b"\x82\xac"),
    (b"\xe2\x82", b"\xac"),
    (b"\xf0", b"\x9f\x98\x80"),
    (b"\xf0\x9f", b"\x98\x80"),
    (b"\xf0\x9f\x98", b"\x80"),
    (b"", b"\x80"),
    (b"\xd0", b""),
    (b"\xd0", b"\xb6\x80"),
    (b"\xe2", b"\x82"),
    (b"\xe2\x82", b""),
    (b"\xe2\x82", b"\xac\xac"),
    (b"\xe2\x82", b"\xc2\x80"),
    (b"\xf0", b"\x9f\x98"),
    (b"\xf0\x9f", b"\x98"),
    (b"\xf0\x9f\x98", b""),
    (b"\xf0\x9f\x98", b"\x80\x80"),
    (b"\xe0", b"\x80\x80"),
    (b"\xed", b"\xa0\x80"),
    (b"\xf0", b"\x80\x80\x80"),
    (b"\xf4", b"\x90\x80\x80"),
    (b"\xf4", b"\xf5\x80\x80"),
];

/// The unfinished sequences at the end of chunks.
const ENDS: [&[u8]; 4] = [b"", b"\xdf", b"\xe2\x82", b"\xf0\x9f\x98"];

/// A chunk after a carry, plain and masked, with the expected verdict.
struct Chunk {
    plain: Vec<u8>,
    masked: Vec<u8>,
    key: MaskingKey,
    carry: Carry,
    wanted: Result<Carry, InvalidUtf8>,
}

impl Chunk {
    fn new(pending: &[u8], plain: Vec<u8>) -> Self {
        let carry = match pending {
            [] => Carry::NONE,
            _ => carry_of(pending),
        };
        let key = rotated(KEY, plain.len() / 3);
        Self {
            masked: naive_mask(&plain, key),
            wanted: verdict(&[pending, &plain].concat()),
            plain,
            key,
            carry,
        }
    }

    /// Creates a chunk of `len` bytes that begins with `following`, the bytes after `pending`.
    fn after((pending, following): (&[u8], &[u8]), fill: Fill, len: usize) -> Self {
        let end = ENDS[len % ENDS.len()];
        let between = fill.after(len - following.len() - end.len());
        Self::new(pending, [following, &between, end].concat())
    }

    fn check(&self, residue: usize) {
        for simd in Simd::available() {
            let at = At { simd, residue };
            at.unmasks_in_place(self);
            at.unmasks_into(Vec::with_capacity(self.plain.len() + 64), self);
            at.unmasks_into(BytesMut::with_capacity(self.plain.len() + 64), self);
        }
    }
}

/// A backend, and the residue mod 64 of its destination address.
#[derive(Clone, Copy)]
struct At {
    simd: Simd,
    residue: usize,
}

impl At {
    fn unmasks_in_place(self, chunk: &Chunk) {
        let mut got = Err(InvalidUtf8);
        let bytes = self.in_place(&chunk.masked, |bytes| {
            got = self.simd.unmask_validate(bytes, chunk.key, chunk.carry);
        });
        self.compare(chunk, got, &bytes);
    }

    fn unmasks_into(self, output: impl Append + Deref<Target = [u8]>, chunk: &Chunk) {
        let mut got = Err(InvalidUtf8);
        let bytes = self.appended(output, |output| {
            let (key, carry) = (chunk.key, chunk.carry);
            got = self
                .simd
                .copy_unmask_validate(&chunk.masked, output, key, carry);
        });
        self.compare(chunk, got, &bytes);
    }

    fn masks_in_place(self, chunk: &Chunk) {
        let bytes = self.in_place(&chunk.plain, |bytes| self.simd.mask(bytes, chunk.key));
        self.same(&bytes, &chunk.masked);
    }

    fn masks_into(self, output: impl Append + Deref<Target = [u8]>, chunk: &Chunk) {
        let bytes = self.appended(output, |output| {
            self.simd.copy_mask(&chunk.plain, output, chunk.key);
        });
        self.same(&bytes, &chunk.masked);
    }

    /// Runs `kernel` on a copy of `bytes` at an address with the residue. Checks that the bytes around it
    /// stay.
    fn in_place(self, bytes: &[u8], kernel: impl FnOnce(&mut [u8])) -> Vec<u8> {
        let mut buffer = vec![GUARD; bytes.len() + 128];
        let start = padding(&buffer, self.residue);
        let end = start + bytes.len();
        buffer[start..end].copy_from_slice(bytes);
        kernel(&mut buffer[start..end]);
        assert!(is_guard(&buffer[..start]), "{}", self.context());
        assert!(is_guard(&buffer[end..]), "{}", self.context());
        buffer.truncate(end);
        buffer.split_off(start)
    }

    /// Runs `kernel`, which appends to a buffer at an address with the residue. The buffer must not move.
    fn appended<O>(self, mut output: O, kernel: impl FnOnce(&mut O)) -> Vec<u8>
    where
        O: Append + Deref<Target = [u8]>,
    {
        let reference = Simd::available().next().expect("the reference is first");
        let start = padding(&output, self.residue);
        reference.copy_mask(&[GUARD; 64][..start], &mut output, MaskingKey::ZERO);
        let address = output.as_ptr();
        kernel(&mut output);
        assert_eq!(output.as_ptr(), address, "{}", self.context());
        assert!(is_guard(&output[..start]), "{}", self.context());
        output[start..].to_vec()
    }

    fn compare(self, chunk: &Chunk, got: Result<Carry, InvalidUtf8>, bytes: &[u8]) {
        if got != chunk.wanted {
            let (wanted, carry) = (chunk.wanted, chunk.carry);
            let (start, end) = chunk.plain.split_at(8.min(chunk.plain.len()));
            panic!(
                "{got:?}, not {wanted:?} after {carry:?} of b\"{}\" and {} more: {}",
                start.escape_ascii(),
                end.len(),
                self.context()
            );
        }
        if got.is_ok() {
            self.same(bytes, &chunk.plain);
        }
    }

    fn same(self, bytes: &[u8], wanted: &[u8]) {
        if bytes != wanted {
            let at = bytes.iter().zip(wanted).position(|(a, b)| a != b);
            let len = wanted.len();
            panic!("wrong bytes of {len} from {at:?} on: {}", self.context());
        }
    }

    fn context(self) -> String {
        format!("{} at residue {}", self.simd.name(), self.residue)
    }
}

/// Returns the offset in `bytes` of the first address with the residue.
fn padding(bytes: &[u8], residue: usize) -> usize {
    residue.wrapping_sub(bytes.as_ptr().addr()) % 64
}

fn is_guard(bytes: &[u8]) -> bool {
    bytes == &[GUARD; 128][..bytes.len()]
}

#[test]
fn a_carry_goes_on_at_every_residue() {
    let lengths = [1087, 1024, 2061, 300, 1023, 1025, 1500, 2048, 4109];
    for len in lengths.into_iter().take(scaled(9, 3)) {
        for fill in Fill::ALL {
            for pending in PENDING {
                let chunk = Chunk::after(pending, fill, len);
                (0..64).for_each(|residue| chunk.check(residue));
            }
        }
    }
}

#[test]
fn a_carry_goes_on_at_every_length_from_where_alignment_begins() {
    for len in 1024..=1100 {
        for fill in Fill::ALL {
            for pending in PENDING {
                let chunk = Chunk::after(pending, fill, len);
                for residue in (len % 9..64).step_by(scaled(1, 37)) {
                    chunk.check(residue);
                }
                chunk.check(61 + len % 3);
            }
        }
    }
}

#[test]
fn finds_wrong_sequences_around_the_first_aligned_and_the_last_vector() {
    let len = 1200;
    for position in (0..140).chain(len - 140..len).step_by(scaled(1, 9)) {
        for sequence in [b"\xff".as_slice(), b"\xed\xa0\x80", b"\xe2\x82\xac"] {
            for fill in Fill::ALL {
                let text = fill.around(position, sequence, len - position);
                let chunk = Chunk::new(b"", text);
                for residue in (position % scaled(1, 11)..64).step_by(scaled(1, 11)) {
                    chunk.check(residue);
                }
            }
        }
    }
}

#[test]
fn masks_at_every_residue() {
    for len in [300, 1023, 1024, 1025, 1026, 1087, 1500, 2051, 4109] {
        let chunk = Chunk::new(b"", pattern(len));
        for residue in 0..64 {
            for simd in Simd::available() {
                let at = At { simd, residue };
                at.masks_in_place(&chunk);
                at.masks_into(Vec::with_capacity(len + 64), &chunk);
                at.masks_into(BytesMut::with_capacity(len + 64), &chunk);
            }
        }
    }
}
