//! One runner over every backend present, against a four-line mask and `str::from_utf8`.

use bytes::BytesMut;

use super::{Carry, InvalidUtf8, Simd};

const KEY: [u8; 4] = [0x9a, 0x01, 0xff, 0x40];

fn naive_mask(bytes: &[u8], key: [u8; 4]) -> Vec<u8> {
    bytes
        .iter()
        .enumerate()
        .map(|(i, byte)| byte ^ key[i % 4])
        .collect()
}

fn rotated(key: [u8; 4], offset: usize) -> [u8; 4] {
    std::array::from_fn(|i| key[(i + offset) % 4])
}

/// What `str::from_utf8` says of the text so far: valid, valid so far, or dead.
fn expected(text: &[u8]) -> Result<bool, InvalidUtf8> {
    match str::from_utf8(text) {
        Ok(_) => Ok(true),
        Err(error) if error.error_len().is_none() => Ok(false),
        Err(_) => Err(InvalidUtf8),
    }
}

/// Runs every validating kernel over the chunks of `text` and compares each verdict.
fn check_chunks(simd: Simd, text: &[u8], cuts: &[usize]) {
    let mut carries = [Carry::NONE; 3];
    let mut copied = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([text.len()]) {
        let chunk = &text[start..end];
        let key = rotated(KEY, start);
        let masked = naive_mask(chunk, key);
        let mut in_place = masked.clone();
        let verdicts = [
            simd.validate(chunk, carries[0]),
            simd.unmask_validate(&mut in_place, key, carries[1]),
            simd.copy_unmask_validate(&masked, &mut copied, key, carries[2]),
        ];
        let wanted = expected(&text[..end]);
        for (verdict, carry) in verdicts.into_iter().zip(&mut carries) {
            let context = (simd.name(), text, cuts, end);
            assert_eq!(verdict.map(Carry::is_none), wanted, "{context:?}");
            *carry = verdict.unwrap_or_default();
        }
        if wanted.is_err() {
            return;
        }
        assert_eq!(in_place, chunk);
        assert_eq!(copied, &text[..end]);
        start = end;
    }
}

#[test]
fn masks_every_length_alignment_and_phase() {
    let bytes: Vec<u8> = (0..=255)
        .cycle()
        .map(|i: u8| i.wrapping_mul(31))
        .take(400)
        .collect();
    for simd in Simd::available() {
        for len in 0..=300 {
            for start in 0..64 {
                let key = rotated(KEY, start);
                let wanted = naive_mask(&bytes[start..start + len], key);
                let mut whole = bytes.clone();
                simd.mask(&mut whole[start..start + len], key);
                assert_eq!(whole[start..start + len], wanted);
                assert_eq!(whole[..start], bytes[..start]);
                assert_eq!(whole[start + len..], bytes[start + len..]);
            }
        }
    }
}

#[test]
fn copies_append_to_both_buffers_and_keep_what_was_there() {
    for simd in Simd::available() {
        for len in 0..=300 {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let wanted = [b"head".as_slice(), &naive_mask(&bytes, KEY)].concat();
            let mut vec = b"head".to_vec();
            simd.copy_mask(&bytes, &mut vec, KEY);
            let mut bytes_mut = BytesMut::from("head");
            simd.copy_mask(&bytes, &mut bytes_mut, KEY);
            assert_eq!(vec, wanted);
            assert_eq!(bytes_mut, wanted);
        }
    }
}

#[test]
fn a_zero_key_leaves_the_bytes_as_they_are() {
    for simd in Simd::available() {
        let mut copy = Vec::new();
        simd.copy_mask(b"plain bytes", &mut copy, [0; 4]);
        assert_eq!(copy, b"plain bytes");
    }
}

/// Bytes at which UTF-8's rules change (RFC 3629 §4).
const BOUNDARY: [u8; 26] = [
    0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec,
    0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff,
];

#[test]
fn validates_all_short_strings_of_boundary_bytes_at_all_splits() {
    let longest: u32 = if cfg!(debug_assertions) { 3 } else { 4 };
    for simd in Simd::available() {
        for len in 0..=longest {
            for number in 0..BOUNDARY.len().pow(len) {
                let text: Vec<u8> = (0..len)
                    .map(|digit| BOUNDARY[number / BOUNDARY.len().pow(digit) % 26])
                    .collect();
                for cuts in 0..1_usize << len.saturating_sub(1) {
                    let cuts: Vec<usize> = (1..len as usize)
                        .filter(|i| cuts >> (i - 1) & 1 == 1)
                        .collect();
                    check_chunks(simd, &text, &cuts);
                }
            }
        }
    }
}

#[test]
fn validates_sequences_at_every_position_of_every_length() {
    let sequences: [&[u8]; 22] = [
        b"\xc2\x80",
        b"\xdf\xbf",
        b"\xe0\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xee\x80\x80",
        b"\xef\xbf\xbf",
        b"\xf0\x90\x80\x80",
        b"\xf4\x8f\xbf\xbf",
        b"\x80",
        b"\xc0",
        b"\xc1\xbf",
        b"\xc2",
        b"\xe0\x9f\xbf",
        b"\xe1\x80",
        b"\xed\xa0\x80",
        b"\xef\xbf",
        b"\xf0\x8f\xbf\xbf",
        b"\xf1\x80\x80",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xff",
        b"\xc2\x41",
    ];
    for simd in Simd::available() {
        for len in (0..=140).chain([191, 192, 193, 255, 256, 257, 512, 600]) {
            for sequence in sequences {
                for position in (0..=len).step_by(if len > 140 { 7 } else { 1 }) {
                    let mut text = vec![b'a'; len];
                    text.splice(position..position, sequence.iter().copied());
                    check_chunks(simd, &text, &[]);
                    check_chunks(simd, &text, &[position, position + 1]);
                }
            }
        }
    }
}
