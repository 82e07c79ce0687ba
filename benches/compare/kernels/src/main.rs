//! Measures masking and UTF-8 validation: ours, the peers' and memcpy, side by side in one process.
//!
//! Prints a line for each measurement: scenario, contestant, and the median nanoseconds of a call. A
//! scenario is a kernel, a size, a content and a backend of ours. Peers use the same instructions, or fewer
//! where they know none as wide. The time of the bare loop is part of every figure.

mod contender;
mod pool;

use std::{convert::Infallible, hint::black_box, time::Instant};

use contestant::rounds::{self, median};

use contender::{Contender, Kernel, contenders};
use pool::{Pool, xor};
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
const TEXTS: [&str; 6] = ["ascii", "json", "cyrillic", "cjk", "emoji", "mixed"];

fn main() {
    for content in TEXTS {
        run_sizes(content, Kernel::Fused, &[Kernel::Fused]);
    }
    run_sizes("binary", Kernel::Mask, &[Kernel::Mask, Kernel::Copy]);
}

/// Measures frames of 4 to 125 bytes in the order of a read buffer, and then some kernels with each size.
fn run_sizes(content: &str, small: Kernel, kernels: &[Kernel]) {
    for simd in Simd::available() {
        let name = format!("small 4-125 B {content} {}", simd.name());
        run(&name, small, simd, &mut Pool::contiguous(content));
        for kernel in kernels {
            for (size_name, size) in SIZES {
                let name = format!("{} {size_name} {content} {}", kernel.name(), simd.name());
                run(&name, *kernel, simd, &mut Pool::slots(content, size));
            }
        }
    }
}

/// Measures all contenders of a scenario.
fn run(scenario: &str, kernel: Kernel, simd: Simd, pool: &mut Pool) {
    let contenders = contenders(kernel, simd);
    let mut output = Vec::with_capacity(OUTPUT.max(pool.longest()));
    for contender in &contenders {
        verify(pool, kernel, contender, &mut output);
    }
    let Ok(medians) = rounds::medians(contenders.len(), ROUNDS, |turn| {
        Ok::<_, Infallible>([time(pool, &contenders[turn], &mut output)])
    });
    for (contender, [ns]) in contenders.iter().zip(medians) {
        println!("{scenario}\t{}\t{ns:.2}", contender.name);
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

/// Checks every byte that a contender writes: the payload in place, or the copy at the end of the output.
fn verify(pool: &mut Pool, kernel: Kernel, contender: &Contender, output: &mut Vec<u8>) {
    for window in 0..pool.windows() {
        pool.load(window);
        let right = pool.visit(window, |payload, key| {
            output.clear();
            let valid = (contender.call)(payload, key, output);
            match (contender.is_memcpy(), kernel) {
                (true, _) => return valid,
                (false, Kernel::Copy) => xor(output, key),
                (false, _) => xor(payload, key),
            }
            valid && (kernel != Kernel::Copy || output == payload)
        });
        assert_eq!(right, pool.count(window), "{}: wrong", contender.name);
        assert!(pool.is_intact(window), "{}: wrong", contender.name);
    }
}
