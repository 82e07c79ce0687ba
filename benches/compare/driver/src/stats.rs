//! The statistics of every table: medians, spread, ratios per round, ties.

use std::collections::BTreeMap;

/// One value per round. A round that failed is absent.
pub type Rounds = BTreeMap<u32, f64>;

/// The value at `fraction` (0 to 1) of the sorted values, interpolated between neighbours.
pub fn quantile(values: &[f64], fraction: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let place = fraction * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64))
}

pub fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

pub fn median_of(rounds: &Rounds) -> Option<f64> {
    median(&rounds.values().copied().collect::<Vec<_>>())
}

/// The upper end of the 95 % interval of the median: the order statistic that the sign test gives (Conover,
/// Practical Nonparametric Statistics, §3.2). Of fewer than six values it is the greatest.
pub fn median_upper(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    // The chance that so many values or fewer lie above the median: a sum of the binomial distribution.
    let mut chance = 0.0;
    let mut term = 0.5_f64.powi(count as i32);
    let mut above = 0;
    while above < count / 2 && chance + term <= 0.025 {
        chance += term;
        term *= (count - above) as f64 / (above + 1) as f64;
        above += 1;
    }
    sorted.get(count.checked_sub(above.max(1))?).copied()
}

/// The interquartile range as a share of the median: 0.05 is 5 %.
pub fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values)?;
    let range = quantile(values, 0.75)? - quantile(values, 0.25)?;
    Some(if middle == 0.0 { 0.0 } else { range / middle })
}

/// The ratio of two contestants in each round that both have finished.
pub fn ratios(rounds: &Rounds, reference: &Rounds) -> Vec<f64> {
    let both = rounds
        .iter()
        .filter_map(|(round, value)| Some((value, reference.get(round)?)));
    both.filter(|(_, reference)| **reference != 0.0)
        .map(|(value, reference)| value / reference)
        .collect()
}

/// The median over the rounds of the ratio within a round, so that drift from round to round cancels.
pub fn ratio(rounds: &Rounds, reference: &Rounds) -> Option<f64> {
    median(&ratios(rounds, reference))
}

/// How far the same program under two names is from itself: the larger of the offset of the median
/// ratio from 1 and the interquartile range of the ratio.
pub fn control_spread(first: &Rounds, second: &Rounds) -> Option<f64> {
    let ratios = ratios(second, first);
    let offset = (median(&ratios)? - 1.0).abs();
    Some(offset.max(spread(&ratios)?))
}

/// The spread that decides on ties in a scenario: that of its own control, but at least the median over all
/// scenarios of the part, because a few rounds may agree by luck.
pub fn tie_threshold(own: Option<f64>, all: &[f64]) -> Option<f64> {
    match (own, median(all)) {
        (Some(own), Some(usual)) => Some(own.max(usual)),
        (own, usual) => own.or(usual),
    }
}

/// Whether a ratio of two contestants is closer to 1 than the control is to itself.
pub fn is_tie(ratio: f64, threshold: f64) -> bool {
    let distance = if ratio < 1.0 { 1.0 / ratio } else { ratio } - 1.0;
    distance <= threshold
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(values: &[f64]) -> Rounds {
        (0..).zip(values.iter().copied()).collect()
    }

    fn close(actual: Option<f64>, expected: f64) {
        let actual = actual.expect("a value");
        assert!((actual - expected).abs() < 1e-9, "{actual} != {expected}");
    }

    #[test]
    fn the_interval_of_the_median_is_that_of_the_sign_test() {
        let upper = |count: u32| {
            let values: Vec<f64> = (1..=count).map(f64::from).collect();
            median_upper(&values)
        };
        assert_eq!(upper(0), None);
        // Ranks as in tables of the sign test.
        for (count, rank) in [
            (1, 1),
            (5, 5),
            (6, 6),
            (8, 8),
            (9, 8),
            (11, 10),
            (12, 10),
            (20, 15),
        ] {
            close(upper(count), f64::from(rank));
        }
    }

    #[test]
    fn ratio_is_taken_within_a_round() {
        // The machine became twice as slow between the rounds; the ratio does not see it.
        close(
            ratio(&rounds(&[3.0, 6.0, 3.3]), &rounds(&[1.0, 2.0, 1.1])),
            3.0,
        );
    }

    #[test]
    fn control_is_the_larger_of_offset_and_range() {
        let first = rounds(&[100.0, 100.0, 100.0]);
        close(
            control_spread(&first, &rounds(&[104.0, 104.0, 104.0])),
            0.04,
        );
        close(control_spread(&first, &rounds(&[90.0, 100.0, 110.0])), 0.1);
    }

    #[test]
    fn ties_are_symmetric() {
        assert!(is_tie(1.04, 0.05));
        assert!(is_tie(1.0 / 1.04, 0.05));
        assert!(!is_tie(1.06, 0.05));
        assert!(!is_tie(0.94, 0.05));
        assert!(is_tie(1.0, 0.0));
    }
}
