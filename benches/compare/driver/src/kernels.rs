//! The part of byte kernels: runs `kernels` several times and collects its lines.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{
    Outcome,
    contestants::build_tool,
    plan::KERNELS_STEP,
    scenario::bytes,
    server,
    session::{Place, Session},
};

const PART: &str = "kernels";

/// One line of `kernels`.
#[derive(Debug, Deserialize)]
struct Line {
    kernel: String,
    #[serde(rename = "impl")]
    name: String,
    #[serde(default)]
    backend: String,
    size: usize,
    content: String,
    ns: f64,
    bytes: f64,
}

pub fn run(session: &mut Session) -> Outcome<()> {
    if !session.plan.kernels {
        return Ok(());
    }
    let place = Place {
        part: PART,
        scenario: "all",
        contestant: "kernels",
        round: 0,
    };
    let path = match build_tool(&session.workspace, "kernels") {
        Ok(path) => path,
        Err(reason) => return session.measure(&place, |_| Err(reason)),
    };
    for round in 0..session.plan.rounds.kernels {
        session
            .progress
            .step(&format!("kernels, round {}", round + 1), KERNELS_STEP);
        let lines = match lines(&path, session.plan.full) {
            Ok(lines) => lines,
            Err(reason) => return session.measure(&place, |_| Err(reason)),
        };
        for line in lines {
            let scenario = format!("{} {} {}", line.kernel, size(line.size), line.content);
            let place = Place {
                part: PART,
                scenario: &scenario,
                contestant: &contestant(&line),
                round,
            };
            session.measure(&place, |_| Ok(values(&line)))?;
        }
    }
    Ok(())
}

/// The name of an implementation; a backend is mentioned unless it is the only word for it.
fn contestant(line: &Line) -> String {
    if line.backend.is_empty() || line.backend == line.name {
        line.name.clone()
    } else {
        format!("{} ({})", line.name, line.backend)
    }
}

/// Frames of random length have none to be named.
fn size(size: usize) -> String {
    if size == 0 {
        "mixed".into()
    } else {
        bytes(size)
    }
}

fn values(line: &Line) -> BTreeMap<String, f64> {
    let values = [("ns", line.ns), ("gb_per_s", line.bytes / line.ns)];
    values.map(|(name, value)| (name.to_string(), value)).into()
}

fn lines(path: &Path, full: bool) -> Outcome<Vec<Line>> {
    let mut command = Command::new(path);
    if !full {
        command.arg("--quick");
    }
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    server::prepare(&mut command, (crate::machine::cores() >= 2).then_some(1));
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("`kernels` failed ({})", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
        .collect()
}
