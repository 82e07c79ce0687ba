//! libFuzzer's entry to [`wsimd_fuzz::utf8`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::utf8(data));
