//! libFuzzer's entry to [`wsimd_fuzz::stream`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::stream(data));
