//! Masking alone: every length, start and phase.

use bytes::BytesMut;

use super::{
    Carry, Fill, InvalidUtf8, KEY, MaskingKey, Simd, Text, check_all, every_length_class,
    naive_mask, pattern, rotated,
};

#[test]
fn masks_every_length_start_and_phase_and_nothing_else() {
    let bytes = pattern(400);
    for phase in 0..4 {
        let key = rotated(KEY, phase);
        for start in 0..64 {
            let masked = naive_mask(&bytes[start..], key);
            for len in 0..=300 {
                let end = start + len;
                let wanted = [&bytes[..start], &masked[..len], &bytes[end..]].concat();
                for simd in Simd::available() {
                    let mut whole = bytes.clone();
                    simd.mask(&mut whole[start..end], key);
                    assert_eq!(whole, wanted, "{}, {start}..{end}", simd.name());
                }
            }
        }
    }
}

#[test]
fn copies_append_to_both_buffers_and_keep_what_was_there() {
    for simd in Simd::available() {
        for len in every_length_class() {
            let bytes = pattern(len);
            let wanted = [b"head".as_slice(), &naive_mask(&bytes, KEY)].concat();
            let mut vec = b"head".to_vec();
            simd.copy_mask(&bytes, &mut vec, KEY);
            assert_eq!(vec, wanted, "{}", simd.name());
            let mut bytes_mut = BytesMut::from("head");
            simd.copy_mask(&bytes, &mut bytes_mut, KEY);
            assert_eq!(bytes_mut, wanted, "{}", simd.name());
        }
    }
}

#[test]
fn a_zero_key_leaves_the_bytes_as_they_are() {
    for len in every_length_class() {
        for fill in Fill::ALL {
            check_all(&Text::with_key(fill.before(len), MaskingKey::ZERO), &[]);
        }
    }
}

#[test]
fn an_error_leaves_what_was_in_the_output() {
    for simd in Simd::available() {
        for len in every_length_class() {
            let bytes = naive_mask(&Fill::MultiByte.around(len, b"\xff", len % 7), KEY);
            let mut vec = b"head".to_vec();
            let verdict = simd.copy_unmask_validate(&bytes, &mut vec, KEY, Carry::NONE);
            assert_eq!(verdict, Err(InvalidUtf8));
            assert_eq!(&vec[..4], b"head");
            let mut bytes_mut = BytesMut::from("head");
            let verdict = simd.copy_unmask_validate(&bytes, &mut bytes_mut, KEY, Carry::NONE);
            assert_eq!(verdict, Err(InvalidUtf8));
            assert_eq!(&bytes_mut[..4], b"head");
        }
    }
}
