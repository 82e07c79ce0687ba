//! Instructions of a server per echoed message: callgrind around the server, under the load of the
//! part on loopback.

use crate::{
    Outcome,
    contestants::Contestant,
    instructions::{Repeats, each},
    load::Load,
    scenario::LoopbackScenario,
    server::Server,
    stats,
    traffic::Traffic,
};

/// So many, and in a second run twice as many: what a message takes repeats within 1 %.
const MESSAGES: u64 = 20_000;
/// So many for who takes long, which a run of so many shows; nobody is measured by the slowest.
const FEW: u64 = 2000;
const SLOW: f64 = 40e6;
/// The load's timing decides how many messages a wake-up finds: chance adds and takes away.
const UNDER_LOAD: Repeats = Repeats {
    tolerance: 0.01,
    further: 4,
    holds: stats::median,
};
/// Payload of the traffic: what comes again and again.
const POOL: usize = 1 << 18;

pub fn instructions(contestant: &Contestant, scenario: &LoopbackScenario) -> Outcome<f64> {
    let LoopbackScenario { content, size, .. } = *scenario;
    let traffic = Traffic::with_pool(content, size, contestant.raw, POOL);
    let run = |messages| collect(contestant, scenario, &traffic, messages);
    let count = if run(FEW)? > SLOW { FEW } else { MESSAGES };
    each(count, UNDER_LOAD, run)
}

/// All instructions of a server that echoes so many messages.
fn collect(
    contestant: &Contestant,
    scenario: &LoopbackScenario,
    traffic: &Traffic,
    messages: u64,
) -> Outcome<f64> {
    let mut server = Server::start_counted(contestant, scenario.runtime)?;
    let echoed = Load::connect(server.port, scenario.connections, traffic, false)
        .and_then(|mut load| load.run(messages, scenario.in_flight).map(|_| load));
    // Connections that end are work too, so they last longer than the count.
    let _open = echoed.map_err(|error| server.explain(&error))?;
    server.instructions()
}
