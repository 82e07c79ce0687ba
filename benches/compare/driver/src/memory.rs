//! The part in memory: each contestant measures itself in a process of its own. With compression the sizes
//! of Python's `websockets` are measured as well.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use contestant::{check::Checker, corpus};
use serde::Deserialize;

use crate::{
    Outcome, Values,
    contestants::Contestant,
    scenario::Scenario,
    server::{pin_apart, prepare, unpin},
    session::{Place, Session},
};

const PART: &str = "memory";
/// Nanoseconds that a run should take.
const WANTED_TIME: f64 = 40e6;
const FEWEST: u64 = 32;
const MOST: u64 = 2_000_000;

const PYTHON: &str = "python-websockets";
const SCRIPT: &str = include_str!("websockets.py");

/// The line that a contestant prints.
#[derive(Debug, Deserialize)]
struct Line {
    messages: u64,
    ns: u64,
    allocs: u64,
    alloc_bytes: u64,
    /// Bytes of an encoded message.
    bytes: Option<f64>,
}

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.memory.clone();
    let rounds = session.plan.rounds.memory;
    let core = pin_apart();
    session.rounds(
        (PART, rounds),
        &scenarios,
        |it, scenario| it.in_memory(scenario.deflate.as_ref()),
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
    python_sizes(session, &scenarios);
    Ok(())
}

/// Runs one scenario.
pub fn ask(contestant: &Contestant, argument: &str, core: Option<usize>) -> Outcome<Values> {
    let mut command = Command::new(&contestant.path);
    command.args(["memory", argument]).stdin(Stdio::null());
    prepare(&mut command, core);
    let output = command.output();
    let output = output.map_err(|error| format!("does not start: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.is_empty());
    let line: Line = serde_json::from_slice(&output.stdout)
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

/// Measures the sizes of Python's `websockets`, once for each scenario that compresses.
fn python_sizes(session: &mut Session, scenarios: &[Scenario]) {
    let compress = |it: &&Scenario| it.deflate.is_some() && it.op == "encode";
    let mut scenarios = scenarios.iter().filter(compress).peekable();
    if scenarios.peek().is_none() {
        return;
    }
    let python = find_python(&session.workspace);
    for scenario in scenarios {
        let place = Place {
            part: PART,
            scenario: &scenario.name,
            contestant: PYTHON,
            round: 0,
        };
        if (session.plan.takes_part)(&place) {
            let size = python.as_ref().map_err(String::clone);
            let size = size.and_then(|python| python_size(python, scenario));
            session.add(&place, size.map(|size| vec![("bytes", size)]));
        }
    }
}

/// Finds the interpreter that the tests against other libraries install.
fn find_python(workspace: &Path) -> Outcome<PathBuf> {
    let setup = workspace.join("../../ci/peers/setup.sh");
    let output = Command::new(setup)
        .env_remove("CARGO_MANIFEST_DIR")
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("ci/peers/setup.sh: {error}"))?;
    let home = String::from_utf8_lossy(&output.stdout);
    let home = home.lines().last().unwrap_or_default().trim();
    let python = Path::new(home).join("python/bin/python");
    let given = env::var_os("PYTHON").map(PathBuf::from);
    let mut found = given.into_iter().chain([python]).filter(|it| it.is_file());
    found.next().ok_or("no Python with websockets".into())
}

/// Returns the bytes of a message as Python's `websockets` compresses it, after a check of every byte.
fn python_size(python: &Path, scenario: &Scenario) -> Outcome<f64> {
    let failed = |error: std::io::Error| format!("{PYTHON}: {error}");
    let settings = scenario.deflate.as_ref().ok_or("no compression")?;
    let messages = corpus::messages(scenario.content, scenario.size, corpus::POOL_BYTES);
    let text = scenario.content.is_text();
    let mut child = Command::new(python)
        .args(["-c", SCRIPT, &settings.level.to_string()])
        .args([settings.takeover, text].map(|flag| u8::from(flag).to_string()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let mut stdin = child.stdin.take().ok_or("no stdin")?;
    for message in &messages {
        let length = (message.len() as u32).to_le_bytes();
        stdin.write_all(&length).map_err(failed)?;
        stdin.write_all(message).map_err(failed)?;
    }
    drop(stdin);
    let output = child.wait_with_output().map_err(failed)?;
    let mut checker = Checker::new(Some(settings), 0);
    checker.take(&output.stdout, &messages, text)?;
    if checker.done != messages.len() as u64 {
        return Err(format!("{PYTHON} wrote {} messages", checker.done));
    }
    Ok(checker.payload as f64 / checker.done as f64)
}
