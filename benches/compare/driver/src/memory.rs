//! The part in memory: each contestant measures itself in a process of its own.

use std::process::{Command, Stdio};

use contestant::Measured;

use crate::{
    Outcome, Values,
    contestants::Contestant,
    scenario::Scenario,
    server::{pin_apart, prepare, unpin},
    session::Session,
};

/// Nanoseconds that a run should take.
const WANTED_TIME: f64 = 40e6;
const FEWEST: u64 = 32;
const MOST: u64 = 2_000_000;

pub fn run(session: &mut Session) {
    let scenarios = session.plan.memory.clone();
    let rounds = session.plan.rounds.memory;
    let core = pin_apart();
    session.rounds(
        ("memory", rounds),
        &scenarios,
        Contestant::in_memory,
        |_, contestant, scenario, known| {
            let messages = match *known {
                Some(messages) => messages,
                None => calibrate(contestant, scenario, core)?,
            };
            *known = Some(messages);
            ask(contestant, &scenario.argument(messages), core)
        },
    );
    unpin();
}

/// Runs one scenario.
pub fn ask(contestant: &Contestant, argument: &str, core: Option<usize>) -> Outcome<Values> {
    let mut command = Command::new(&contestant.path);
    command.args(["memory", argument]).stdin(Stdio::null());
    prepare(&mut command, core);
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.is_empty());
    let line: Measured = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("printed no result: {}", last.unwrap_or_default()))?;
    let each = |count: u64| count as f64 / line.messages as f64;
    let mut values = vec![
        ("ns", each(line.ns)),
        ("allocations", each(line.allocs)),
        ("allocated_bytes", each(line.alloc_bytes)),
    ];
    values.extend(line.bytes.map(|bytes| ("bytes", bytes)));
    Ok(values)
}

/// Returns the number of messages that takes this contestant long enough, from a short run.
fn calibrate(contestant: &Contestant, scenario: &Scenario, core: Option<usize>) -> Outcome<u64> {
    let size = match scenario.deflate {
        Some(_) => 100_000,
        None => scenario.size as u64,
    };
    let guess = (4_000_000 / (size + 100)).max(FEWEST);
    let ns = ask(contestant, &scenario.argument(guess), core)?[0].1;
    Ok(((WANTED_TIME / ns.max(0.1)) as u64).clamp(FEWEST, MOST))
}
