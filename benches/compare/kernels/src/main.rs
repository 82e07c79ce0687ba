//! Measures masking and UTF-8 validation: ours, the peers' and memcpy, side by side in one process.
//!
//! `kernels [--quick] [--kernel NAME] [--backend NAME] [--pool KIB]` prints a line of JSON per
//! measurement. `backend` on the command line chooses among ours; the peers always take part.
//! In a line, `size` is the payload's length (`small`: the mean of random lengths), `bytes` is what
//! one call goes through, `ns` the median time of a call, `spread_pct` the distance between the
//! quartiles of the rounds. The time of `empty`, the bare loop, is part of every other.

mod contender;
mod measure;
mod pool;
mod tokio_websockets;

use std::{env, process::ExitCode};

use contender::{Contender, Kernel};
use contestant::{Content, json};
use measure::{Effort, Summary};
use pool::Pool;
use wsimd::simd::Simd;

const USAGE: &str = "usage: kernels [--quick] [--kernel mask|copy|utf8|fused|small] \
                     [--backend NAME] [--pool KIB]";

const SIZES: [usize; 11] = [
    4,
    16,
    64,
    125,
    256,
    1 << 10,
    4 << 10,
    16 << 10,
    64 << 10,
    1 << 20,
    16 << 20,
];
const QUICK_SIZES: [usize; 5] = [16, 125, 1 << 10, 16 << 10, 1 << 20];

/// What the command line asks for.
struct Options {
    quick: bool,
    kernels: Vec<Kernel>,
    backends: Vec<Simd>,
    pool: usize,
}

impl Options {
    fn effort(&self) -> Effort {
        let (rounds, passes) = if self.quick { (15, 2) } else { (31, 2) };
        Effort { rounds, passes }
    }
}

fn main() -> ExitCode {
    match options(env::args().skip(1)) {
        Ok(options) => {
            for &kernel in &options.kernels {
                run(kernel, &options);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("kernels: {error}\n{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options {
        quick: false,
        kernels: Kernel::ALL.to_vec(),
        backends: Simd::available().collect(),
        pool: 4 << 20,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--kernel" => {
                let name = value()?;
                options.kernels.retain(|kernel| kernel.name() == name);
            }
            "--backend" => {
                let name = value()?;
                options.backends.retain(|simd| simd.name() == name);
            }
            "--pool" => {
                let kib: usize = value()?.parse().map_err(|_| "--pool wants a number")?;
                options.pool = kib << 10;
            }
            _ => return Err(format!("{arg} is unknown")),
        }
    }
    if options.kernels.is_empty() || options.backends.is_empty() {
        return Err("no such kernel or backend here".into());
    }
    Ok(options)
}

fn run(kernel: Kernel, options: &Options) {
    if let Some((name, reason)) = contender::missing(kernel) {
        print_missing(kernel, name, reason);
    }
    let sizes: &[usize] = if options.quick { &QUICK_SIZES } else { &SIZES };
    for &content in kernel.contents() {
        if kernel == Kernel::Small {
            let pool = Pool::contiguous(content, options.pool);
            run_pool(kernel, content, pool, options);
            continue;
        }
        for &size in sizes {
            let pool = Pool::slots(content, size, options.pool, kernel.is_masked());
            run_pool(kernel, content, pool, options);
        }
    }
}

fn run_pool(kernel: Kernel, content: Content, mut pool: Pool, options: &Options) {
    let contenders = contender::contenders(kernel, content, &options.backends);
    let summaries = measure::measure(&mut pool, &contenders, options.effort());
    for (contender, summary) in contenders.iter().zip(summaries) {
        print(kernel, content, pool.mean_size(), contender, summary);
    }
}

fn print(kernel: Kernel, content: Content, size: usize, contender: &Contender, summary: Summary) {
    println!(
        "{{\"kernel\":{},\"impl\":{},\"backend\":{},\"size\":{size},\"content\":{},\"ns\":{:.2},\
         \"spread_pct\":{:.1},\"bytes\":{size}}}",
        json::string(kernel.name()),
        json::string(contender.name),
        json::string(contender.backend),
        json::string(content_name(content)),
        summary.ns,
        summary.spread_pct,
    );
}

fn print_missing(kernel: Kernel, name: &str, reason: &str) {
    println!(
        "{{\"kernel\":{},\"impl\":{},\"missing\":{}}}",
        json::string(kernel.name()),
        json::string(name),
        json::string(reason),
    );
}

fn content_name(content: Content) -> &'static str {
    match content {
        Content::Ascii => "ascii",
        Content::Json => "json",
        Content::Multi => "multi",
        Content::Binary => "binary",
    }
}
