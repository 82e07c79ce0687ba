//! Interleaved rounds of contenders in one process.

/// Measures all contenders in each round, and begins each round with another one. Returns the medians of the figures
/// of each contender.
pub fn medians<const N: usize, E>(
    contenders: usize,
    rounds: usize,
    mut measure: impl FnMut(usize) -> Result<[f64; N], E>,
) -> Result<Vec<[f64; N]>, E> {
    let mut figures = vec![[const { Vec::new() }; N]; contenders];
    for round in 0..rounds {
        for turn in 0..contenders {
            let turn = (turn + round) % contenders;
            for (values, value) in figures[turn].iter_mut().zip(measure(turn)?) {
                values.push(value);
            }
        }
    }
    let medians = figures.into_iter().map(|figures| figures.map(median));
    Ok(medians.collect())
}

/// Returns the median.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
