//! From samples to tables: medians, ratios to the floor and to the best peer, ties.

use std::collections::HashMap;

use indexmap::IndexMap;

use crate::{
    contestants::{AGAIN, FLOOR, Field, OURS, is_ours},
    programs,
    session::{Results, Samples},
    stats::{self, Rounds},
};

/// Everything of a run, in the order in which it was measured.
#[derive(Debug)]
pub struct Summary {
    /// Machine, versions, commit and date.
    pub label: String,
    pub field: Field,
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
    /// The score of the best library.
    best: Option<f64>,
    pub missing: IndexMap<String, String>,
}

/// One contestant in one scenario.
#[derive(Debug)]
pub struct Row {
    pub contestant: String,
    /// Whether it is a library that validates text and returns owned messages.
    pub is_ranked: bool,
    pub samples: HashMap<&'static str, Rounds>,
    pub main: f64,
    pub to_floor: Option<f64>,
    pub to_peer: Option<f64>,
}

impl Summary {
    pub fn new(label: String, field: Field, results: Results) -> Self {
        let tables = results
            .into_iter()
            .map(|(place, samples)| Table::new(place, samples, &field));
        let mut tables: Vec<Table> = tables.collect();
        for index in 0..tables.len() {
            let part = tables[index].part;
            let controls = tables.iter().filter(|it| it.part == part);
            let controls: Vec<f64> = controls.filter_map(|it| it.control).collect();
            let threshold = stats::tie_threshold(tables[index].control, &controls);
            tables[index].threshold = threshold.unwrap_or(0.0);
        }
        Self {
            label,
            field,
            tables,
        }
    }

    pub fn table(&self, part: &str, scenario: &str) -> Option<&Table> {
        let mut tables = self.tables.iter();
        tables.find(|it| it.part == part && it.scenario == scenario)
    }
}

impl Table {
    fn new(
        (part, scenario): (&'static str, String),
        Samples { figures, missing }: Samples,
        field: &Field,
    ) -> Self {
        let main = match part {
            "loopback" => "cpu_ns",
            "idle" => "rss",
            "instructions" => "instructions",
            _ => "ns",
        };
        let rounds = |name: &str| figures.get(name)?.get(main).cloned();
        // Plain TCP does not compress, so that ours is the reference there. JSON has no floor, but a usual way.
        let floor = match part {
            programs::KERNELS => "memcpy",
            programs::JSON => "tokio-tungstenite + serde_json",
            _ if rounds(FLOOR).is_some() => FLOOR,
            _ => OURS,
        };
        let (first, second) = (rounds(floor), rounds(&format!("{floor}{AGAIN}")));
        let control = first.as_ref().zip(second);
        let control = control.and_then(|(first, second)| stats::control_spread(first, &second));
        let rows = figures.into_iter().filter_map(|(contestant, samples)| {
            let info = field.find(&contestant).map(|it| &it.info);
            let raw = info.is_some_and(|it| it.raw);
            let limit = raw || contestant.ends_with(AGAIN) || contestant.starts_with("memcpy");
            let other_work = info.is_some_and(|it| it.lends || !it.raw && !it.validates_text);
            Some(Row {
                is_ranked: !limit && !other_work,
                to_floor: stats::ratio(&samples[main], first.as_ref()?),
                main: stats::median_of(samples.get(main)?)?,
                contestant,
                samples,
                to_peer: None,
            })
        });
        let mut rows: Vec<Row> = rows.collect();
        rows.sort_by(|one, other| one.score().total_cmp(&other.score()));
        let mut ranked = rows.iter().filter(|row| row.is_ranked);
        let best = ranked.clone().next().map(Row::score);
        let peer = ranked.find(|row| !is_ours(&row.contestant));
        let peer = peer.map(|row| (row.contestant.clone(), row.samples[main].clone()));
        for row in &mut rows {
            let reference = peer.as_ref().map(|(_, rounds)| rounds);
            row.to_peer = reference.and_then(|it| stats::ratio(&row.samples[main], it));
        }
        Self {
            part,
            scenario,
            main,
            floor: floor.into(),
            rows,
            control,
            threshold: 0.0,
            best_peer: peer.map(|(name, _)| name),
            best,
            missing,
        }
    }

    /// Returns whether a row is the best of all libraries here.
    pub fn is_best(&self, row: &Row) -> bool {
        row.is_ranked && self.best.is_some_and(|best| row.score() <= best)
    }

    pub fn ties_best(&self, row: &Row) -> bool {
        let ratio = self.best.map(|best| row.score() / best);
        row.is_ranked && ratio.is_some_and(|it| stats::is_tie(it, self.threshold))
    }

    pub fn ties_peer(&self, row: &Row) -> bool {
        row.is_ranked
            && row
                .to_peer
                .is_some_and(|it| stats::is_tie(it, self.threshold))
    }

    pub fn row(&self, contestant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contestant == contestant)
    }
}

impl Row {
    /// Returns the figure that ranks: the ratio to the floor where there is one, because it is taken within
    /// each round.
    pub fn score(&self) -> f64 {
        self.to_floor.unwrap_or(self.main)
    }

    pub fn median(&self, measure: &str) -> Option<f64> {
        stats::median_of(self.samples.get(measure)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contestants::{Contestant, Info};

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
        let contestants = figures.map(|(name, _, raw, validates_text)| Contestant {
            name: name.into(),
            info: Info {
                raw,
                validates_text,
                ..Info::default()
            },
            ..Contestant::default()
        });
        let field = Field {
            contestants: contestants.into(),
            ..Field::default()
        };
        let figures = figures.map(|(name, value, ..)| {
            let rounds: Rounds = (0..3).map(|round| (round, value)).collect();
            (name.to_string(), HashMap::from([("cpu_ns", rounds)]))
        });
        let samples = Samples {
            figures: figures.into(),
            ..Samples::default()
        };
        let results = [(("loopback", "20 B".into()), samples)].into();
        let summary = Summary::new(String::new(), field, results);
        let table = &summary.tables[0];
        assert_eq!(table.best_peer.as_deref(), Some("careful"));
        let ours = table.row("wsimd").expect("ours");
        assert!((ours.to_floor.expect("a ratio") - 1.94).abs() < 1e-9);
        assert!((ours.to_peer.expect("a ratio") - 0.97).abs() < 1e-9);
        assert!(table.ties_peer(ours) && table.ties_best(ours) && table.is_best(ours));
        assert!(!table.is_best(table.row("careless").expect("a row")));
    }
}
