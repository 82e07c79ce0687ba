//! libFuzzer's entry to [`wsimd_fuzz::deflate_roundtrip`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::deflate_roundtrip(data));
