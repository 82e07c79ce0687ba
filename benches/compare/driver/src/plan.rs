//! The measurements of a run, from plan.txt, and their rounds.

use indexmap::IndexSet;

use crate::{
    Outcome,
    options::{Options, Part},
    programs::PARTS,
    scenario::{Scenario, expand},
};

const PLAN: &str = include_str!("../../plan.txt");

/// The place of a sample.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub part: &'static str,
    pub scenario: &'a str,
    pub contestant: &'a str,
    pub round: u32,
}

/// Everything of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub memory: Vec<Scenario>,
    pub loopback: Vec<Scenario>,
    pub idle: Vec<Scenario>,
    pub instructions: Vec<Scenario>,
    /// The packages of parts that are a program each.
    pub programs: Vec<&'static str>,
    pub rounds: Rounds,
    /// Whether a contestant is measured at a place. The gates leave some out.
    pub takes_part: fn(&Place<'_>) -> bool,
    /// Seconds of one measurement on loopback, and of its warm-up.
    pub seconds: f64,
    pub warm_up: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub memory: u32,
    pub loopback: u32,
    pub idle: u32,
    pub programs: u32,
}

impl Plan {
    pub fn new(options: &Options) -> Outcome<Self> {
        let sets: &[&str] = match options.full {
            true => &["quick", "full"],
            false => &["quick"],
        };
        let mut plan = Self::of(&lines(sets), options)?;
        let rounds = |quick, full| {
            let usual = if options.full { full } else { quick };
            options.rounds.unwrap_or(usual)
        };
        plan.rounds = Rounds {
            memory: rounds(5, 7),
            loopback: rounds(5, 7),
            idle: rounds(2, 5),
            programs: rounds(3, 7),
        };
        if options.full {
            (plan.seconds, plan.warm_up) = (0.8, 0.15);
        }
        Ok(plan)
    }

    /// Creates a plan of parts and names, as far as the options want them.
    pub fn of(lines: &[(String, String)], options: &Options) -> Outcome<Self> {
        let scenarios = |part: Part, word: &str| -> Outcome<Vec<Scenario>> {
            let lines = lines.iter().filter(|(it, _)| it == word);
            let names: IndexSet<&str> = lines.map(|(_, name)| name.as_str()).collect();
            let names = names.into_iter().filter(|it| options.wants_scenario(it));
            let mut scenarios = names.map(Scenario::parse).collect::<Outcome<Vec<_>>>()?;
            let part_of = |it: &Scenario| match it.deflate {
                _ if it.tls => Part::Tls,
                Some(_) => Part::Deflate,
                None => part,
            };
            scenarios.retain(|it| options.wants_part(part_of(it)));
            Ok(scenarios)
        };
        let programs = PARTS
            .into_iter()
            .filter(|(part, _)| options.wants_part(*part));
        let plan = Self {
            memory: scenarios(Part::Memory, "memory")?,
            loopback: scenarios(Part::Loopback, "loopback")?,
            idle: scenarios(Part::Idle, "idle")?,
            instructions: scenarios(Part::Instructions, "instructions")?,
            programs: programs.map(|(_, package)| package).collect(),
            rounds: Rounds {
                memory: 5,
                loopback: 9,
                idle: 2,
                programs: 3,
            },
            takes_part: |_| true,
            seconds: 0.25,
            warm_up: 0.05,
        };
        let parts = [&plan.memory, &plan.loopback, &plan.idle, &plan.instructions];
        if plan.programs.is_empty() && parts.iter().all(|part| part.is_empty()) {
            return Err("no scenario has these words (--part, --scenario)".into());
        }
        Ok(plan)
    }
}

/// Returns part and name of the scenarios of some sets.
fn lines(sets: &[&str]) -> Vec<(String, String)> {
    let lines = PLAN.lines().flat_map(expand);
    let words = lines.filter_map(|line| {
        let (set, rest) = line.split_once(' ')?;
        let (part, name) = rest.split_once(' ')?;
        sets.contains(&set).then(|| (part.into(), name.into()))
    });
    words.collect()
}

/// Returns the scenarios of the baseline of instructions.
pub fn guarded(options: &Options) -> Outcome<Vec<Scenario>> {
    Ok(Plan::of(&lines(&["guard"]), options)?.instructions)
}
