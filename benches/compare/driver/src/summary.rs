//! From raw records to what tables and charts show: a table of rows for each scenario.

use std::collections::BTreeMap;

use crate::{
    contestants::{CONTROL, FLOOR},
    deflate,
    records::{Listing, Meta, Missing, Record},
    stats::{self, Rounds},
};

/// Everything of a run, in the order in which it was measured.
#[derive(Debug, Default)]
pub struct Summary {
    pub meta: Meta,
    pub listings: Vec<Listing>,
    pub missing: Vec<Missing>,
    pub tables: Vec<Table>,
}

/// One scenario, the best first.
#[derive(Debug)]
pub struct Table {
    pub part: String,
    pub scenario: String,
    /// The measure that ranks.
    pub main: &'static str,
    pub rows: Vec<Row>,
    /// How far the control is from itself here.
    pub control: Option<f64>,
    /// Ratios closer to 1 than this are ties.
    pub threshold: Option<f64>,
    pub has_floor: bool,
    pub best_peer: Option<String>,
}

/// One contestant in one scenario.
#[derive(Debug)]
pub struct Row {
    pub contestant: String,
    pub ours: bool,
    /// A limit or the control, not a library.
    pub limit: bool,
    /// A library that is known not to validate text.
    pub careless: bool,
    pub validating_peer: bool,
    pub rounds: usize,
    /// What was measured, by measure and round.
    pub samples: BTreeMap<String, Rounds>,
    pub medians: BTreeMap<String, f64>,
    pub spreads: BTreeMap<String, f64>,
    pub main: f64,
    pub to_floor: Option<f64>,
    pub to_peer: Option<f64>,
    /// The best of all libraries here, or tied with it.
    pub best: bool,
    pub ties_best: bool,
    pub ties_peer: bool,
}

/// What is no implementation among the kernels: the floor, the floor again, and the bare loop.
pub const KERNEL_LIMITS: [&str; 3] = ["memcpy", "control", "empty"];

/// Samples of a scenario: contestant, then measure, then round.
type Samples = BTreeMap<String, BTreeMap<String, Rounds>>;

impl Summary {
    pub fn new(records: &[Record]) -> Self {
        let mut summary = Self::default();
        let mut order: Vec<(String, String)> = Vec::new();
        let mut scenarios: BTreeMap<(String, String), Samples> = BTreeMap::new();
        for record in records {
            match record {
                Record::Meta(meta) => summary.meta = meta.clone(),
                Record::Contestant(listing) => summary.listings.push(listing.clone()),
                Record::Missing(missing) => summary.missing.push(missing.clone()),
                Record::Sample(sample) => {
                    let key = (sample.part.clone(), sample.scenario.clone());
                    if !scenarios.contains_key(&key) {
                        order.push(key.clone());
                    }
                    let samples = scenarios.entry(key).or_default();
                    let measures = samples.entry(sample.contestant.clone()).or_default();
                    for (measure, value) in &sample.values {
                        measures
                            .entry(measure.clone())
                            .or_default()
                            .insert(sample.round, *value);
                    }
                }
            }
        }
        summary.tables = order
            .iter()
            .map(|key| Table::new(key, &scenarios, &summary.listings))
            .filter(|table| !table.rows.is_empty())
            .collect();
        summary.find_ties();
        summary
    }

    pub fn of<'a>(&'a self, part: &'a str) -> impl Iterator<Item = &'a Table> {
        self.tables.iter().filter(move |table| table.part == part)
    }

    /// Control spreads of a part's scenarios.
    pub fn controls(&self, part: &str) -> Vec<f64> {
        self.of(part).filter_map(|table| table.control).collect()
    }

    fn find_ties(&mut self) {
        for index in 0..self.tables.len() {
            let usual = self.controls(&self.tables[index].part);
            self.tables[index].find_ties(&usual);
        }
    }
}

impl Table {
    fn new(
        key: &(String, String),
        scenarios: &BTreeMap<(String, String), Samples>,
        listings: &[Listing],
    ) -> Self {
        let (part, scenario) = key.clone();
        let samples = &scenarios[key];
        let main = main_measure(&part);
        let rounds = |name: &str| samples.get(name).and_then(|measures| measures.get(main));
        let (first, second) = references(&part);
        let floor = rounds(first);
        let mut rows: Vec<Row> = samples
            .iter()
            .filter_map(|(name, measures)| {
                let mut row = Row::new(name, measures, main, listings)?;
                row.to_floor = floor.and_then(|floor| stats::ratio(&measures[main], floor));
                Some(row)
            })
            .collect();
        rows.sort_by(|one, other| one.score().total_cmp(&other.score()));
        let best_peer = rows.iter().find(|row| row.validating_peer);
        let best_peer = best_peer.map(|row| row.contestant.clone());
        if let Some(peer) = best_peer.as_deref().and_then(rounds) {
            for row in &mut rows {
                row.to_peer = stats::ratio(&samples[&row.contestant][main], peer);
            }
        }
        let control = floor
            .zip(rounds(second))
            .and_then(|(first, second)| stats::control_spread(first, second));
        let has_floor = floor.is_some();
        Self {
            part,
            scenario,
            main,
            rows,
            control,
            threshold: None,
            has_floor,
            best_peer,
        }
    }

    pub fn row(&self, contestant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant)
    }

    fn find_ties(&mut self, usual: &[f64]) {
        self.threshold = stats::tie_threshold(self.control, usual);
        let threshold = self.threshold.unwrap_or(0.0);
        // Ours and peers are judged together; who does not validate text has less to do.
        let judged = |row: &Row| !row.limit && !row.careless;
        let Some(best) = self.rows.iter().find(|row| judged(row)).map(Row::score) else {
            return;
        };
        for row in self.rows.iter_mut().filter(|row| judged(row)) {
            row.best = row.score() <= best;
            row.ties_best = row.best || stats::is_tie(row.score() / best, threshold);
            row.ties_peer = row
                .to_peer
                .is_some_and(|ratio| stats::is_tie(ratio, threshold));
        }
    }
}

impl Row {
    /// What ranks: the ratio to the floor where there is one, for it is taken within each round.
    pub fn score(&self) -> f64 {
        self.to_floor.unwrap_or(self.main)
    }

    fn new(
        name: &str,
        measures: &BTreeMap<String, Rounds>,
        main: &str,
        listings: &[Listing],
    ) -> Option<Self> {
        let listing = listings.iter().find(|listing| listing.name == name);
        let each = |of: fn(&[f64]) -> Option<f64>| {
            let measures = measures.iter();
            let values = measures.filter_map(|(measure, rounds)| {
                let values: Vec<f64> = rounds.values().copied().collect();
                Some((measure.clone(), of(&values)?))
            });
            values.collect::<BTreeMap<_, _>>()
        };
        let medians = each(stats::median);
        Some(Self {
            contestant: name.into(),
            ours: name == "wsimd" || name.starts_with("wsimd-") || name.starts_with("wsimd "),
            limit: KERNEL_LIMITS.contains(&name) || listing.is_some_and(|listing| listing.raw),
            careless: listing.is_some_and(|it| !it.raw && !it.validates_text),
            validating_peer: listing.is_some_and(Listing::is_validating_peer),
            rounds: measures.get(main)?.len(),
            samples: measures.clone(),
            main: *medians.get(main)?,
            spreads: each(stats::spread),
            medians,
            to_floor: None,
            to_peer: None,
            best: false,
            ties_best: false,
            ties_peer: false,
        })
    }
}

fn main_measure(part: &str) -> &'static str {
    match part {
        "loopback" | deflate::ECHO => "cpu_ns",
        "idle" | deflate::IDLE => "rss",
        "instructions" => "instructions",
        _ => "ns",
    }
}

/// What ratios are taken to (plain TCP, or malloc + memcpy; for kernels memcpy of the same bytes; for
/// compression zlib in memory and our server otherwise), and the same under another name.
pub fn references(part: &str) -> (&'static str, &'static str) {
    match part {
        "kernels" => ("memcpy", "control"),
        deflate::CODEC => (deflate::ZLIB, deflate::ZLIB_AGAIN),
        deflate::ECHO | deflate::IDLE => (deflate::OURS, deflate::OURS_AGAIN),
        _ => (FLOOR, CONTROL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::Sample;

    fn listing(name: &str, raw: bool, validates_text: bool) -> Record {
        Record::Contestant(Listing {
            name: name.into(),
            raw,
            validates_text,
            ..Listing::default()
        })
    }

    fn sample(contestant: &str, round: u32, value: f64) -> Record {
        Record::Sample(Sample {
            part: "loopback".into(),
            scenario: "20 B".into(),
            contestant: contestant.into(),
            round,
            values: [("cpu_ns".to_string(), value)].into(),
        })
    }

    #[test]
    fn ratios_peers_and_ties() {
        let mut records = vec![
            listing(FLOOR, true, false),
            listing(CONTROL, true, false),
            listing("careful", false, true),
            listing("careless", false, false),
            listing("wsimd", false, true),
        ];
        let figures = [
            (FLOOR, 100.0),
            (CONTROL, 105.0),
            ("careful", 200.0),
            ("careless", 150.0),
            ("wsimd", 194.0),
        ];
        for round in 0..3 {
            records.extend(figures.map(|(name, value)| sample(name, round, value)));
        }
        let summary = Summary::new(&records);
        let table = &summary.tables[0];
        assert_eq!(table.best_peer.as_deref(), Some("careful"));
        let ours = table.row("wsimd").expect("ours");
        assert!((ours.to_floor.expect("a ratio") - 1.94).abs() < 1e-9);
        assert!((ours.to_peer.expect("a ratio") - 0.97).abs() < 1e-9);
        assert!(ours.ties_peer && ours.ties_best && ours.ours);
        assert!(ours.best && !table.row("careless").expect("a row").best);
        let order: Vec<&str> = table
            .rows
            .iter()
            .map(|row| row.contestant.as_str())
            .collect();
        assert_eq!(order, [FLOOR, CONTROL, "careless", "wsimd", "careful"]);
    }
}
