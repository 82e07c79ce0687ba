//! The part on loopback: echo servers under load, their CPU time and system calls per message.
//!
//! Server and load have a core each on the current-thread runtime. With two workers on a machine of
//! two cores nothing is pinned, and load and server compete.

use std::{
    collections::{BTreeMap, HashMap},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Outcome,
    contestants::Contestant,
    load::Load,
    machine,
    scenario::LoopbackScenario,
    server::Server,
    session::{Place, Session, pin_apart, unpin},
    traffic::Traffic,
};

const PART: &str = "loopback";

/// How many messages a contestant is measured with, once known.
type Calibrated = HashMap<(usize, String), u64>;

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.loopback.clone();
    let cores = machine::cores();
    let mut calibrated = Calibrated::new();
    for round in 0..session.plan.rounds.loopback {
        for (index, scenario) in scenarios.iter().enumerate() {
            let name = scenario.name();
            let core = if scenario.runtime == "current" {
                pin_apart()
            } else {
                None
            };
            let traffic = Pair::new(scenario);
            let turn = round as usize + index;
            for contestant in session.rotated(turn, |contestant| takes_part(contestant, scenario)) {
                let place = Place {
                    part: PART,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                if !(session.plan.takes_part)(&place) {
                    continue;
                }
                let what = format!("loopback, round {}: {name}: {}", round + 1, contestant.name);
                let seconds = session.plan.loopback_step();
                session.progress.step(&what, seconds);
                let key = (index, contestant.name.clone());
                let known = calibrated.get(&key).copied();
                session.measure(&place, |session| {
                    let run = Run {
                        contestant: &contestant,
                        scenario,
                        traffic: traffic.of(&contestant),
                        core,
                        known,
                    };
                    let (values, messages) = run.measure(session)?;
                    calibrated.insert(key, messages);
                    Ok(values)
                })?;
            }
            unpin(cores);
        }
    }
    Ok(())
}

/// The epoll echo has one thread whatever the runtime, so it stands with the current-thread ones.
fn takes_part(contestant: &Contestant, scenario: &LoopbackScenario) -> bool {
    contestant.name != "tcp-epoll" || scenario.runtime == "current"
}

/// The traffic of a scenario for those who echo messages and for those who echo bytes.
struct Pair {
    messages: Traffic,
    raw: Traffic,
}

impl Pair {
    fn new(scenario: &LoopbackScenario) -> Self {
        let traffic = |raw| Traffic::new(scenario.content, scenario.size, raw);
        Self {
            messages: traffic(false),
            raw: traffic(true),
        }
    }

    fn of(&self, contestant: &Contestant) -> &Traffic {
        if contestant.raw {
            &self.raw
        } else {
            &self.messages
        }
    }
}

/// One measurement.
struct Run<'a> {
    contestant: &'a Contestant,
    scenario: &'a LoopbackScenario,
    traffic: &'a Traffic,
    core: Option<usize>,
    known: Option<u64>,
}

impl Run<'_> {
    /// Returns the values and the number of messages that they come from.
    fn measure(&self, session: &Session) -> Outcome<(BTreeMap<String, f64>, u64)> {
        let mut server = Server::start(self.contestant, self.scenario.runtime, self.core)?;
        let spin = self.core.is_some();
        let connections = self.scenario.connections;
        let mut load = Load::connect(server.port, connections, self.traffic, spin)
            .map_err(|error| server.explain(&error))?;
        let values = self.under_load(session, &server, &mut load);
        let values = values.map_err(|error| server.explain(&error))?;
        server.check()?;
        Ok(values)
    }

    fn under_load(
        &self,
        session: &Session,
        server: &Server,
        load: &mut Load<'_>,
    ) -> Outcome<(BTreeMap<String, f64>, u64)> {
        let plan = &session.plan;
        let per_second = self.warm_up(load, plan.warm_up_seconds)?;
        let found = ((per_second * plan.loopback_seconds) as u64).max(self.at_once());
        let messages = self.known.unwrap_or(found);
        let before = server.cpu()?;
        let ran = load.run(messages, self.scenario.in_flight)?;
        // The server may still be on its way back to sleep.
        thread::sleep(Duration::from_millis(1));
        let (user, system) = server.cpu()?.since(before);
        let count = messages as f64;
        let mut values = vec![
            ("messages", count),
            ("cpu_ns", (user + system) / count),
            ("user_ns", user / count),
            ("system_ns", system / count),
            ("per_s", count / ran.elapsed.as_secs_f64()),
            ("busy", (user + system) / ran.elapsed.as_nanos() as f64),
            ("p50_us", ran.latency.quantile(0.5) / 1e3),
            ("p99_us", ran.latency.quantile(0.99) / 1e3),
        ];
        let few = ((per_second * plan.warm_up_seconds) as u64).max(self.at_once());
        values.extend(self.counts(session, server, load, few)?);
        let values = values
            .into_iter()
            .map(|(name, value)| (name.to_string(), value));
        Ok((values.collect(), messages))
    }

    /// Runs ever more messages until they take long enough; returns how many go in a second.
    fn warm_up(&self, load: &mut Load<'_>, seconds: f64) -> Outcome<f64> {
        let started = Instant::now();
        let mut messages = self.at_once();
        loop {
            let ran = load.run(messages, self.scenario.in_flight)?;
            let enough = started.elapsed().as_secs_f64() > seconds;
            if enough {
                return Ok(messages as f64 / ran.elapsed.as_secs_f64());
            }
            messages *= 2;
        }
    }

    fn at_once(&self) -> u64 {
        self.scenario.connections as u64 * self.scenario.in_flight
    }

    /// System calls and allocations per message, in a short run of its own: counting slows each a
    /// little.
    fn counts(
        &self,
        session: &Session,
        server: &Server,
        load: &mut Load<'_>,
        messages: u64,
    ) -> Outcome<Vec<(&'static str, f64)>> {
        let each = |count: f64| count / messages as f64;
        let mut values = Vec::new();
        // The counter of allocations is for one thread.
        let has_allocations = !self.contestant.extra && self.scenario.runtime == "current";
        if has_allocations {
            server.toggle_allocations()?;
        }
        let counting = session.syscalls.start(server.pid());
        load.run(messages, self.scenario.in_flight)?;
        if let Ok(counting) = counting {
            values.push(("syscalls", each(counting.finish()?)));
        }
        if has_allocations {
            let (count, bytes) = server.toggle_allocations()?;
            values.push(("allocations", each(count)));
            values.push(("allocated_bytes", each(bytes)));
        }
        Ok(values)
    }
}
