//! The part in memory: each contestant measures itself; here its runs are interleaved and collected.

use std::{
    collections::{BTreeMap, HashMap},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    Outcome,
    contestants::Contestant,
    machine,
    plan::MEMORY_STEP,
    scenario::MemoryScenario,
    server,
    session::{Place, Session, pin_apart, unpin},
};

const PART: &str = "memory";
/// Nanoseconds that a run should take.
const WANTED_TIME: f64 = 40e6;
const FEWEST: u64 = 32;
const MOST: u64 = 2_000_000;

/// One line of a contestant's `memory`.
#[derive(Debug, Deserialize)]
pub struct Line {
    #[serde(default)]
    pub messages: u64,
    #[serde(default)]
    pub ns: u64,
    #[serde(default)]
    pub allocs: u64,
    #[serde(default)]
    pub alloc_bytes: u64,
    pub unsupported: Option<String>,
    pub error: Option<String>,
}

/// How many messages a contestant is measured with, once known.
type Calibrated = HashMap<(usize, String), u64>;

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.memory.clone();
    if scenarios.is_empty() {
        return Ok(());
    }
    let cores = machine::cores();
    let core = pin_apart();
    let mut calibrated = Calibrated::new();
    for round in 0..session.plan.rounds.memory {
        for (index, scenario) in scenarios.iter().enumerate() {
            let turn = round as usize + index;
            for contestant in session.rotated(turn, |contestant| contestant.in_memory) {
                let name = scenario.name();
                let place = Place {
                    part: PART,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                if !(session.plan.takes_part)(&place) {
                    continue;
                }
                let what = format!("memory, round {}: {name}: {}", round + 1, contestant.name);
                session.progress.step(&what, MEMORY_STEP);
                let key = (index, contestant.name.clone());
                let known = calibrated.get(&key).copied();
                session.measure(&place, |_| {
                    let messages =
                        known.map_or_else(|| calibrate(&contestant, scenario, core), Ok)?;
                    calibrated.insert(key, messages);
                    let line = ask(&contestant, &scenario.argument(messages), core)?;
                    Ok(values(&line, scenario.size))
                })?;
            }
        }
    }
    unpin(cores);
    Ok(())
}

/// Runs one scenario in a process of its own.
pub fn ask(contestant: &Contestant, argument: &str, core: Option<usize>) -> Outcome<Line> {
    let mut command = Command::new(&contestant.path);
    command.args(["memory", argument]).stdin(Stdio::null());
    server::prepare(&mut command, core);
    let output = command
        .output()
        .map_err(|error| format!("does not start: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr
        .lines()
        .rfind(|line| !line.is_empty())
        .unwrap_or_default();
    let line: Line = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("printed no result ({}): {last}", output.status))?;
    match (&line.unsupported, &line.error) {
        (Some(reason), _) => Err(format!("unsupported: {reason}")),
        (None, Some(error)) => Err(error.clone()),
        (None, None) if line.messages == 0 => Err("measured nothing".into()),
        (None, None) => Ok(line),
    }
}

fn values(line: &Line, size: usize) -> BTreeMap<String, f64> {
    let messages = line.messages as f64;
    let ns = line.ns as f64 / messages;
    let values = [
        ("messages", messages),
        ("ns", ns),
        ("gb_per_s", size as f64 / ns),
        ("allocs", line.allocs as f64 / messages),
        ("alloc_bytes", line.alloc_bytes as f64 / messages),
    ];
    values.map(|(name, value)| (name.to_string(), value)).into()
}

/// How many messages take this contestant long enough, from a short run.
fn calibrate(
    contestant: &Contestant,
    scenario: &MemoryScenario,
    core: Option<usize>,
) -> Outcome<u64> {
    let guess = (4_000_000 / (scenario.size as u64 + 100)).max(FEWEST);
    let line = ask(contestant, &scenario.argument(guess), core)?;
    let each = (line.ns as f64 / line.messages as f64).max(0.1);
    Ok(((WANTED_TIME / each) as u64).clamp(FEWEST, MOST))
}
