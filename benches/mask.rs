//! Masking, in place and while copying, with each backend and with a naive loop.
//!
//! An iteration masks a pool of messages, each with a key of its own.

mod common;

use std::hint::black_box;

use common::{Content, Pool};
use criterion::{BenchmarkId, Criterion};
use wsimd::simd::Simd;

fn main() {
    common::run(&[in_place, copy]);
}

fn in_place(criterion: &mut Criterion) {
    common::sweep(criterion, "mask", is_binary, |group, size, pool| {
        let messages: Vec<Vec<u8>> = pool.iter().map(|(it, _)| it.as_bytes().to_vec()).collect();
        let keys = || pool.iter().map(|(_, key)| *key);

        let mut buffers = messages.clone();
        group.bench_function(BenchmarkId::new("naive", size), |bencher| {
            bencher.iter(|| {
                for (buffer, key) in black_box(&mut buffers).iter_mut().zip(keys()) {
                    mask_naive(buffer, key);
                }
            });
        });
        for simd in Simd::available() {
            let mut buffers = messages.clone();
            for (buffer, key) in buffers.iter_mut().zip(keys()) {
                simd.mask(buffer, key);
            }
            assert_eq!(buffers, masked(pool), "{}", simd.name());
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter(|| {
                    for (buffer, key) in black_box(&mut buffers).iter_mut().zip(keys()) {
                        simd.mask(buffer, key);
                    }
                });
            });
        }
    });
}

fn copy(criterion: &mut Criterion) {
    common::sweep(criterion, "copy_mask", is_binary, |group, size, pool| {
        let mut output = Vec::new();
        group.bench_function(BenchmarkId::new("naive", size), |bencher| {
            bencher.iter(|| {
                output.clear();
                for (message, key) in black_box(pool) {
                    let start = output.len();
                    output.extend_from_slice(message.as_bytes());
                    mask_naive(&mut output[start..], *key);
                }
            });
        });
        for simd in Simd::available() {
            let mut output = Vec::new();
            let mut copy_all = |pool: &Pool| {
                output.clear();
                for (message, key) in pool {
                    simd.copy_mask(message.as_bytes(), &mut output, *key);
                }
                output.len()
            };
            copy_all(pool);
            group.bench_function(BenchmarkId::new(simd.name(), size), |bencher| {
                bencher.iter(|| copy_all(black_box(pool)));
            });
            assert_eq!(output, masked(pool).concat(), "{}", simd.name());
        }
    });
}

fn is_binary(content: Content) -> bool {
    content == Content::Binary
}

fn masked(pool: &Pool) -> Vec<Vec<u8>> {
    let mask = |message: &[u8], key| {
        let mut bytes = message.to_vec();
        mask_naive(&mut bytes, key);
        bytes
    };
    pool.iter()
        .map(|(message, key)| mask(message.as_bytes(), *key))
        .collect()
}

/// RFC 6455 §5.3, to the letter.
fn mask_naive(bytes: &mut [u8], key: [u8; 4]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= key[i % 4];
    }
}
