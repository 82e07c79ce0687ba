//! `src/simd` as a crate of its own, for run.sh.

#[expect(unsafe_code, reason = "as in src/lib.rs")]
#[expect(dead_code, reason = "other modules of the crate use the rest")]
#[path = "../../src/simd/mod.rs"]
pub mod simd;

#[cfg(test)]
#[test]
fn the_expected_backend_is_available() {
    let names: Vec<_> = simd::Simd::available().map(simd::Simd::name).collect();
    assert!(names.contains(&env!("BACKEND")), "only {names:?}");
}
