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
    contestants::{Contestant, Field, GUARD},
    dispatch, echo, machine,
    options::Options,
    plan,
    scenario::{Counted, MemoryScenario},
    session::{Place, Session},
    stats, tools,
};

const PART: &str = "instructions";
/// Arguments of valgrind: count, and write no file.
pub const CALLGRIND: [&str; 2] = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
/// Growth beyond this fails the guard.
const TOLERANCE: f64 = 0.05;

/// What is done about runs that do not repeat.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// How far two equal runs may differ, as a share of what the work takes.
    pub tolerance: f64,
    /// Further runs where they differ more.
    pub further: usize,
    /// Which of all the counts holds.
    pub holds: fn(&[f64]) -> Option<f64>,
}

/// Where nothing but the work takes part, chance (random state at the start) only adds.
pub const ALONE: Repeats = Repeats {
    tolerance: 0.005,
    further: 6,
    holds: |counts| stats::quantile(counts, 0.0),
};

type Job<'a> = (&'a Counted, &'a Contestant);
type Count = (Counted, Contestant, Outcome<f64>);

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.instructions.clone();
    if scenarios.is_empty() {
        return Ok(());
    }
    let mut jobs = jobs(&scenarios, &session.field.contestants);
    jobs.retain(|(scenario, contestant)| {
        let scenario = scenario.name();
        let place = Place {
            part: PART,
            scenario: &scenario,
            contestant: &contestant.name,
            round: 0,
        };
        (session.plan.takes_part)(&place)
    });
    let progress = Mutex::new(&mut session.progress);
    let counts = count_all(&jobs, |scenario, contestant| {
        let what = format!("instructions: {}: {}", scenario.name(), contestant.name);
        if let Ok(mut progress) = progress.lock() {
            progress.step(&what, scenario.step());
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

/// Every scenario with every contestant that can be counted in it.
fn jobs<'a>(scenarios: &'a [Counted], contestants: &'a [Contestant]) -> Vec<Job<'a>> {
    let pairs = scenarios
        .iter()
        .flat_map(|scenario| contestants.iter().map(move |it| (scenario, it)));
    let fits = |(scenario, contestant): &Job<'_>| match scenario {
        Counted::Memory(it) if is_own(it) => contestant.name.starts_with(GUARD),
        Counted::Memory(_) => contestant.in_memory,
        Counted::Echo(_) => !contestant.extra,
    };
    pairs.filter(fits).collect()
}

/// Counts on all cores at once: others at work do not change the number.
fn count_all(jobs: &[Job<'_>], announce: impl Fn(&Counted, &Contestant) + Sync) -> Vec<Count> {
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

fn per_message(contestant: &Contestant, scenario: &Counted) -> Outcome<f64> {
    match scenario {
        Counted::Memory(scenario) => each(messages(scenario), ALONE, |messages| {
            collect(contestant, &scenario.argument(messages))
        }),
        Counted::Echo(scenario) => echo::instructions(contestant, scenario),
    }
}

/// The difference of a run of `count` and one of twice as many, for each. Most programs repeat to the
/// instruction.
pub fn each(count: u64, repeats: Repeats, run: impl Fn(u64) -> Outcome<f64>) -> Outcome<f64> {
    let (mut once, mut twice) = (vec![run(count)?, run(count)?], vec![run(2 * count)?]);
    let differ = (once[0] - once[1]).abs() > repeats.tolerance * (twice[0] - once[0]).abs();
    for _ in 0..if differ { repeats.further } else { 0 } {
        once.push(run(count)?);
        twice.push(run(2 * count)?);
    }
    let all = (repeats.holds)(&twice).zip((repeats.holds)(&once));
    let each = all.map(|(twice, once)| (twice - once) / count as f64);
    each.filter(|each| *each > 0.0)
        .ok_or_else(|| "does not repeat from run to run".into())
}

/// Whether it is one of the guard's own program.
fn is_own(scenario: &MemoryScenario) -> bool {
    !["decode", "encode"].contains(&scenario.op)
}

/// Whole pools of the contestants (1 MiB, 4 to 4,096 messages), so that both runs see the same ones;
/// several where messages are small or cost little.
fn messages(scenario: &MemoryScenario) -> u64 {
    let pool = ((1 << 20) / scenario.size.max(1)).clamp(4, 4096) as u64;
    match scenario.size {
        _ if is_own(scenario) => pool,
        ..=1024 => 8 * pool,
        _ if scenario.op == "encode" => 16 * pool,
        _ => pool,
    }
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
        .args(CALLGRIND)
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
pub fn collected(stderr: &str) -> Option<f64> {
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

impl Baseline {
    /// Forgets what was not counted now.
    fn narrow(&mut self, now: &BTreeMap<String, BTreeMap<String, f64>>) {
        for (contestant, recorded) in &mut self.counts {
            let counted = now.get(contestant);
            recorded.retain(|scenario, _| counted.is_some_and(|it| it.contains_key(scenario)));
        }
    }
}

/// Compares ours with a recorded baseline, or records it. Says whether nothing grew.
pub fn guard(workspace: &Path, path: &Path, options: &Options, record: bool) -> Outcome<bool> {
    let ours = |name: &str| {
        let named = options.only.is_empty() || options.wants(name);
        named && (name == "wsimd" || name.starts_with("wsimd-"))
    };
    let mut scenarios = plan::guarded();
    scenarios.retain(|it| options.wants_scenario(&it.name()));
    let field = Field::build(workspace, ours)?;
    let mut contestants = field.contestants.clone();
    contestants.retain(|contestant| ours(&contestant.name));
    if contestants.is_empty() {
        return Err("no contestant of this crate builds".into());
    }
    let counts = count_all(&jobs(&scenarios, &contestants), |scenario, contestant| {
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
    let mut within_limit = true;
    if options.is_whole() {
        eprintln!("kernels");
        let kernels = dispatch::count()?;
        within_limit = dispatch::is_within_limit(&kernels);
        now.insert("kernels".into(), kernels);
    }
    if record {
        write(workspace, path, now)?;
        return Ok(within_limit);
    }
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut baseline: Baseline = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if !options.is_whole() {
        baseline.narrow(&now);
    }
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
    for (contestant, counts) in now {
        let recorded = baseline.counts.get(contestant);
        for (scenario, count) in counts {
            if !recorded.is_some_and(|recorded| recorded.contains_key(scenario)) {
                println!("{contestant}: {scenario}: {count:.1} now, not recorded yet");
            }
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
    fn what_does_not_repeat_is_run_again() {
        let runs = AtomicUsize::new(0);
        let run = |noise: f64| {
            let (runs, nth) = (&runs, AtomicUsize::new(0));
            move |count: u64| {
                runs.fetch_add(1, Ordering::Relaxed);
                let odd = nth.fetch_add(1, Ordering::Relaxed) % 2 == 1;
                Ok(500.0 + 10.0 * count as f64 + if odd { noise } else { 0.0 })
            }
        };
        assert_eq!(each(100, ALONE, run(1.0)), Ok(10.0));
        assert_eq!(runs.swap(0, Ordering::Relaxed), 3);
        assert_eq!(each(100, ALONE, run(50.0)), Ok(10.0));
        assert_eq!(runs.load(Ordering::Relaxed), 3 + 2 * ALONE.further);
        assert!(each(100, ALONE, |_| Ok(1.0)).is_err());
    }

    #[test]
    fn the_guard_allows_five_percent() {
        assert!(verdict(100.0, Some(104.9)).starts_with("as recorded"));
        assert!(verdict(100.0, Some(105.1)).starts_with("FAIL"));
        assert!(verdict(100.0, Some(90.0)).starts_with("shrank"));
        assert!(verdict(100.0, None).starts_with("FAIL"));
    }
}
