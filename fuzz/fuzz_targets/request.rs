//! libFuzzer's entry to [`wsimd_fuzz::request`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::request(data));
