//! UTF-8 validation: alone, while unmasking in place, and while unmasking into a copy; with each
//! backend, and with `str::from_utf8` (after masking with the first backend, for the latter two).
//!
//! An iteration validates a pool of texts, each masked with a key of its own.

mod common;

use std::hint::black_box;

use common::{Content, Pool};
use criterion::{BatchSize, BenchmarkId, Criterion};
use wsimd::simd::{Carry, Simd};

fn main() {
    common::run(&[validate, unmask_validate, copy_unmask_validate]);
}

fn validate(criterion: &mut Criterion) {
    common::sweep(criterion, "validate", is_text, |group, size, pool| {
        group.bench_function(BenchmarkId::new("std", size), |bencher| {
            bencher.iter(|| count(pool, |(text, _)| str::from_utf8(text.as_bytes()).is_ok()));
        });
        for simd in Simd::available() {
            let run = || {
                count(pool, |(text, _)| {
                    simd.validate(text.as_bytes(), Carry::NONE) == Ok(Carry::NONE)
                })
            };
            assert_eq!(run(), pool.len(), "{}", simd.name());
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter(run);
            });
        }
    });
}

fn unmask_validate(criterion: &mut Criterion) {
    common::sweep(
        criterion,
        "unmask_validate",
        is_text,
        |group, size, pool| {
            let masked = masked(pool);
            let run = |simd: Simd, buffers: &mut [(Vec<u8>, [u8; 4])]| {
                let verdicts = buffers.iter_mut().map(|(text, key)| {
                    simd.unmask_validate(text, *key, Carry::NONE) == Ok(Carry::NONE)
                });
                verdicts.filter(|is_valid| *is_valid).count()
            };
            for simd in Simd::available() {
                let mut buffers = masked.clone();
                assert_eq!(run(simd, &mut buffers), pool.len(), "{}", simd.name());
                assert!(
                    buffers
                        .iter()
                        .zip(pool)
                        .all(|(buffer, (text, _))| buffer.0 == text.as_bytes()),
                    "{}: not unmasked",
                    simd.name()
                );
                group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                    let refill = || masked.clone();
                    bencher.iter_batched_ref(refill, |it| run(simd, it), BatchSize::LargeInput);
                });
            }
        },
    );
}

fn copy_unmask_validate(criterion: &mut Criterion) {
    common::sweep(
        criterion,
        "copy_unmask_validate",
        is_text,
        |group, size, pool| {
            let masked = masked(pool);
            let texts: Vec<u8> = pool
                .iter()
                .flat_map(|(text, _)| text.as_bytes())
                .copied()
                .collect();
            for simd in Simd::available() {
                let mut output = Vec::with_capacity(texts.len());
                let mut run = || {
                    output.clear();
                    count(&masked, |(text, key)| {
                        simd.copy_unmask_validate(text, &mut output, *key, Carry::NONE)
                            == Ok(Carry::NONE)
                    })
                };
                assert_eq!(run(), pool.len(), "{}", simd.name());
                group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                    bencher.iter(&mut run);
                });
                assert!(output == texts, "{}: not unmasked", simd.name());
            }
        },
    );
}

/// Counts what is valid, so that no verdict is computed in vain.
fn count<T>(pool: &[T], mut is_valid: impl FnMut(&T) -> bool) -> usize {
    black_box(pool).iter().filter(|it| is_valid(it)).count()
}

fn masked(pool: &Pool) -> Vec<(Vec<u8>, [u8; 4])> {
    let mask = |text: &[u8], key| {
        let mut bytes = text.to_vec();
        Simd::detect().mask(&mut bytes, key);
        (bytes, key)
    };
    pool.iter()
        .map(|(text, key)| mask(text.as_bytes(), *key))
        .collect()
}

fn is_text(content: Content) -> bool {
    content != Content::Binary
}
