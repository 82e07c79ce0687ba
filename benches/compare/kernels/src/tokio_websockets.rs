//! The masking function of tokio-websockets, as build.rs could get hold of it: `best::frame` is as it
//! is, `avx2::frame` does without AVX-512. Called by name, so that it costs no more than ours to reach.
//! They leave the key rotated or not, as it happens.

include!(concat!(env!("OUT_DIR"), "/tokio_websockets.rs"));

/// Names what `best::frame` detects: on x86-64 the first of these that the CPU has.
#[cfg(target_arch = "x86_64")]
pub fn backend() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx512f") {
        "avx512"
    } else if std::arch::is_x86_feature_detected!("avx2") {
        "avx2"
    } else {
        "sse2"
    }
}

/// Names what `best::frame` was built for.
#[cfg(not(target_arch = "x86_64"))]
pub fn backend() -> &'static str {
    std::env::consts::ARCH
}

/// Returns whether `best::frame` is there and takes AVX-512 here.
pub fn has_avx512() -> bool {
    best::MISSING.is_none() && backend() == "avx512"
}
