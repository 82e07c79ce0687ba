//! The idle part: memory of a server for each connection that has exchanged one message and waits.

use std::{collections::BTreeMap, thread, time::Duration};

use contestant::Content;

use crate::{
    Outcome,
    contestants::Contestant,
    load::Load,
    plan::idle_step,
    server::{Server, raise_open_files},
    session::{Place, Session},
    traffic::Traffic,
};

const PART: &str = "idle";
const SIZE: usize = 1 << 10;
/// Connections that are opened before memory is first read: what a server needs once is not counted.
const FIRST: usize = 50;
const SETTLE: Duration = Duration::from_millis(150);

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.idle.clone();
    let most = scenarios.iter().copied().max().unwrap_or(0) as u64 + 500;
    let allowed = raise_open_files(most);
    for round in 0..session.plan.rounds.idle {
        for connections in &scenarios {
            for contestant in session.rotated(round as usize, |_| true) {
                let name = format!("{connections} connections");
                let what = format!("idle, round {}: {name}: {}", round + 1, contestant.name);
                session.progress.step(&what, idle_step(*connections));
                let place = Place {
                    part: PART,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                session.measure(&place, |_| {
                    if (*connections + FIRST) as u64 + 100 > allowed {
                        return Err(format!("only {allowed} open files are allowed"));
                    }
                    measure(&contestant, *connections)
                })?;
            }
        }
    }
    Ok(())
}

fn measure(contestant: &Contestant, connections: usize) -> Outcome<BTreeMap<String, f64>> {
    let mut server = Server::start(contestant, "current", None)?;
    let traffic = Traffic::with_pool(Content::Ascii, SIZE, contestant.raw, 64 * SIZE);
    let values = grow(&server, &traffic, connections).map_err(|error| server.explain(&error))?;
    server.check()?;
    Ok(values)
}

fn grow(server: &Server, traffic: &Traffic, count: usize) -> Outcome<BTreeMap<String, f64>> {
    let _first = exchange(server, traffic, FIRST)?;
    let before = server.memory()?;
    let _idle = exchange(server, traffic, count)?;
    let after = server.memory()?;
    let each = |before: f64, after: f64| (after - before) / count as f64;
    let values = [
        ("rss", each(before.resident, after.resident)),
        ("pss", each(before.proportional, after.proportional)),
    ];
    Ok(values.map(|(name, value)| (name.to_string(), value)).into())
}

/// Opens connections and exchanges one message on each.
fn exchange<'a>(server: &Server, traffic: &'a Traffic, count: usize) -> Outcome<Load<'a>> {
    let mut load = Load::connect(server.port, count, traffic, false)?;
    load.run(count as u64, 1)?;
    thread::sleep(SETTLE);
    Ok(load)
}
