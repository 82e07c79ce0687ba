//! The byte kernels with each backend: masking, and unmasking with UTF-8 validation, in place.
//!
//! An iteration goes over a pool of messages. `benches/compare` measures the kernels beside those of other
//! libraries.

mod common;

use std::hint::black_box;

use common::TEXTS;
use criterion::{BatchSize, BenchmarkId, Criterion};
use wsimd::simd::{Carry, MaskingKey, Simd};

/// The masking key of every message.
const KEY: MaskingKey = MaskingKey::new([0x37, 0xfa, 0x21, 0x3d]);

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    mask(&mut criterion);
    for (name, alphabet) in TEXTS {
        unmask_validate(&mut criterion, name, alphabet);
    }
    criterion.final_summary();
}

fn mask(criterion: &mut Criterion) {
    common::sweep(criterion, "mask", TEXTS[0].1, |group, size, pool| {
        let mut buffers = masked(pool);
        for simd in Simd::available() {
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter(|| {
                    for buffer in black_box(&mut buffers) {
                        simd.mask(buffer, KEY);
                    }
                });
            });
        }
    });
}

fn unmask_validate(criterion: &mut Criterion, name: &str, alphabet: &str) {
    let name = format!("unmask_validate/{name}");
    common::sweep(criterion, &name, alphabet, |group, size, pool| {
        let masked = masked(pool);
        for simd in Simd::available() {
            let run = |buffers: &mut Vec<Vec<u8>>| {
                for text in buffers {
                    let verdict = simd.unmask_validate(text, KEY, Carry::NONE);
                    assert_eq!(verdict, Ok(Carry::NONE), "{}", simd.name());
                }
            };
            let mut buffers = masked.clone();
            run(&mut buffers);
            let mut pairs = buffers.iter().zip(pool);
            assert!(pairs.all(|(buffer, text)| buffer == text.as_bytes()));
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter_batched_ref(|| masked.clone(), run, BatchSize::LargeInput);
            });
        }
    });
}

/// Masks each message as RFC 6455 §5.3 says.
fn masked(pool: &[String]) -> Vec<Vec<u8>> {
    let mask = |text: &String| {
        let bytes = text.bytes().zip(KEY.to_bytes().into_iter().cycle());
        bytes.map(|(byte, key)| byte ^ key).collect()
    };
    pool.iter().map(mask).collect()
}
