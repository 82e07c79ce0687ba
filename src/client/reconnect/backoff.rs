//! [`Backoff`]: the pauses between attempts.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// The lower bound of a limit, so that no setting makes a client connect without pauses.
const FLOOR: Duration = Duration::from_millis(1);

/// Pauses with a limit that doubles, and full jitter: each pause is a random time below its limit.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    limits: ExponentialBackoff,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl Backoff {
    fn new(min: Duration, max: Duration) -> Self {
        let max = max.max(FLOOR);
        let builder = ExponentialBuilder::new()
            .with_factor(2.0)
            .with_min_delay(min.clamp(FLOOR, max))
            .with_max_delay(max)
            .without_max_times();
        Self {
            min,
            max,
            limits: builder.build(),
        }
    }

    pub(super) fn set_min(&mut self, min: Duration) {
        *self = Self::new(min, self.max);
    }

    pub(super) fn set_max(&mut self, max: Duration) {
        *self = Self::new(self.min, max);
    }

    /// Starts again with the first limit.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.min, self.max);
    }

    /// Returns the next pause, and doubles the limit.
    pub(super) fn next_pause(&mut self) -> Duration {
        let limit = self.next_limit().as_nanos();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        Duration::from_nanos(fastrand::u64(0..limit))
    }

    fn next_limit(&mut self) -> Duration {
        self.limits.next().unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(mut backoff: Backoff, count: usize) -> Vec<u128> {
        let limits = std::iter::repeat_with(|| backoff.next_limit().as_millis());
        limits.take(count).collect()
    }

    #[test]
    fn the_limit_doubles_up_to_its_maximum() {
        let seconds = [1, 2, 4, 8, 16, 32, 60, 60, 60].map(|seconds| 1000 * seconds);
        assert_eq!(limits(Backoff::default(), 9), seconds);
        let mut backoff = Backoff::default();
        backoff.set_max(Duration::from_secs(3));
        backoff.set_min(Duration::from_millis(250));
        assert_eq!(limits(backoff, 6), [250, 500, 1000, 2000, 3000, 3000]);
    }

    #[test]
    fn a_reset_starts_with_the_first_limit() {
        let mut backoff = Backoff::default();
        for _ in 0..20 {
            backoff.next_limit();
        }
        backoff.reset();
        assert_eq!(limits(backoff, 3), [1000, 2000, 4000]);
    }

    #[test]
    fn any_setting_has_a_pause_and_none_overflows() {
        const EVER: Duration = Duration::MAX;
        const NONE: Duration = Duration::ZERO;
        assert_eq!(limits(Backoff::new(NONE, NONE), 2), [1, 1]);
        assert_eq!(limits(Backoff::new(NONE, EVER), 3), [1, 2, 4]);
        assert_eq!(
            limits(Backoff::new(EVER, Duration::from_secs(5)), 2),
            [5000, 5000]
        );
        let mut longest = Backoff::new(EVER, EVER);
        for _ in 0..3 {
            assert_eq!(longest.next_limit(), EVER);
            longest.next_pause();
        }
    }

    #[test]
    fn a_pause_is_spread_over_the_whole_range_below_its_limit() {
        fastrand::seed(7);
        let mut eighths = [0; 8];
        for _ in 0..8000 {
            let pause = Backoff::default().next_pause();
            assert!(pause < Duration::from_secs(1), "{pause:?}");
            eighths[pause.as_millis() as usize / 125] += 1;
        }
        for count in eighths {
            assert!((800..1200).contains(&count), "{eighths:?}");
        }
    }
}
