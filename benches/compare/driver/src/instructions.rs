//! Instructions per message, from callgrind: a run of N messages and one of 2N, subtracted. Nothing else
//! repeats as exactly, so a recorded baseline can guard it. Callgrind knows AVX2, not AVX-512.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    contestants::{Contestant, Field},
    dispatch, machine,
    plan::{INSTRUCTIONS_STEP, MemoryScenario},
    session::{Place, Session},
    tools,
};

const PART: &str = "instructions";
/// Growth beyond this fails the guard.
const TOLERANCE: f64 = 0.05;
/// Further runs where the first ones differ.
const REPETITIONS: usize = 6;

type Count = (MemoryScenario, Contestant, Outcome<f64>);

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.instructions.clone();
    if scenarios.is_empty() {
        return Ok(());
    }
    let fits = |contestant: &Contestant| contestant.in_memory;
    let contestants = session.rotated(0, fits);
    let progress = Mutex::new(&mut session.progress);
    let counts = count_all(&scenarios, &contestants, |scenario, contestant| {
        let what = format!("instructions: {}: {}", scenario.name(), contestant.name);
        if let Ok(mut progress) = progress.lock() {
            progress.step(&what, INSTRUCTIONS_STEP);
        }
    });
    for (scenario, contestant, count) in counts {
        let scenario = scenario.name();
        let place = Place {
            part: PART,
            scenario: &scenario,
            contestant: &contestant.name,
            round: 0,
        };
        session.measure(
            &place,
            |_| Ok([("instructions".to_string(), count?)].into()),
        )?;
    }
    Ok(())
}

/// Counts on all cores at once: others at work do not change the number.
fn count_all(
    scenarios: &[MemoryScenario],
    contestants: &[Contestant],
    announce: impl Fn(&MemoryScenario, &Contestant) + Sync,
) -> Vec<Count> {
    let jobs: Vec<_> = scenarios
        .iter()
        .flat_map(|scenario| {
            contestants
                .iter()
                .map(move |contestant| (scenario, contestant))
        })
        .collect();
    let has_valgrind = tools::ensure("valgrind", "valgrind");
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Vec::new());
    let work = || {
        while let Some((scenario, contestant)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            announce(scenario, contestant);
            let count = if has_valgrind {
                per_message(contestant, scenario)
            } else {
                Err("valgrind is missing and cannot be installed".into())
            };
            let count = ((*scenario).clone(), (*contestant).clone(), count);
            counts
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
                .push(count);
        }
    };
    thread::scope(|scope| {
        for _ in 0..machine::cores() {
            scope.spawn(work);
        }
    });
    counts.into_inner().unwrap_or_default()
}

fn per_message(contestant: &Contestant, scenario: &MemoryScenario) -> Outcome<f64> {
    each(messages(scenario.size), |messages| {
        collect(contestant, &scenario.argument(messages))
    })
}

/// The difference of a run of `count` and one of twice as many, for each.
///
/// Most programs repeat to the instruction. Where two equal runs differ (random state at the start),
/// the least of several is taken on both sides: chance only adds.
pub fn each(count: u64, run: impl Fn(u64) -> Outcome<f64>) -> Outcome<f64> {
    let (mut once, again, mut twice) = (run(count)?, run(count)?, run(2 * count)?);
    let repeats = (once - again).abs() <= 0.005 * (twice - once).abs();
    once = once.min(again);
    for _ in 0..if repeats { 0 } else { REPETITIONS } {
        once = once.min(run(count)?);
        twice = twice.min(run(2 * count)?);
    }
    let each = (twice - once) / count as f64;
    if each > 0.0 {
        Ok(each)
    } else {
        Err("does not repeat from run to run".into())
    }
}

/// Whole pools of the contestants (1 MiB, 4 to 4,096 messages), so that both runs see the same ones;
/// several where messages are small.
fn messages(size: usize) -> u64 {
    let pool = ((1 << 20) / size.max(1)).clamp(4, 4096) as u64;
    if size <= 1 << 10 { 8 * pool } else { pool }
}

/// All instructions of a run of a contestant.
fn collect(contestant: &Contestant, argument: &str) -> Outcome<f64> {
    let (stdout, count) = callgrind(&[], &contestant.path, &["instructions", argument])?;
    match stdout.split_once("\"unsupported\":") {
        Some((_, reason)) => Err(format!(
            "unsupported: {}",
            reason.trim().trim_matches(['"', '}'])
        )),
        None => Ok(count),
    }
}

/// What a program prints under callgrind, and the instructions that were counted.
pub fn callgrind(options: &[String], program: &Path, arguments: &[&str]) -> Outcome<(String, f64)> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(options)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = stderr
            .lines()
            .rfind(|line| !line.starts_with("=="))
            .unwrap_or_default();
        return Err(format!(
            "failed under callgrind ({}): {last}",
            output.status
        ));
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = collected(&stderr).ok_or("callgrind printed no count")?;
    Ok((stdout, count))
}

/// The number in callgrind's line `==PID== Collected : N`.
fn collected(stderr: &str) -> Option<f64> {
    let (_, rest) = stderr.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// Instructions per message of our own contestants, as recorded.
#[derive(Debug, Deserialize, Serialize)]
struct Baseline {
    rust: String,
    date: String,
    commit: String,
    /// Contestant and scenario, to instructions per message.
    counts: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Compares ours with a recorded baseline, or records it. Says whether nothing grew.
pub fn guard(
    workspace: &Path,
    path: &Path,
    scenarios: &[MemoryScenario],
    record: bool,
) -> Outcome<bool> {
    let ours = |name: &str| name == "wsimd" || name.starts_with("wsimd-");
    let field = Field::build(workspace, ours)?;
    let mut contestants = field.contestants.clone();
    contestants.retain(|contestant| ours(&contestant.name));
    if contestants.is_empty() {
        return Err("no contestant of this crate builds".into());
    }
    let counts = count_all(scenarios, &contestants, |scenario, contestant| {
        eprintln!("{}: {}", contestant.name, scenario.name());
    });
    let mut now = BTreeMap::<String, BTreeMap<String, f64>>::new();
    for (scenario, contestant, count) in counts {
        match count {
            Ok(count) => drop(
                now.entry(contestant.name)
                    .or_default()
                    .insert(scenario.name(), count),
            ),
            Err(reason) if reason.starts_with("unsupported") => {}
            Err(reason) => return Err(format!("{}: {reason}", contestant.name)),
        }
    }
    eprintln!("kernels");
    let kernels = dispatch::count()?;
    let within_limit = dispatch::is_within_limit(&kernels);
    now.insert("kernels".into(), kernels);
    if record {
        write(workspace, path, now)?;
        return Ok(within_limit);
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let baseline: Baseline = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    Ok(compare(&baseline, &now) && within_limit)
}

fn write(
    workspace: &Path,
    path: &Path,
    counts: BTreeMap<String, BTreeMap<String, f64>>,
) -> Outcome<()> {
    let machine = machine::describe(workspace);
    let baseline = Baseline {
        rust: machine.rust,
        date: machine.date,
        commit: machine.commit,
        counts,
    };
    let text = serde_json::to_string_pretty(&baseline).map_err(|error| error.to_string())?;
    fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    println!("recorded {}", path.display());
    Ok(())
}

/// Prints every count beside its baseline; says whether none grew beyond the tolerance.
fn compare(baseline: &Baseline, now: &BTreeMap<String, BTreeMap<String, f64>>) -> bool {
    let mut fine = true;
    for (contestant, recorded) in &baseline.counts {
        for (scenario, before) in recorded {
            let count = now.get(contestant).and_then(|counts| counts.get(scenario));
            let verdict = verdict(*before, count.copied());
            fine &= !verdict.starts_with("FAIL");
            println!("{contestant}: {scenario}: {before:.1} recorded, {verdict}");
        }
    }
    fine
}

fn verdict(before: f64, now: Option<f64>) -> String {
    let Some(now) = now else {
        return "FAIL: not measured now".into();
    };
    let change = now / before - 1.0;
    let words = match change {
        change if change > TOLERANCE => "FAIL: grew",
        change if change < -TOLERANCE => "shrank: record the baseline anew",
        _ => "as recorded",
    };
    format!("{words}: {now:.1} now ({:+.1} %)", change * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callgrind_prints() {
        let text = "==7== Events    : Ir\n==7== Collected : 1234567\n==7==\n";
        assert_eq!(collected(text), Some(1_234_567.0));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn the_guard_allows_five_percent() {
        assert!(verdict(100.0, Some(104.9)).starts_with("as recorded"));
        assert!(verdict(100.0, Some(105.1)).starts_with("FAIL"));
        assert!(verdict(100.0, Some(90.0)).starts_with("shrank"));
        assert!(verdict(100.0, None).starts_with("FAIL"));
    }
}
