//! Instructions per message, from callgrind: a run of N messages and a run of 2N, subtracted. In memory the
//! counts repeat nearly exactly. Callgrind knows AVX2, not AVX-512.

use rayon::prelude::*;

use crate::{
    Outcome,
    callgrind::callgrind,
    contestants::{Contestant, GUARD},
    load::Load,
    machine,
    plan::Place,
    scenario::Scenario,
    server::{Server, Start},
    session::Session,
    stats,
    traffic::Traffic,
};

/// The handling of runs that do not repeat.
#[derive(Clone, Copy, Debug)]
pub struct Repeats {
    /// The difference of two equal runs that is let pass, as a share of the work.
    pub tolerance: f64,
    /// The number of further runs otherwise.
    pub further: usize,
    /// The count that holds, as a quantile.
    pub quantile: f64,
}

/// In memory, chance (random state at the start) only adds.
pub const ALONE: Repeats = Repeats {
    tolerance: 0.005,
    further: 6,
    quantile: 0.0,
};
/// On loopback, the timing of the load decides how many messages a wake-up finds.
const UNDER_LOAD: Repeats = Repeats {
    tolerance: 0.01,
    further: 4,
    quantile: 0.5,
};

/// Echoes of one run, and the number for servers whose run of so many takes more instructions than `SLOW`.
const MESSAGES: u64 = 20_000;
const FEW: u64 = 2000;
const SLOW: f64 = 40e6;

type Job<'a> = (&'a Scenario, &'a Contestant);

fn place<'a>(scenario: &'a str, contestant: &'a str) -> Place<'a> {
    Place {
        part: "instructions",
        scenario,
        contestant,
        round: 0,
    }
}

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.instructions.clone();
    let contestants = session.field.contestants.clone();
    let mut jobs = jobs(&scenarios, &contestants);
    jobs.retain(|(it, who)| (session.plan.takes_part)(&place(&it.name, &who.name)));
    for (scenario, contestant, count) in count_all(&jobs)? {
        let count = count.map(|count| vec![("instructions", count)]);
        session.add(&place(&scenario, &contestant), count);
    }
    Ok(())
}

/// Returns every scenario with every contestant that can be counted in it.
pub fn jobs<'a>(scenarios: &'a [Scenario], contestants: &'a [Contestant]) -> Vec<Job<'a>> {
    let pairs = scenarios
        .iter()
        .flat_map(|scenario| contestants.iter().map(move |it| (scenario, it)));
    let fits = |(scenario, contestant): &Job<'_>| match scenario {
        it if it.in_flight > 0 => contestant.serves(it.start()) && !contestant.extra,
        it if is_own(it) => contestant.name.starts_with(GUARD),
        it => contestant.in_memory(it),
    };
    pairs.filter(fits).collect()
}

/// Counts on all cores at once, because other work does not change the count. Returns scenario, contestant
/// and count, in the order of the jobs.
pub fn count_all(jobs: &[Job<'_>]) -> Outcome<Vec<(String, String, Outcome<f64>)>> {
    if !jobs.is_empty() {
        machine::install("valgrind")?;
    }
    let counts = jobs.par_iter().map(|(scenario, contestant)| {
        eprintln!("instructions: {}: {}", scenario.name, contestant.name);
        let count = per_message(contestant, scenario);
        (scenario.name.clone(), contestant.name.clone(), count)
    });
    Ok(counts.collect())
}

fn per_message(contestant: &Contestant, scenario: &Scenario) -> Outcome<f64> {
    if scenario.in_flight > 0 {
        let traffic = Traffic::new(
            scenario.kind(),
            scenario.start(),
            contestant.info.raw,
            1 << 18,
        )?;
        let run = |messages| count_echo(contestant, scenario, &traffic, messages);
        let count = if run(FEW)? > SLOW { FEW } else { MESSAGES };
        return each(count, UNDER_LOAD, run);
    }
    each(messages(scenario), ALONE, |messages| {
        let arguments = ["instructions", &scenario.argument(messages)];
        Ok(callgrind(&[], &contestant.path, &arguments)?.1)
    })
}

/// Returns all instructions of a server that echoes so many messages.
fn count_echo(
    contestant: &Contestant,
    echo: &Scenario,
    traffic: &Traffic,
    messages: u64,
) -> Outcome<f64> {
    let start = Start {
        counted: true,
        ..echo.start()
    };
    let mut server = Server::start(contestant, start)?;
    let echoed = Load::connect(server.port, echo.connections, traffic, false)
        .and_then(|mut load| load.run(messages, echo.in_flight).map(|_| load));
    // The end of a connection is work too, so that connections stay open until the count is read.
    let _open = echoed.map_err(|error| server.explain(error))?;
    server.instructions()
}

/// Returns the difference of a run of `count` and a run of twice as many, for each.
pub fn each(count: u64, repeats: Repeats, run: impl Fn(u64) -> Outcome<f64>) -> Outcome<f64> {
    let (mut once, mut twice) = (vec![run(count)?, run(count)?], vec![run(2 * count)?]);
    let differ = (once[0] - once[1]).abs() > repeats.tolerance * (twice[0] - once[0]).abs();
    for _ in 0..if differ { repeats.further } else { 0 } {
        once.push(run(count)?);
        twice.push(run(2 * count)?);
    }
    let holds = |counts: &[f64]| stats::quantile(counts, repeats.quantile);
    let both = holds(&twice).zip(holds(&once));
    let each = both.map(|(twice, once)| (twice - once) / count as f64);
    each.filter(|each| *each > 0.0)
        .ok_or_else(|| "does not repeat from run to run".into())
}

/// Returns whether a scenario is one of the guard's own program.
fn is_own(scenario: &Scenario) -> bool {
    !["decode", "encode"].contains(&scenario.op.as_str())
}

/// Returns whole pools of the contestants (1 MiB, 4 to 4,096 messages), so that both runs see the same
/// messages, and several pools where messages are small or cost little.
fn messages(scenario: &Scenario) -> u64 {
    let pool = ((1 << 20) / scenario.size.max(1)).clamp(4, 4096) as u64;
    match scenario.size {
        _ if is_own(scenario) => pool,
        ..=1024 => 8 * pool,
        _ if scenario.op == "encode" => 16 * pool,
        _ => pool,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn runs_that_differ_are_repeated() {
        let runs = AtomicUsize::new(0);
        let run = |noise: f64| {
            let (runs, nth) = (&runs, AtomicUsize::new(0));
            move |count: u64| {
                runs.fetch_add(1, Ordering::Relaxed);
                let odd = nth.fetch_add(1, Ordering::Relaxed) % 2 == 1;
                Ok(500.0 + 10.0 * count as f64 + if odd { noise } else { 0.0 })
            }
        };
        assert_eq!(each(100, ALONE, run(1.0)).ok(), Some(10.0));
        assert_eq!(runs.swap(0, Ordering::Relaxed), 3);
        assert_eq!(each(100, ALONE, run(50.0)).ok(), Some(10.0));
        assert_eq!(runs.load(Ordering::Relaxed), 3 + 2 * ALONE.further);
    }
}
