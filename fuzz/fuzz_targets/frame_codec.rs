//! libFuzzer's entry to [`wsimd_fuzz::frame_codec`].

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsimd_fuzz::frame_codec(data));
