//! Random stories of two endpoints and of two connections, beside a model of the outcome.
//!
//! `make model SEEDS=100000` plays more stories. A story that fails prints its seed and its operations.

use std::env;

use crate::support::{story, tasks::Random};

/// Plays a story for each seed. `SEEDS` is the number of seeds, `SEED` the first one.
pub(crate) fn for_each_seed(default: u64, play: impl Fn(u64)) {
    let number = |name| env::var(name).ok().and_then(|value| value.parse().ok());
    let first = number("SEED").unwrap_or(0);
    for seed in first..first + number("SEEDS").unwrap_or(default) {
        play(seed);
    }
}

#[test]
fn two_endpoints_agree_with_the_model() {
    for_each_seed(2000, |seed| {
        let mut random = Random::new(seed);
        let len = 5 + random.below(120);
        story::play(format!("seed {seed}"), len, &mut |limit| {
            random.below(limit)
        });
    });
}
