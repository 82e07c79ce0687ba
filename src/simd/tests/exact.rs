//! Allocations without a spare byte, so that AddressSanitizer detects every access beyond them.

use bytes::BytesMut;

use super::{Carry, Fill, InvalidUtf8, Simd, Text, carry_of, every_length_class, verdict};

/// A character that is split between the previous chunk and the text.
const SPLIT: (&[u8], &[u8]) = (b"\xf0\x9f", b"\x98\x80");

struct Exact<'a> {
    simd: Simd,
    text: &'a Text,
    carry: Carry,
    wanted: Result<Carry, InvalidUtf8>,
}

impl Exact<'_> {
    fn check(&self) {
        self.validates();
        self.works_in_place();
        self.appends_to_a_vec();
        self.appends_to_a_bytes_mut();
    }

    fn validates(&self) {
        let plain: Box<[u8]> = self.text.plain.as_slice().into();
        self.judged(self.simd.validate(&plain, self.carry));
    }

    fn works_in_place(&self) {
        let mut bytes: Box<[u8]> = self.text.plain.as_slice().into();
        self.simd.mask(&mut bytes, self.text.key);
        assert_eq!(*bytes, *self.text.masked);
        let key = self.text.key;
        self.judged(self.simd.unmask_validate(&mut bytes, key, self.carry));
        assert!(self.wanted.is_err() || *bytes == *self.text.plain);
    }

    fn appends_to_a_vec(&self) {
        let Text { plain, masked, key } = self.text;
        let source: Box<[u8]> = masked.as_slice().into();
        let mut output = Vec::with_capacity(source.len());
        self.simd.copy_mask(&source, &mut output, *key);
        assert_eq!(output, *plain);
        let mut output = Vec::with_capacity(source.len());
        let verdict = self
            .simd
            .copy_unmask_validate(&source, &mut output, *key, self.carry);
        self.judged(verdict);
        assert!(verdict.is_err() || output == *plain);
        assert_eq!(output.capacity(), source.len());
    }

    fn appends_to_a_bytes_mut(&self) {
        let Text { plain, masked, key } = self.text;
        let source: Box<[u8]> = masked.as_slice().into();
        let mut output = BytesMut::with_capacity(source.len());
        self.simd.copy_mask(&source, &mut output, *key);
        assert_eq!(output, *plain);
        let mut output = BytesMut::with_capacity(source.len());
        let verdict = self
            .simd
            .copy_unmask_validate(&source, &mut output, *key, self.carry);
        self.judged(verdict);
        assert!(verdict.is_err() || output == *plain);
    }

    fn judged(&self, verdict: Result<Carry, InvalidUtf8>) {
        let context = (self.simd.name(), self.text.plain.len(), self.carry);
        assert_eq!(verdict, self.wanted, "{context:?}");
    }
}

/// Checks `plain` as a chunk that follows the bytes `pending`.
fn check_after(pending: &[u8], plain: Vec<u8>) {
    let carry = match pending {
        [] => Carry::NONE,
        _ => carry_of(pending),
    };
    let wanted = verdict(&[pending, &plain].concat());
    let text = &Text::new(plain);
    for simd in Simd::available() {
        let exact = Exact {
            simd,
            text,
            carry,
            wanted,
        };
        exact.check();
    }
}

#[test]
fn reads_and_writes_nothing_beyond_exact_allocations() {
    for len in every_length_class() {
        for fill in Fill::ALL {
            check_after(b"", fill.before(len));
            check_after(b"", fill.around(len.saturating_sub(1), b"\xe2", 0));
            let (pending, rest) = SPLIT;
            let more = len.saturating_sub(rest.len());
            check_after(pending, [rest, &fill.after(more)].concat());
            check_after(pending, fill.before(len));
        }
    }
}
