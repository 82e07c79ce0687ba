//! The idle part: memory of a server for each connection that has exchanged one message and waits.

use std::{path::Path, thread, time::Duration};

use contestant::Content;

use crate::{
    Outcome, Values,
    contestants::{Contestant, FLOOR, Field, OURS},
    load::Load,
    scenario::Scenario,
    server::{Server, Start, raise_open_files},
    session::Session,
    traffic::Traffic,
};

const SIZE: usize = 1 << 10;
/// Connections that are opened before memory is first read, so that memory needed once is not counted.
const FIRST: usize = 50;
const SETTLE: Duration = Duration::from_millis(150);
/// The time that one of the two loads answers pings before the other does.
const TURN: Duration = Duration::from_millis(50);

/// The most resident bytes that the guard lets pass for a connection of ours. The gaps of the allocator come and go with a few bytes of any part of
/// a connection.
const GUARDED: f64 = 1340.0;
/// The most beyond the bytes of the floor.
const MOST_OVER_FLOOR: f64 = 400.0;

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.idle.clone();
    let rounds = session.plan.rounds.idle;
    session.rounds(
        ("idle", rounds),
        &scenarios,
        |it, idle| it.serves(idle.deflate.as_ref()),
        |_, contestant, idle, _| measure(contestant, idle),
    );
    Ok(())
}

/// Measures the floor and `wsimd` once. Returns whether a connection takes no more than it may.
pub fn guard(workspace: &Path, connections: usize) -> Outcome<bool> {
    let field = Field::build(workspace, |name| name == OURS)?;
    let idle = Scenario::parse(&format!("{connections} connections"))?;
    let resident = |name: &str| {
        let contestant = field.find(name).ok_or(format!("{name} does not build"))?;
        let bytes = measure(contestant, &idle)?[0].1;
        println!("{name}: {bytes:.0} resident bytes for each of {connections} connections");
        Ok::<_, String>(bytes)
    };
    let most = GUARDED.min(resident(FLOOR)? + MOST_OVER_FLOOR);
    let fine = resident(OURS)? <= most;
    let verdict = if fine { "ok" } else { "MISS" };
    println!("{verdict}: up to {most:.0} is ok");
    Ok(fine)
}

fn measure(contestant: &Contestant, idle: &Scenario) -> Outcome<Values> {
    raise_open_files((idle.connections + FIRST) as u64 + 100)?;
    let deflate = idle.deflate.as_ref();
    let kind = match deflate {
        Some(_) => (0, Content::Books),
        None => (SIZE, Content::Ascii),
    };
    let traffic = Traffic::new(kind, deflate, contestant.info.raw, 64 * SIZE)?;
    let start = Start {
        deflate,
        ..Start::CURRENT
    };
    let mut server = Server::start(contestant, start)?;
    let bytes = grow(&server, &traffic, idle).map_err(|error| server.explain(&error))?;
    server.check()?;
    Ok(vec![("rss", bytes)])
}

fn grow(server: &Server, traffic: &Traffic, idle: &Scenario) -> Outcome<f64> {
    let mut first = exchange(server, traffic, FIRST)?;
    let before = server.memory()?;
    let mut load = exchange(server, traffic, idle.connections)?;
    for _ in 0..idle.seconds * 10 {
        first.linger(TURN)?;
        load.linger(TURN)?;
    }
    Ok((server.memory()? - before) / idle.connections as f64)
}

/// Opens connections and exchanges one message on each.
fn exchange<'a>(server: &Server, traffic: &'a Traffic, count: usize) -> Outcome<Load<'a>> {
    let mut load = Load::connect(server.port, count, traffic, false)?;
    load.run(count as u64, 1)?;
    thread::sleep(SETTLE);
    Ok(load)
}
