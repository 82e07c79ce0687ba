//! Measures masking and UTF-8 validation: ours, the peers' and memcpy, side by side in one process.
//!
//! `kernels [--quick | --gates] [--kernel NAME] [--backend NAME] [--pool KIB]` prints a line of JSON
//! per measurement, or with `--gates` a table of what is demanded of our kernels and what was found.
//! `backend` on the command line chooses among ours; the peers always take part. In a line, `size` is the payload's length (`small`: the mean of random lengths), `bytes` is what
//! one call goes through, `ns` the median time of a call, `spread_pct` the distance between the
//! quartiles of the rounds. The time of `empty`, the bare loop, is part of every other.

mod contender;
mod content;
mod gates;
mod measure;
mod pool;
mod tokio_websockets;

use std::{env, process::ExitCode};

use contender::{Contender, Kernel};
use content::Content;
use contestant::json;
use measure::{Effort, Rounds};
use pool::Pool;
use wsimd::simd::Simd;

const USAGE: &str = "usage: kernels [--quick | --gates] [--kernel mask|copy|utf8|fused|small|hot] \
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
    gates: bool,
    kernels: Vec<Kernel>,
    backends: Vec<Simd>,
    pool: usize,
}

impl Options {
    fn effort(&self) -> Effort {
        let rounds = if self.quick { 15 } else { 31 };
        Effort { rounds, passes: 2 }
    }
}

fn main() -> ExitCode {
    match options(env::args().skip(1)) {
        Ok(options) => {
            for (name, reason) in contender::missing() {
                eprintln!("kernels: {name} is missing: {reason}");
            }
            if options.gates {
                gates::run(&options);
            } else {
                options
                    .kernels
                    .iter()
                    .for_each(|&kernel| run(kernel, &options));
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
        gates: false,
        kernels: Kernel::ALL.to_vec(),
        backends: Simd::available().collect(),
        pool: 4 << 20,
    };
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} wants a value"));
        match arg.as_str() {
            "--quick" => options.quick = true,
            "--gates" => options.gates = true,
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
    let sizes: &[usize] = match kernel {
        Kernel::Small => &[0],
        _ if options.quick => &QUICK_SIZES,
        _ => &SIZES,
    };
    for &content in kernel.contents(options.quick) {
        for &size in sizes {
            run_pool(kernel, content, size, options);
        }
    }
}

fn run_pool(kernel: Kernel, content: Content, size: usize, options: &Options) {
    let mut pool = pool(kernel, content, size, options.pool);
    let mut contenders = contender::contenders(kernel, content, &options.backends);
    contenders.retain(|contender| !contender.yardstick);
    let results = measure::measure(&mut pool, &contenders, options.effort());
    for (contender, rounds) in contenders.iter().zip(results) {
        print(kernel, content, pool.mean_size(), contender, &rounds);
    }
}

/// Makes the messages for a kernel, about `bytes` of them. `Kernel::Small` knows its sizes itself.
fn pool(kernel: Kernel, content: Content, size: usize, bytes: usize) -> Pool {
    match kernel {
        Kernel::Small => Pool::contiguous(content, bytes),
        Kernel::Hot => Pool::hot(size, bytes),
        _ => Pool::slots(content, size, bytes, kernel.is_masked()),
    }
}

fn print(kernel: Kernel, content: Content, size: usize, contender: &Contender, rounds: &Rounds) {
    println!(
        "{{\"kernel\":{},\"impl\":{},\"backend\":{},\"size\":{size},\"content\":{},\"ns\":{:.2},\
         \"spread_pct\":{:.1},\"bytes\":{size}}}",
        json::string(kernel.name()),
        json::string(contender.name),
        json::string(contender.backend),
        json::string(content.name()),
        rounds.median(),
        rounds.spread_pct(),
    );
}
