//! libFuzzer's entry to [`wsimd_fuzz::roundtrip`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::roundtrip(data));
