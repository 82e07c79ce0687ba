//! libFuzzer's entry to [`wsimd_fuzz::inflate`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::inflate(data));
