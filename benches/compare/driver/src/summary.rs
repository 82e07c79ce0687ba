//! From samples to tables: medians, ratios to the floor and to the best peer, ties.

use std::collections::HashMap;

use crate::{
    contestants::{AGAIN, FLOOR, Listing, OURS, is_ours},
    kernels,
    session::Samples,
    stats::{self, Rounds},
};

/// Everything of a run, in the order in which it was measured.
#[derive(Debug)]
pub struct Summary {
    /// Machine, versions, commit and date.
    pub label: String,
    pub listings: Vec<Listing>,
    pub tables: Vec<Table>,
}

/// One scenario, the best first.
#[derive(Debug)]
pub struct Table {
    pub part: &'static str,
    pub scenario: String,
    /// The measure that ranks.
    pub main: &'static str,
    /// The contestant that ratios are taken to.
    pub floor: String,
    pub rows: Vec<Row>,
    /// The distance of the control from itself.
    pub control: Option<f64>,
    /// Ratios closer to 1 than this are ties.
    pub threshold: f64,
    pub best_peer: Option<String>,
    pub missing: Vec<(String, String)>,
}

/// One contestant in one scenario.
#[derive(Debug)]
pub struct Row {
    pub contestant: String,
    /// Whether it is a floor or a control.
    pub limit: bool,
    /// Whether it is a library that does not validate text.
    pub careless: bool,
    pub samples: HashMap<&'static str, Rounds>,
    pub main: f64,
    pub to_floor: Option<f64>,
    pub to_peer: Option<f64>,
    /// Whether it is the best of all libraries here, or tied with the best.
    pub best: bool,
    pub ties_best: bool,
    pub ties_peer: bool,
}

impl Summary {
    pub fn new(label: String, listings: Vec<Listing>, results: Vec<Samples>) -> Self {
        let tables = results.into_iter().map(|it| Table::new(it, &listings));
        let mut tables: Vec<Table> = tables.collect();
        for index in 0..tables.len() {
            let part = tables[index].part;
            let controls = tables.iter().filter(|it| it.part == part);
            let controls: Vec<f64> = controls.filter_map(|it| it.control).collect();
            tables[index].find_ties(&controls);
        }
        Self {
            label,
            listings,
            tables,
        }
    }

    pub fn table(&self, part: &str, scenario: &str) -> Option<&Table> {
        let mut tables = self.tables.iter();
        tables.find(|it| it.part == part && it.scenario == scenario)
    }
}

impl Table {
    fn new(samples: Samples, listings: &[Listing]) -> Self {
        let Samples {
            part,
            scenario,
            figures,
            missing,
        } = samples;
        let main = match part {
            "loopback" => "cpu_ns",
            "idle" => "rss",
            "instructions" => "instructions",
            _ => "ns",
        };
        let rounds = |name: &str| {
            let found = figures.iter().find(|(it, _)| it == name);
            found.and_then(|(_, measures)| measures.get(main)).cloned()
        };
        // Plain TCP does not compress, so that ours is the reference there.
        let floor = match part {
            kernels::PART => "memcpy",
            _ if rounds(FLOOR).is_some() => FLOOR,
            _ => OURS,
        };
        let (first, second) = (rounds(floor), rounds(&format!("{floor}{AGAIN}")));
        let control = first.as_ref().zip(second);
        let control = control.and_then(|(first, second)| stats::control_spread(first, &second));
        let rows = figures.into_iter().filter_map(|(contestant, samples)| {
            let values: Vec<f64> = samples.get(main)?.values().copied().collect();
            let listing = listings.iter().find(|it| it.name == contestant);
            let raw = listing.is_some_and(|it| it.info.raw);
            Some(Row {
                limit: raw || contestant.ends_with(AGAIN) || contestant == floor,
                careless: listing.is_some_and(|it| !it.info.raw && !it.info.validates_text),
                to_floor: stats::ratio(&samples[main], first.as_ref()?),
                main: stats::median(&values)?,
                contestant,
                samples,
                to_peer: None,
                best: false,
                ties_best: false,
                ties_peer: false,
            })
        });
        let mut rows: Vec<Row> = rows.collect();
        for row in &mut rows {
            row.limit &= row.contestant != OURS;
        }
        rows.sort_by(|one, other| one.score().total_cmp(&other.score()));
        let mut table = Self {
            part,
            scenario,
            main,
            floor: floor.into(),
            rows,
            control,
            threshold: 0.0,
            best_peer: None,
            missing,
        };
        table.find_best_peer();
        table
    }

    fn find_best_peer(&mut self) {
        let is_peer = |row: &&Row| row.is_ranked() && !is_ours(&row.contestant);
        let Some(peer) = self.rows.iter().find(is_peer) else {
            return;
        };
        let reference = peer.samples[self.main].clone();
        self.best_peer = Some(peer.contestant.clone());
        for row in &mut self.rows {
            row.to_peer = stats::ratio(&row.samples[self.main], &reference);
        }
    }

    pub fn row(&self, contestant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant)
    }

    fn find_ties(&mut self, controls: &[f64]) {
        self.threshold = stats::tie_threshold(self.control, controls).unwrap_or(0.0);
        let threshold = self.threshold;
        let Some(best) = self.rows.iter().find(|row| row.is_ranked()).map(Row::score) else {
            return;
        };
        for row in self.rows.iter_mut().filter(|row| row.is_ranked()) {
            row.best = row.score() <= best;
            row.ties_best = row.best || stats::is_tie(row.score() / best, threshold);
            row.ties_peer = row.to_peer.is_some_and(|it| stats::is_tie(it, threshold));
        }
    }
}

impl Row {
    /// Returns the figure that ranks: the ratio to the floor where there is one, because it is taken within
    /// each round.
    pub fn score(&self) -> f64 {
        self.to_floor.unwrap_or(self.main)
    }

    /// Returns whether it is a library that validates text.
    pub fn is_ranked(&self) -> bool {
        !self.limit && !self.careless
    }

    pub fn median(&self, measure: &str) -> Option<f64> {
        let rounds = self.samples.get(measure)?;
        stats::median(&rounds.values().copied().collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::Info;

    #[test]
    fn ratios_peers_and_ties() {
        let again = format!("{FLOOR}{AGAIN}");
        let figures = [
            (FLOOR, 100.0, true, false),
            (&again, 105.0, true, false),
            ("careful", 200.0, false, true),
            ("careless", 150.0, false, false),
            ("wsimd", 194.0, false, true),
        ];
        let listings = figures.map(|(name, _, raw, validates_text)| Listing {
            name: name.into(),
            info: Info {
                raw,
                validates_text,
                ..Info::default()
            },
            missing: None,
        });
        let figures = figures.map(|(name, value, ..)| {
            let rounds: Rounds = (0..3).map(|round| (round, value)).collect();
            (name.to_string(), HashMap::from([("cpu_ns", rounds)]))
        });
        let samples = Samples {
            part: "loopback",
            scenario: "20 B".into(),
            figures: figures.into(),
            missing: Vec::new(),
        };
        let summary = Summary::new(String::new(), listings.into(), vec![samples]);
        let table = &summary.tables[0];
        assert_eq!(table.best_peer.as_deref(), Some("careful"));
        let ours = table.row("wsimd").expect("ours");
        assert!((ours.to_floor.expect("a ratio") - 1.94).abs() < 1e-9);
        assert!((ours.to_peer.expect("a ratio") - 0.97).abs() < 1e-9);
        assert!(ours.ties_peer && ours.ties_best && ours.best);
        assert!(!table.row("careless").expect("a row").best);
    }
}
