//! Memory of connections with compression, each of which has echoed one message.

use std::{collections::BTreeMap, thread, time::Duration};

use super::{IDLE, corpus::Corpus, load::Load, plan::Idle, traffic::Traffic};
use crate::{
    Outcome,
    contestants::Contestant,
    server::{Server, raise_open_files},
    session::{Place, Session},
};

/// Connections that are opened before memory is first read: what a server needs once is not counted.
const FIRST: usize = 50;
const SETTLE: Duration = Duration::from_millis(150);
/// How long one of the two loads answers pings before the other does.
const TURN: Duration = Duration::from_millis(50);

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.deflate.idle.clone();
    let open_files = |connections: usize| (connections + FIRST) as u64 + 100;
    let most = scenarios.iter().map(|it| it.connections).max();
    let allowed = raise_open_files(open_files(most.unwrap_or(0)));
    for round in 0..session.plan.deflate.idle_rounds {
        for scenario in &scenarios {
            let name = scenario.name();
            let traffic = Traffic::new(Corpus::Books, scenario.settings)?;
            let turn = round as usize;
            let servers = session.rotated_deflate(turn, &scenario.settings, |it| !it.raw);
            for contestant in servers {
                let place = Place {
                    part: IDLE,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                let what = format!("{IDLE}, round {}: {name}: {}", round + 1, contestant.name);
                session.progress.step(&what, scenario.step());
                session.measure(&place, |_| {
                    if open_files(scenario.connections) > allowed {
                        return Err(format!("only {allowed} open files are allowed"));
                    }
                    measure(&contestant, scenario, &traffic)
                })?;
            }
        }
    }
    Ok(())
}

fn measure(
    contestant: &Contestant,
    scenario: &Idle,
    traffic: &Traffic,
) -> Outcome<BTreeMap<String, f64>> {
    let mut server = Server::start_compressed(contestant, "current", None, &scenario.settings)?;
    let values = grow(&server, scenario, traffic).map_err(|error| server.explain(&error))?;
    server.check()?;
    Ok(values)
}

fn grow(server: &Server, scenario: &Idle, traffic: &Traffic) -> Outcome<BTreeMap<String, f64>> {
    let mut first = exchange(server, traffic, FIRST)?;
    let before = server.memory()?;
    let mut idle = exchange(server, traffic, scenario.connections)?;
    for _ in 0..scenario.seconds * 10 {
        first.linger(TURN)?;
        idle.linger(TURN)?;
    }
    let after = server.memory()?;
    let each = |before: f64, after: f64| (after - before) / scenario.connections as f64;
    let values = [
        ("rss", each(before.resident, after.resident)),
        ("pss", each(before.proportional, after.proportional)),
    ];
    Ok(values.map(|(name, value)| (name.to_string(), value)).into())
}

/// Opens connections and exchanges one message on each.
fn exchange<'a>(server: &Server, traffic: &'a Traffic, count: usize) -> Outcome<Load<'a>> {
    let mut load = Load::connect(server.port, count, traffic, false)?;
    load.run(1, 1)?;
    thread::sleep(SETTLE);
    Ok(load)
}
