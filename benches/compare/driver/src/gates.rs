//! The gates: the demands of gates.txt on this crate beside the other libraries, and whether they are met.

use std::{fmt::Write, path::Path};

use wsimd::simd::Simd;

use crate::{
    Outcome,
    contestants::{AGAIN, FLOOR, Field, OURS, is_ours},
    options::Options,
    plan::Place,
    plan::Plan,
    save,
    scenario::{Scenario, expand},
    stats,
    summary::Table,
};

const GATES: &str = include_str!("../../gates.txt");
/// No demand speaks of them.
const LEFT_OUT: [&str; 2] = ["tcp-epoll", "wsimd-framed"];
const FEED: &str = "wsimd-feed";
/// The end of the names of ours that lend messages.
const LENT: &str = "-lent";
const FRAMED: &str = "wsimd-framed-batched";
/// A peer takes part in every so many rounds on loopback.
const PEERS_EVERY: u32 = 3;

const EXPLANATION: &str = "\
CPU as a ratio: the upper end of the 95 % interval of the median, taken from its order statistics (sign test; \
of fewer than six rounds the greatest ratio counts). Other figures are medians. The best peer is the best \
library of others that validates text. The noise is the distance of the control from itself.

| part | scenario | who | demand | figure | |
| --- | --- | --- | --- | ---: | --- |
";

/// One line of gates.txt.
struct Demand<'a> {
    part: &'a str,
    scenario: &'a str,
    who: &'a str,
    figure: &'a str,
    bound: &'a str,
    /// The word after the bound.
    word: &'a str,
}

/// Measures, and writes a table of the demands. Returns whether all are met.
pub fn run(workspace: &Path, options: &Options) -> Outcome<bool> {
    let lines: Vec<String> = GATES.lines().flat_map(expand).collect();
    let mut demands: Vec<Demand<'_>> = lines.iter().filter_map(|it| demand(it)).collect();
    let best = Simd::detect().name();
    let available: Vec<&str> = Simd::available().map(|simd| simd.name()).collect();
    demands.retain(|it| {
        let widest = it.word.is_empty() || it.word == "aim" || it.word == best;
        let backend = it.scenario.rsplit(' ').next().unwrap_or_default();
        widest && (it.part != "kernels" || available.contains(&backend))
    });
    let names = demands.iter();
    let names = names.map(|it| (it.part.into(), it.scenario.into()));
    let mut plan = Plan::of(&names.collect::<Vec<_>>(), options)?;
    plan.takes_part = takes_part;
    plan.seconds = 0.15;
    if let Some(rounds) = options.rounds.or(options.quick.then_some(3)) {
        plan.rounds.memory = rounds;
        plan.rounds.loopback = rounds;
    }
    let wants =
        |name: &str| options.wants(name) && !(LEFT_OUT.contains(&name) && options.only.is_empty());
    let mut field = Field::build(workspace, wants)?;
    let careful = |it: &crate::contestants::Info| it.raw || it.validates_text;
    field.contestants.retain(|it| it.extra || careful(&it.info));
    let summary = crate::measure(workspace, field, plan, options)?;
    let mut text = format!("{}.\n\n{EXPLANATION}", summary.label);
    let mut missed = 0;
    for demand in &demands {
        let table = summary.table(demand.part, demand.scenario);
        if table.is_none() && !(options.part.is_empty() && options.scenario.is_empty()) {
            continue;
        }
        let (line, met) = demand.line(table);
        missed += usize::from(!met);
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(text, "\n{missed} demands are not met.");
    print!("{text}");
    save(&options.folder("latest")?.join("gates.md"), &text)?;
    Ok(missed == 0)
}

fn demand(line: &str) -> Option<Demand<'_>> {
    let fields: Vec<&str> = line.split("; ").collect();
    let [part, scenario, who, figure, bound] = fields[..] else {
        return None;
    };
    let (bound, word) = bound.split_once(' ').unwrap_or((bound, ""));
    Some(Demand {
        part,
        scenario,
        who,
        figure,
        bound,
        word,
    })
}

impl Demand<'_> {
    /// Returns a row of the table, and whether the demand is met.
    fn line(&self, table: Option<&Table>) -> (String, bool) {
        let (part, scenario, who, figure) = (self.part, self.scenario, self.who, self.figure);
        let noise = 1.0 + table.map_or(0.0, |it| it.threshold);
        let most: f64 = self.bound.parse().unwrap_or(noise);
        let value = table.and_then(|table| self.value(table));
        let holds = value.is_some_and(|value| value <= most);
        let verdict = match (value, holds, self.word == "aim") {
            (None, ..) => "not measured",
            (_, true, _) => "ok",
            (_, false, true) => "aim",
            (_, false, false) => "MISS",
        };
        let peer = table.and_then(|it| it.best_peer.as_deref());
        let peer = peer.filter(|_| figure.ends_with("peer"));
        let peer = peer.map_or(String::new(), |peer| format!(" ({peer})"));
        let value = value.map_or("–".into(), |value| format!("{value:.3}"));
        let line = format!(
            "| {part} | {scenario} | {who} | {figure} ≤ {most:.2} | {value}{peer} | {verdict} |"
        );
        (line, holds || verdict == "aim")
    }

    fn value(&self, table: &Table) -> Option<f64> {
        let row = table.row(self.who)?;
        if let Some((measure, other)) = self.figure.split_once(" / ") {
            let other = match other {
                "peer" => table.best_peer.as_deref()?,
                "size" => {
                    let size = Scenario::parse(self.scenario).ok()?.size;
                    return Some(row.median(measure)? / size as f64);
                }
                other => other,
            };
            let reference = table.row(other)?.samples.get(measure)?;
            let ratios = stats::ratios(row.samples.get(measure)?, reference);
            return match (measure, self.figure.ends_with("peer")) {
                ("cpu_ns", false) => stats::median_upper(&ratios),
                _ => stats::median(&ratios),
            };
        }
        match self.figure.split_once(" - ") {
            Some((measure, other)) => {
                Some(row.median(measure)? - table.row(other)?.median(measure)?)
            }
            None => row.median(self.figure),
        }
    }
}

/// Returns whether a demand needs the measurement. On loopback peers are not in every round, because ours
/// are judged there by the interval of the ratio to the floor.
fn takes_part(place: &Place<'_>) -> bool {
    let who = place.contestant;
    let is_limit = who.starts_with(FLOOR);
    match place.part {
        "idle" => [OURS, FLOOR].contains(&who),
        // `send` writes at once, so that `feed` is judged. Owned messages are decoded the same way by all of ours.
        "memory" if place.scenario.starts_with("encode") => who == FEED || !is_ours(who),
        "memory" => who == OURS || who.ends_with(LENT) || !is_ours(who),
        "instructions" => who != FRAMED && !who.ends_with(AGAIN),
        "loopback" => is_ours(who) || is_limit || place.round.is_multiple_of(PEERS_EVERY),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_demand() {
        let lines = GATES.lines().filter(|line| !line.starts_with('#'));
        for line in lines.flat_map(expand) {
            let demand = demand(&line).unwrap_or_else(|| panic!("{line}"));
            assert!(demand.bound == "noise" || demand.bound.parse::<f64>().is_ok());
            assert!(
                ["kernels", "json"].contains(&demand.part)
                    || Scenario::parse(demand.scenario).is_ok()
            );
        }
    }
}
