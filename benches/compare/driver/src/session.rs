//! The state that all parts of a run share, and their one loop: interleaved rounds in rotated order.

use std::{
    collections::HashMap,
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use indexmap::IndexMap;

use crate::{
    Outcome, Values,
    contestants::{Contestant, Field},
    plan::{Place, Plan},
    scenario::Scenario,
    stats::Rounds,
    syscalls::Tracepoint,
};

/// The pause between two lines of progress.
const PAUSE: Duration = Duration::from_secs(15);

/// The figures of one scenario: contestant, then measure, then round.
#[derive(Debug, Default)]
pub struct Samples {
    pub figures: IndexMap<String, HashMap<&'static str, Rounds>>,
    /// Contestants without a figure, with the reason.
    pub missing: IndexMap<String, String>,
}

/// Part and scenario, to the figures, in the order in which they were measured.
pub type Results = IndexMap<(&'static str, String), Samples>;

#[derive(Debug)]
pub struct Session {
    pub workspace: PathBuf,
    pub field: Field,
    pub plan: Plan,
    pub tracepoint: Option<Tracepoint>,
    pub results: Results,
    raw: File,
    last_line: Option<Instant>,
}

impl Session {
    pub fn new(workspace: &Path, field: Field, plan: Plan, folder: &Path) -> Outcome<Self> {
        let raw = File::create(folder.join("raw.csv"))?;
        Ok(Self {
            workspace: workspace.into(),
            field,
            plan,
            tracepoint: Tracepoint::find(),
            results: Results::new(),
            raw,
            last_line: None,
        })
    }

    /// Measures all scenarios of a part with all contestants that fit, round after round. `measure` gets a
    /// slot that keeps the number of messages of a contestant from round to round.
    pub fn rounds(
        &mut self,
        (part, rounds): (&'static str, u32),
        scenarios: &[Scenario],
        fits: impl Fn(&Contestant, &Scenario) -> bool,
        mut measure: impl FnMut(&Self, &Contestant, &Scenario, &mut Option<u64>) -> Outcome<Values>,
    ) {
        let mut calibrated: HashMap<(usize, String), Option<u64>> = HashMap::new();
        for round in 0..rounds {
            for (index, scenario) in scenarios.iter().enumerate() {
                let all = self.field.contestants.iter();
                let mut order: Vec<Contestant> =
                    all.filter(|it| fits(it, scenario)).cloned().collect();
                // Five is prime to most counts, so that neighbours of a turn start far apart.
                let turn = (round as usize + index) * 5;
                let start = turn.checked_rem(order.len()).unwrap_or(0);
                order.rotate_left(start);
                for contestant in &order {
                    let place = Place {
                        part,
                        scenario: &scenario.name,
                        contestant: &contestant.name,
                        round,
                    };
                    if !(self.plan.takes_part)(&place) || self.has_failed(&place) {
                        continue;
                    }
                    self.progress(&place);
                    let known = calibrated
                        .entry((index, contestant.name.clone()))
                        .or_default();
                    let values = measure(self, contestant, scenario, known);
                    self.add(&place, values);
                }
            }
        }
    }

    /// Stores the figures of one measurement, or the reason why there are none.
    pub fn add(&mut self, place: &Place<'_>, values: Outcome<Values>) {
        let Place {
            part,
            scenario,
            contestant,
            round,
        } = *place;
        let samples = self.results.entry((part, scenario.into())).or_default();
        match values {
            Err(reason) => {
                eprintln!("{part}: {scenario}: {contestant}: {reason}");
                samples
                    .missing
                    .insert(contestant.into(), reason.to_string());
            }
            Ok(values) => {
                let figures = samples.figures.entry(contestant.into()).or_default();
                for (measure, value) in values {
                    let line = format!("{part},{scenario},{contestant},{round},{measure},{value}");
                    let _ = writeln!(self.raw, "{line}");
                    figures.entry(measure).or_default().insert(round, value);
                }
            }
        }
    }

    /// Returns whether the contestant has failed before. It is not tried again.
    fn has_failed(&self, place: &Place<'_>) -> bool {
        let samples = self.results.get(&(place.part, place.scenario.into()));
        samples.is_some_and(|it| it.missing.contains_key(place.contestant))
    }

    fn progress(&mut self, place: &Place<'_>) {
        if self.last_line.is_none_or(|last| last.elapsed() > PAUSE) {
            self.last_line = Some(Instant::now());
            let (part, round) = (place.part, place.round + 1);
            eprintln!(
                "{part}, round {round}: {}: {}",
                place.scenario, place.contestant
            );
        }
    }
}
