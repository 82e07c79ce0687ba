//! The idle part: memory of a server for each connection that has exchanged one message and waits.

use std::{thread, time::Duration};

use contestant::Content;

use crate::{
    Outcome, Values,
    contestants::Contestant,
    load::Load,
    scenario::Scenario,
    server::{Server, raise_open_files},
    session::Session,
    traffic::Traffic,
};

const SIZE: usize = 1 << 10;
/// Connections that are opened before memory is first read, so that memory needed once is not counted.
const FIRST: usize = 50;
const SETTLE: Duration = Duration::from_millis(150);
/// The time that one of the two loads answers pings before the other does.
const TURN: Duration = Duration::from_millis(50);

pub fn run(session: &mut Session) {
    let scenarios = session.plan.idle.clone();
    let rounds = session.plan.rounds.idle;
    session.rounds(
        ("idle", rounds),
        &scenarios,
        |it, idle| it.serves(idle.start()),
        |_, contestant, idle, _| measure(contestant, idle),
    );
}

fn measure(contestant: &Contestant, idle: &Scenario) -> Outcome<Values> {
    raise_open_files((idle.connections + FIRST) as u64 + 100)?;
    let kind = match idle.deflate {
        Some(_) => (0, Content::Books),
        None => (SIZE, Content::Ascii),
    };
    let traffic = Traffic::new(kind, idle.start(), contestant.info.raw, 64 * SIZE)?;
    let mut server = Server::start(contestant, idle.start())?;
    let bytes = grow(&server, &traffic, idle).map_err(|error| server.explain(error))?;
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
