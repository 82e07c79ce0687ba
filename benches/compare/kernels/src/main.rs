//! Measures masking and UTF-8 validation: ours, the peers' and memcpy, side by side in one process.
//!
//! Prints a line for each measurement: scenario, contestant, and the median nanoseconds of a call. A
//! scenario is a kernel, a size, a content and a backend of ours. Peers use the same instructions, or fewer
//! where they know none as wide. The time of the bare loop is part of every figure.

mod contender;
mod pool;

use std::{hint::black_box, time::Instant};

use contender::{Contender, Effect, Kernel, contenders};
use pool::{CONTENTS, Pool, xor};
use wsimd::simd::Simd;

/// The median of the rounds is the result.
const ROUNDS: usize = 15;
/// Copies are appended until there are so many bytes. Then the output begins again.
const OUTPUT: usize = 64 << 10;
const SIZES: [(&str, usize); 6] = [
    ("16 B", 16),
    ("125 B", 125),
    ("1 KiB", 1 << 10),
    ("16 KiB", 16 << 10),
    ("64 KiB", 64 << 10),
    ("1 MiB", 1 << 20),
];

fn main() {
    for (content, text) in CONTENTS {
        let kernels: &[Kernel] = match text {
            true => &[Kernel::Fused],
            false => &[Kernel::Mask, Kernel::Copy],
        };
        for simd in Simd::available() {
            // Frames of 4 to 125 bytes are in the order of a read buffer.
            let name = format!("small 4-125 B {content} {}", simd.name());
            let kernel = if text { Kernel::Fused } else { Kernel::Mask };
            run(&name, kernel, simd, &mut Pool::contiguous(content));
            for kernel in kernels {
                for (size_name, size) in SIZES {
                    let name = format!("{} {size_name} {content} {}", kernel.name(), simd.name());
                    let mut pool = Pool::slots(content, size);
                    run(&name, *kernel, simd, &mut pool);
                }
            }
        }
    }
}

/// Measures all contenders of a scenario. Each round begins with another contender.
fn run(scenario: &str, kernel: Kernel, simd: Simd, pool: &mut Pool) {
    let contenders = contenders(kernel, simd);
    let mut output = Vec::with_capacity(OUTPUT.max(pool.longest()));
    for contender in &contenders {
        verify(pool, contender, &mut output);
    }
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 0..ROUNDS {
        for turn in 0..contenders.len() {
            let turn = (turn + round) % contenders.len();
            rounds[turn].push(time(pool, &contenders[turn], &mut output));
        }
    }
    for (contender, rounds) in contenders.iter().zip(rounds) {
        println!("{scenario}\t{}\t{:.2}", contender.name, median(rounds));
    }
}

/// Returns nanoseconds per call: the median of the windows, so that a window in which another process had
/// the CPU does not count.
fn time(pool: &mut Pool, contender: &Contender, output: &mut Vec<u8>) -> f64 {
    let mut times = Vec::new();
    for window in 0..pool.windows() {
        pool.load(window);
        let started = Instant::now();
        let valid = call_all(pool, window, contender, output);
        let elapsed = started.elapsed();
        assert_eq!(valid, pool.count(window), "{}: invalid", contender.name);
        black_box(&*output);
        times.push(elapsed.as_secs_f64() * 1e9 / valid as f64);
    }
    median(times)
}

/// Calls a contender for each message of a window. Returns how many times the text was valid.
#[inline(never)]
fn call_all(pool: &mut Pool, window: usize, contender: &Contender, output: &mut Vec<u8>) -> usize {
    output.clear();
    let capacity = output.capacity();
    pool.visit(window, |payload, key| {
        if output.len() + payload.len() > capacity {
            output.clear();
        }
        (contender.call)(payload, key, output)
    })
}

/// Checks every byte that a contender writes.
fn verify(pool: &mut Pool, contender: &Contender, output: &mut Vec<u8>) {
    let name = contender.name;
    for window in 0..pool.windows() {
        pool.load(window);
        let right = pool.visit(window, |payload, key| {
            output.clear();
            let valid = (contender.call)(payload, key, output);
            match contender.effect {
                Effect::Nothing => valid,
                Effect::InPlace => {
                    xor(payload, key);
                    valid
                }
                Effect::Copied => {
                    xor(output, key);
                    valid && output == payload
                }
            }
        });
        assert_eq!(right, pool.count(window), "{name}: wrong or invalid");
        assert!(pool.is_intact(window), "{name}: payload masked wrongly");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
