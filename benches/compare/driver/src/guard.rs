//! The guard: instructions of this crate against a recorded baseline.

use std::{collections::BTreeMap, fs, path::Path};

use serde::{Deserialize, Serialize};

use crate::{
    Outcome,
    contestants::{AGAIN, Field, is_ours},
    dispatch,
    instructions::{count_all, jobs},
    machine,
    options::Options,
    plan, save,
};

/// Growth beyond this fails the guard.
const TOLERANCE: f64 = 0.05;

/// Contestant and scenario, to instructions per message.
type Counts = BTreeMap<String, BTreeMap<String, f64>>;

#[derive(Debug, Deserialize, Serialize)]
struct Baseline {
    rust: String,
    date: String,
    commit: String,
    counts: Counts,
}

/// Compares with a baseline, or records it. Returns whether no count grew.
pub fn run(workspace: &Path, path: &Path, options: &Options, record: bool) -> Outcome<bool> {
    let ours = |name: &str| {
        let named = options.only.is_empty() || options.wants(name);
        named && is_ours(name)
    };
    let scenarios = plan::guarded(options)?;
    let mut contestants = Field::build(workspace, ours)?.contestants;
    contestants.retain(|it| ours(&it.name) && !it.name.ends_with(AGAIN));
    let mut now = Counts::new();
    for (scenario, contestant, count) in count_all(&jobs(&scenarios, &contestants))? {
        let count = count.map_err(|reason| format!("{contestant}: {scenario}: {reason}"))?;
        now.entry(contestant).or_default().insert(scenario, count);
    }
    let mut within_limit = true;
    if options.is_whole() {
        let kernels = dispatch::count()?;
        within_limit = dispatch::is_within_limit(&kernels);
        now.insert("kernels".into(), kernels);
    }
    if record {
        let baseline = Baseline {
            rust: machine::rust(),
            date: machine::today(),
            commit: machine::commit(workspace),
            counts: now,
        };
        save(path, &(serde_json::to_string_pretty(&baseline)? + "\n"))?;
        return Ok(within_limit);
    }
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    let baseline: Baseline = serde_json::from_str(&text)?;
    Ok(compare(&baseline.counts, &now, options.is_whole()) && within_limit)
}

/// Prints every count beside its baseline. Returns whether none grew, and in a whole run none is missing.
fn compare(baseline: &Counts, now: &Counts, whole: bool) -> bool {
    let mut fine = true;
    let rows = |counts: &Counts| {
        let mut rows = BTreeMap::new();
        for (contestant, scenarios) in counts {
            for (scenario, count) in scenarios {
                rows.insert(format!("{contestant}: {scenario}"), *count);
            }
        }
        rows
    };
    let (before, mut now) = (rows(baseline), rows(now));
    for (name, before) in before {
        let verdict = match now.remove(&name) {
            Some(now) => verdict(before, now),
            None if whole => "FAIL: not counted now".into(),
            None => continue,
        };
        fine &= !verdict.starts_with("FAIL");
        println!("{name}: {before:.1} recorded, {verdict}");
    }
    for (name, count) in now {
        println!("{name}: {count:.1} now, not recorded yet");
    }
    fine
}

fn verdict(before: f64, now: f64) -> String {
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
    fn the_guard_allows_five_percent() {
        assert!(verdict(100.0, 104.9).starts_with("as recorded"));
        assert!(verdict(100.0, 105.1).starts_with("FAIL"));
        assert!(verdict(100.0, 90.0).starts_with("shrank"));
    }
}
