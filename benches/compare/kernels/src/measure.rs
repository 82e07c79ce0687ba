//! Rounds: every contender does the same work in turn, beginning with another one in each round.

use std::{hint::black_box, time::Instant};

use crate::{
    contender::{Contender, Effect},
    pool::{Pool, xor},
};

/// Copies are appended until there are so many bytes, then the output begins again.
const OUTPUT: usize = 64 << 10;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Rounds; the median of them is the result.
    pub rounds: usize,
    /// How often a contender goes through all messages in a round.
    pub passes: usize,
}

/// The time of a call.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// The median of the rounds, in nanoseconds.
    pub ns: f64,
    /// The distance between the quartiles of the rounds, in percent of the median.
    pub spread_pct: f64,
}

/// Measures contenders over a pool.
pub fn measure(pool: &mut Pool, contenders: &[Contender], effort: Effort) -> Vec<Summary> {
    let mut output = Vec::with_capacity(OUTPUT.max(pool.mean_size()));
    for contender in contenders {
        verify(pool, contender, &mut output);
    }
    let mut rounds = vec![Vec::new(); contenders.len()];
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            let turn = (turn + round) % contenders.len();
            rounds[turn].push(time(pool, &contenders[turn], &mut output, effort.passes));
        }
    }
    rounds.into_iter().map(summary).collect()
}

/// Returns nanoseconds per call: the median of the windows, so that one in which another process
/// had the CPU does not count.
fn time(pool: &mut Pool, contender: &Contender, output: &mut Vec<u8>, passes: usize) -> f64 {
    let windows = pool.windows();
    let mut times = Vec::new();
    for window in (0..passes).flat_map(|_| 0..windows) {
        pool.load(window);
        let started = Instant::now();
        let valid = run(pool, window, contender, output);
        let elapsed = started.elapsed();
        assert_eq!(valid, pool.count(window), "{}: invalid", contender.name);
        black_box(&*output);
        times.push(elapsed.as_secs_f64() * 1e9 / valid as f64);
    }
    quantile(&sorted(times), 0.5)
}

/// Calls a contender once for each message of a window. Returns how many are valid.
#[inline(never)]
fn run(pool: &mut Pool, window: usize, contender: &Contender, output: &mut Vec<u8>) -> usize {
    output.clear();
    let capacity = output.capacity();
    pool.visit(window, |payload, key| {
        if output.len() + payload.len() > capacity {
            output.clear();
        }
        (contender.call)(payload, key, output)
    })
}

/// Checks that a contender does the work.
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

fn summary(rounds: Vec<f64>) -> Summary {
    let rounds = sorted(rounds);
    let ns = quantile(&rounds, 0.5);
    let spread_pct = (quantile(&rounds, 0.75) - quantile(&rounds, 0.25)) / ns * 100.0;
    Summary { ns, spread_pct }
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
