//! The idle part: memory of a server for each connection that has exchanged one message and waits.

use std::{collections::BTreeMap, path::Path, thread, time::Duration};

use contestant::Content;

use crate::{
    Outcome,
    contestants::{Contestant, FLOOR, Field, KEEPER},
    load::Load,
    plan::idle_step,
    server::{Server, raise_open_files},
    session::{Place, Session},
    traffic::Traffic,
};

const PART: &str = "idle";
const OURS: &str = "wsimd";
const SIZE: usize = 1 << 10;
/// Size of the message for who keeps it: a short one.
const KEPT_SIZE: usize = 10;
/// Connections that are opened before memory is first read: what a server needs once is not counted.
const FIRST: usize = 50;
const SETTLE: Duration = Duration::from_millis(150);

/// The most resident bytes that are demanded of a connection of ours.
pub const MOST: f64 = 1300.0;
/// The most that the guard lets pass, which is what there is: how an allocator fits the parts of a
/// connection together comes and goes with a few bytes more or less of one of them.
const GUARDED: f64 = 1340.0;
/// The most beyond the bytes of the floor.
pub const MOST_OVER_FLOOR: f64 = 400.0;

/// What a scenario is called in tables.
pub fn scenario(connections: usize) -> String {
    format!("{connections} connections")
}

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.idle.clone();
    let most = scenarios.iter().copied().max().unwrap_or(0);
    let allowed = raise_open_files(open_files(most));
    for round in 0..session.plan.rounds.idle {
        for connections in &scenarios {
            for contestant in session.rotated(round as usize, |_| true) {
                let name = scenario(*connections);
                let place = Place {
                    part: PART,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                if !(session.plan.takes_part)(&place) {
                    continue;
                }
                let what = format!("idle, round {}: {name}: {}", round + 1, contestant.name);
                session.progress.step(&what, idle_step(*connections));
                session.measure(&place, |_| {
                    if open_files(*connections) > allowed {
                        return Err(format!("only {allowed} open files are allowed"));
                    }
                    measure(&contestant, *connections)
                })?;
            }
        }
    }
    Ok(())
}

/// Measures the floor and `wsimd` once. Says whether a connection takes no more than it may.
pub fn guard(workspace: &Path, connections: usize) -> Outcome<bool> {
    let field = Field::build(workspace, |name| name == OURS)?;
    let needed = open_files(connections);
    if raise_open_files(needed) < needed {
        return Err(format!("{needed} open files are not allowed"));
    }
    let resident = |name: &str| {
        let contestant = field.find(name).ok_or(format!("{name} does not build"))?;
        let bytes = measure(contestant, connections)?["rss"];
        println!("{name}: {bytes:.0} resident bytes for each of {connections} connections");
        Ok::<_, String>(bytes)
    };
    let floor = resident(FLOOR)?;
    let most = GUARDED.min(floor + MOST_OVER_FLOOR);
    let fine = resident(OURS)? <= most;
    println!(
        "{}: up to {most:.0} is ok",
        if fine { "ok" } else { "MISS" }
    );
    Ok(fine)
}

fn measure(contestant: &Contestant, connections: usize) -> Outcome<BTreeMap<String, f64>> {
    let mut server = Server::start(contestant, "current", None)?;
    let size = if contestant.name == KEEPER {
        KEPT_SIZE
    } else {
        SIZE
    };
    let traffic = Traffic::with_pool(Content::Ascii, size, contestant.raw, 64 * SIZE);
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

/// What a server or a load with so many connections needs.
fn open_files(connections: usize) -> u64 {
    (connections + FIRST) as u64 + 100
}

/// Opens connections and exchanges one message on each.
fn exchange<'a>(server: &Server, traffic: &'a Traffic, count: usize) -> Outcome<Load<'a>> {
    let mut load = Load::connect(server.port, count, traffic, false)?;
    load.run(count as u64, 1)?;
    thread::sleep(SETTLE);
    Ok(load)
}
