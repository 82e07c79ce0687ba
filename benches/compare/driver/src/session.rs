//! What all parts of a run share: who takes part, the plan, the log of results, the progress display.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use contestant::deflate::Settings;

use crate::{
    Outcome,
    contestants::{Contestant, Field},
    machine,
    plan::Plan,
    progress::Progress,
    records::{Log, Missing, Record, Sample},
    server,
    syscalls::Method,
};

#[derive(Debug)]
pub struct Session {
    pub workspace: PathBuf,
    pub field: Field,
    pub plan: Plan,
    pub log: Log,
    pub progress: Progress,
    pub syscalls: Method,
    /// Part, scenario and contestant of what failed: it is not tried again.
    failed: BTreeSet<(String, String, String)>,
}

impl Session {
    pub fn new(workspace: PathBuf, field: Field, plan: Plan, log: Log, seconds: f64) -> Self {
        Self {
            workspace,
            field,
            plan,
            log,
            progress: Progress::new(seconds),
            syscalls: Method::find(),
            failed: BTreeSet::new(),
        }
    }

    /// The contestants for which `fits` holds, beginning with another one in every turn.
    pub fn rotated(&self, turn: usize, fits: impl Fn(&Contestant) -> bool) -> Vec<Contestant> {
        rotated(&self.field.contestants, turn, fits)
    }

    /// The same of those who can compress like that.
    pub fn rotated_deflate(
        &self,
        turn: usize,
        settings: &Settings,
        fits: impl Fn(&Contestant) -> bool,
    ) -> Vec<Contestant> {
        rotated(&self.field.deflate, turn, |contestant| {
            (contestant.takeover || !settings.takeover) && fits(contestant)
        })
    }

    /// Runs one measurement and logs its values, or why there are none.
    pub fn measure(
        &mut self,
        place: &Place<'_>,
        measurement: impl FnOnce(&mut Self) -> Outcome<BTreeMap<String, f64>>,
    ) -> Outcome<()> {
        let [part, scenario, contestant] =
            [place.part, place.scenario, place.contestant].map(str::to_string);
        let key = (part, scenario, contestant);
        if self.failed.contains(&key) {
            return Ok(());
        }
        let result = measurement(self);
        let (part, scenario, contestant) = key.clone();
        match result {
            Ok(values) => self.log.add(Record::Sample(Sample {
                part,
                scenario,
                contestant,
                round: place.round,
                values,
            })),
            Err(reason) => {
                self.failed.insert(key);
                self.progress
                    .say(&format!("{part}: {scenario}: {contestant}: {reason}"));
                self.log.missing(Missing {
                    part,
                    scenario,
                    contestant,
                    reason,
                })
            }
        }
    }
}

fn rotated(all: &[Contestant], turn: usize, fits: impl Fn(&Contestant) -> bool) -> Vec<Contestant> {
    let all = all.iter();
    let mut order: Vec<Contestant> = all.filter(|contestant| fits(contestant)).cloned().collect();
    if !order.is_empty() {
        // Five is prime to most counts: neighbours of a turn start far apart.
        let start = turn * 5 % order.len();
        order.rotate_left(start);
    }
    order
}

/// Where a sample belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub part: &'a str,
    pub scenario: &'a str,
    pub contestant: &'a str,
    pub round: u32,
}

/// The core of the program under test, and the one of this process: pinned only where there are two.
pub fn pin_apart() -> Option<usize> {
    let apart = machine::cores() >= 2 && server::pin(&[0]).is_ok();
    apart.then_some(1)
}

/// Lets this process run on any core again.
pub fn unpin(cores: usize) {
    let all: Vec<usize> = (0..cores).collect();
    let _ = server::pin(&all);
}
