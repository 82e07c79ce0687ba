//! Echo servers that compress, under load: CPU time and bytes on the wire for each message.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

use super::{ECHO, corpus::Corpus, load::Load, plan::Echo, traffic::Traffic};
use crate::{
    Outcome,
    contestants::Contestant,
    machine,
    server::Server,
    session::{Place, Session, pin_apart, unpin},
};

const RUNTIME: &str = "current";

/// So many bytes go through each connection first: two windows, before which compressing is cheaper.
const WARM_UP_BYTES: u64 = 64 << 10;

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.deflate.echo.clone();
    if scenarios.is_empty() {
        return Ok(());
    }
    let core = pin_apart();
    // With how many messages on each connection a contestant is measured, once known.
    let mut calibrated: HashMap<(usize, String), u64> = HashMap::new();
    for round in 0..session.plan.deflate.echo_rounds {
        for (index, scenario) in scenarios.iter().enumerate() {
            let name = scenario.name();
            let traffic = Traffic::new(scenario.corpus, scenario.settings)?;
            let turn = round as usize + index;
            let servers = session.rotated_deflate(turn, &scenario.settings, |it| !it.raw);
            for contestant in servers {
                let place = Place {
                    part: ECHO,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                let what = format!("{ECHO}, round {}: {name}: {}", round + 1, contestant.name);
                let step = session.plan.loopback_step();
                session.progress.step(&what, step);
                let key = (index, contestant.name.clone());
                let known = calibrated.get(&key).copied();
                session.measure(&place, |session| {
                    let run = Run {
                        contestant: &contestant,
                        scenario,
                        traffic: &traffic,
                        core,
                        known,
                    };
                    let (values, messages) = run.measure(session)?;
                    calibrated.insert(key, messages);
                    Ok(values)
                })?;
            }
        }
    }
    unpin(machine::cores());
    Ok(())
}

/// One measurement.
struct Run<'a> {
    contestant: &'a Contestant,
    scenario: &'a Echo,
    traffic: &'a Traffic,
    core: Option<usize>,
    known: Option<u64>,
}

impl Run<'_> {
    /// Returns the values and the number of messages of a connection that they come from.
    fn measure(&self, session: &Session) -> Outcome<(BTreeMap<String, f64>, u64)> {
        let settings = &self.scenario.settings;
        let mut server = Server::start_compressed(self.contestant, RUNTIME, self.core, settings)?;
        let values = self.under_load(session, &server);
        let values = values.map_err(|error| server.explain(&error))?;
        server.check()?;
        Ok(values)
    }

    fn under_load(
        &self,
        session: &Session,
        server: &Server,
    ) -> Outcome<(BTreeMap<String, f64>, u64)> {
        let Echo {
            connections,
            in_flight,
            ..
        } = *self.scenario;
        let spin = self.core.is_some();
        let mut load = Load::connect(server.port, connections, self.traffic, spin)?;
        let plan = &session.plan;
        let least = in_flight.max(WARM_UP_BYTES / self.traffic.mean_len());
        let per_second = warm_up(&mut load, least, in_flight, plan.warm_up_seconds)?;
        let found = ((per_second * plan.loopback_seconds) as u64).max(in_flight);
        // Where messages differ in size, all of them.
        let found = match self.scenario.corpus {
            Corpus::LargePages => found.next_multiple_of(self.traffic.messages.len() as u64),
            _ => found,
        };
        let messages = self.known.unwrap_or(found);
        let before = server.cpu()?;
        let ran = load.run(messages, in_flight)?;
        // The server may still be on its way back to sleep.
        thread::sleep(Duration::from_millis(1));
        let (user, system) = server.cpu()?.since(before);
        let count = (messages * connections as u64) as f64;
        let mut values = vec![
            ("messages", count),
            ("cpu_ns", (user + system) / count),
            ("user_ns", user / count),
            ("system_ns", system / count),
            ("per_s", count / ran.elapsed.as_secs_f64()),
            ("busy", (user + system) / ran.elapsed.as_nanos() as f64),
            ("wire_in", ran.sent as f64 / count),
            ("wire_out", ran.received as f64 / count),
        ];
        let few = ((per_second * plan.warm_up_seconds) as u64).max(in_flight);
        let few_in_all = (few * connections as u64) as f64;
        server.toggle_allocations()?;
        load.run(few, in_flight)?;
        let (allocations, bytes) = server.toggle_allocations()?;
        values.push(("allocations", allocations / few_in_all));
        values.push(("allocated_bytes", bytes / few_in_all));
        let values = values.into_iter();
        let values = values.map(|(name, value)| (name.to_string(), value));
        Ok((values.collect(), messages))
    }
}

/// Runs ever more messages until they take long enough; returns how many of a connection go in a second.
fn warm_up(load: &mut Load<'_>, least: u64, in_flight: u64, seconds: f64) -> Outcome<f64> {
    let started = Instant::now();
    let mut messages = least;
    loop {
        let ran = load.run(messages, in_flight)?;
        if started.elapsed().as_secs_f64() > seconds {
            return Ok(messages as f64 / ran.elapsed.as_secs_f64());
        }
        messages *= 2;
    }
}

/// Whether a contestant echoes what is compressed, with context takeover and without; says why not.
pub fn smoke(contestant: &Contestant) -> Outcome<String> {
    let mut remarks = String::new();
    let mut works = false;
    for settings in ["6:15:8:takeover:0", "6:10:8:takeover:0", "6:15:8:alone:0"] {
        let settings = settings.parse()?;
        for corpus in [
            Corpus::Trades,
            Corpus::Pages,
            Corpus::LargePages,
            Corpus::Random,
        ] {
            let traffic = Traffic::new(corpus, settings)?;
            let mut server = Server::start_compressed(contestant, RUNTIME, None, &settings)?;
            let mut load = match Load::connect(server.port, 2, &traffic, false) {
                Ok(load) => load,
                Err(reason) => {
                    remarks.push_str(&format!(" ({settings}: {reason})"));
                    break;
                }
            };
            let ran = load.run(12, 2);
            ran.map_err(|reason| {
                server.explain(&format!("{settings} {}: {reason}", corpus.name()))
            })?;
            server.check()?;
            works = true;
        }
    }
    if works { Ok(remarks) } else { Err(remarks) }
}
