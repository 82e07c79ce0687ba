//! The byte kernels with each backend: masking, and unmasking with UTF-8 validation, in place.
//!
//! An iteration goes over a pool of messages, each with a key of its own. `benches/compare` measures the
//! kernels beside those of other libraries.

mod common;

use std::hint::black_box;

use common::{Content, Pool};
use criterion::{BatchSize, BenchmarkId, Criterion};
use wsimd::simd::{Carry, MaskingKey, Simd};

fn main() {
    common::run(&[mask, unmask_validate]);
}

fn mask(criterion: &mut Criterion) {
    let is_binary = |content| content == Content::Binary;
    common::sweep(criterion, "mask", is_binary, |group, size, pool| {
        for simd in Simd::available() {
            let mut buffers = masked(pool);
            let mut run = || {
                for (buffer, key) in black_box(&mut buffers) {
                    simd.mask(buffer, MaskingKey::new(*key));
                }
            };
            run();
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter(&mut run);
            });
        }
    });
}

fn unmask_validate(criterion: &mut Criterion) {
    let is_text = |content| content != Content::Binary;
    common::sweep(
        criterion,
        "unmask_validate",
        is_text,
        |group, size, pool| {
            let masked = masked(pool);
            for simd in Simd::available() {
                let run = |buffers: &mut Vec<(Vec<u8>, [u8; 4])>| {
                    for (text, key) in buffers {
                        let verdict =
                            simd.unmask_validate(text, MaskingKey::new(*key), Carry::NONE);
                        assert_eq!(verdict, Ok(Carry::NONE), "{}", simd.name());
                    }
                };
                let mut buffers = masked.clone();
                run(&mut buffers);
                let mut pairs = buffers.iter().zip(pool);
                assert!(pairs.all(|((buffer, _), (text, _))| buffer == text.as_bytes()));
                group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                    bencher.iter_batched_ref(|| masked.clone(), run, BatchSize::LargeInput);
                });
            }
        },
    );
}

/// Masks each message as RFC 6455 §5.3 says.
fn masked(pool: &Pool) -> Vec<(Vec<u8>, [u8; 4])> {
    let mask = |(message, key): &(wsimd::Message, [u8; 4])| {
        let bytes = message.as_bytes().iter().zip(key.iter().cycle());
        (bytes.map(|(byte, key)| byte ^ key).collect(), *key)
    };
    pool.iter().map(mask).collect()
}
