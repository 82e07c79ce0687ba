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

/// A figure for each round, in their order.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Returns the median.
    pub fn median(&self) -> f64 {
        quantile(&sorted(self.0.clone()), 0.5)
    }

    /// Returns the distance between the quartiles in percent of the median.
    pub fn spread_pct(&self) -> f64 {
        let rounds = sorted(self.0.clone());
        let [low, median, high] = [0.25, 0.5, 0.75].map(|part| quantile(&rounds, part));
        (high - low) / median * 100.0
    }

    /// Divides round by round.
    pub fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| a / b).collect())
    }
}

/// Measures contenders over a pool: for each the nanoseconds per call.
pub fn measure(pool: &mut Pool, contenders: &[Contender], effort: Effort) -> Vec<Rounds> {
    let mut output = Vec::with_capacity(output_size(pool));
    for contender in contenders {
        verify(pool, contender, &mut output);
    }
    let mut rounds = vec![Rounds::default(); contenders.len()];
    for round in 0..effort.rounds {
        for turn in 0..contenders.len() {
            let turn = (turn + round) % contenders.len();
            let ns = time(pool, &contenders[turn], &mut output, effort.passes);
            rounds[turn].0.push(ns);
        }
    }
    rounds
}

/// What one message was copied to is to be in the nearest cache again, if the message itself is.
fn output_size(pool: &Pool) -> usize {
    let least = if pool.repeats() == 1 { OUTPUT } else { 0 };
    least.max(pool.mean_size())
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
        let count = pool.count(window) * pool.repeats();
        assert_eq!(valid, count, "{}: invalid", contender.name);
        black_box(&*output);
        times.push(elapsed.as_secs_f64() * 1e9 / valid as f64);
    }
    quantile(&sorted(times), 0.5)
}

/// Calls a contender for each message of a window, as often as the pool says. Returns how many times
/// the text was valid.
#[inline(never)]
fn run(pool: &mut Pool, window: usize, contender: &Contender, output: &mut Vec<u8>) -> usize {
    output.clear();
    let capacity = output.capacity();
    let mut call = |payload: &mut [u8], key| {
        if output.len() + payload.len() > capacity {
            output.clear();
        }
        (contender.call)(payload, key, output)
    };
    (0..pool.repeats())
        .map(|_| pool.visit(window, &mut call))
        .sum()
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

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

fn quantile(sorted: &[f64], part: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * part).round() as usize]
}
