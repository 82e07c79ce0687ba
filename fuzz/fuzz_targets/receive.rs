//! libFuzzer's entry to [`wsimd_fuzz::receive`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::receive(data));
