//! A histogram of latencies with buckets of about 1.5 % width.

/// Buckets per doubling.
const STEPS: u64 = 64;

#[derive(Clone, Debug, Default)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub fn add(&mut self, nanoseconds: u64) {
        let bucket = bucket(nanoseconds);
        if bucket >= self.counts.len() {
            self.counts.resize(bucket + 1, 0);
        }
        self.counts[bucket] += 1;
        self.total += 1;
    }

    #[cfg(test)]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// The latency in nanoseconds that `fraction` of the messages did not exceed.
    pub fn quantile(&self, fraction: f64) -> f64 {
        let wanted = (self.total as f64 * fraction).ceil() as u64;
        let mut passed = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            passed += count;
            if passed >= wanted {
                return lower_edge(bucket as u64) as f64;
            }
        }
        0.0
    }
}

fn bucket(value: u64) -> usize {
    let doublings = u64::from((value / STEPS).checked_ilog2().map_or(0, |log| log + 1));
    let step = if doublings == 0 {
        value
    } else {
        (value >> (doublings - 1)) - STEPS
    };
    (doublings * STEPS + step) as usize
}

fn lower_edge(bucket: u64) -> u64 {
    match (bucket / STEPS, bucket % STEPS) {
        (0, step) => step,
        (doublings, step) => (STEPS + step) << (doublings - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_narrow_and_in_order() {
        let mut last = 0;
        for value in (0..4_000_000_000u64)
            .step_by(99_991)
            .chain([63, 64, 65, 127, 128, 129])
        {
            let edge = lower_edge(bucket(value) as u64);
            assert!(
                edge <= value && value - edge <= value / 60,
                "{value} {edge}"
            );
        }
        for value in 0..100_000 {
            let this = bucket(value);
            assert!(this == last || this == last + 1, "{value}");
            last = this;
        }
    }

    #[test]
    fn quantiles() {
        let mut histogram = Histogram::default();
        (1..=100).for_each(|value| histogram.add(value * 1000));
        assert!((histogram.quantile(0.5) / 50_000.0 - 1.0).abs() < 0.02);
        assert!((histogram.quantile(0.99) / 99_000.0 - 1.0).abs() < 0.02);
        assert!(Histogram::default().quantile(0.5) == 0.0);
    }
}
