//! The part on loopback: echo servers under load, their CPU time and system calls per message.
//!
//! Server and load have a core each on the current-thread runtime. With two workers on a machine of two
//! cores nothing is pinned, and load and server compete.

use std::{
    thread,
    time::{Duration, Instant},
};

use contestant::{Content, corpus};

use crate::{
    Outcome, Values,
    contestants::Contestant,
    load::Load,
    scenario::Scenario,
    server::{Server, Start, pin_apart, unpin},
    session::Session,
    traffic::Traffic,
};

/// Bytes that go through each connection first: two windows, before which compressing is cheaper.
const WARM_UP_BYTES: u64 = 64 << 10;

pub fn run(session: &mut Session) {
    let scenarios = session.plan.loopback.clone();
    let rounds = session.plan.rounds.loopback;
    let mut last: Option<(String, Traffic)> = None;
    session.rounds(
        ("loopback", rounds),
        &scenarios,
        // The epoll echo has one thread.
        |it, echo| it.serves(echo.start()) && (it.name != "tcp-epoll" || echo.runtime == "current"),
        |session, contestant, echo, known| {
            let core = (echo.runtime == "current").then(pin_apart).flatten();
            let raw = contestant.info.raw;
            let key = format!("{} {raw}", echo.name);
            let traffic = match last.take().filter(|(name, _)| *name == key) {
                Some((_, traffic)) => traffic,
                None => Traffic::new(echo.kind(), echo.start(), raw, corpus::POOL_BYTES)?,
            };
            let (_, traffic) = last.insert((key, traffic));
            let run = Run {
                session,
                contestant,
                echo,
                traffic,
            };
            let values = run.measure(core, known);
            unpin();
            values
        },
    );
}

/// One measurement.
struct Run<'a> {
    session: &'a Session,
    contestant: &'a Contestant,
    echo: &'a Scenario,
    traffic: &'a Traffic,
}

impl Run<'_> {
    fn measure(&self, core: Option<usize>, known: &mut Option<u64>) -> Outcome<Values> {
        let start = Start {
            core,
            ..self.echo.start()
        };
        let mut server = Server::start(self.contestant, start)?;
        let spin = core.is_some();
        let values = Load::connect(server.port, self.echo.connections, self.traffic, spin)
            .and_then(|mut load| self.under_load(&server, &mut load, known))
            .map_err(|error| server.explain(error))?;
        server.check()?;
        Ok(values)
    }

    fn under_load(
        &self,
        server: &Server,
        load: &mut Load<'_>,
        known: &mut Option<u64>,
    ) -> Outcome<Values> {
        let plan = &self.session.plan;
        let per_second = self.warm_up(load, plan.warm_up)?;
        let found = (per_second * plan.seconds) as u64;
        let messages = *known.get_or_insert(self.whole(found));
        let before = server.cpu()?;
        let elapsed = load.run(messages, self.echo.in_flight)?;
        // The server may still be on its way back to sleep.
        thread::sleep(Duration::from_millis(1));
        let cpu = server.cpu()? - before;
        let mut values = vec![
            ("cpu_ns", cpu / messages as f64),
            ("per_s", messages as f64 / elapsed.as_secs_f64()),
            ("busy", cpu / elapsed.as_nanos() as f64),
        ];
        let few = self.whole((per_second * plan.warm_up) as u64);
        self.count(server, load, few, &mut values)?;
        Ok(values)
    }

    /// Returns a number of messages that all connections share, at least one burst of each. Messages that
    /// differ in size are sent as whole pools.
    fn whole(&self, messages: u64) -> u64 {
        let connections = self.echo.connections as u64;
        let multiple = match self.echo.content {
            Content::LargePages => connections * self.traffic.messages.len() as u64,
            _ => connections,
        };
        let messages = messages.max(connections * self.echo.in_flight);
        messages.next_multiple_of(multiple)
    }

    /// Runs ever more messages until they take long enough. Returns the number in a second.
    fn warm_up(&self, load: &mut Load<'_>, seconds: f64) -> Outcome<f64> {
        let connections = self.echo.connections as u64;
        let least = match &self.echo.deflate {
            Some(_) => connections * WARM_UP_BYTES / self.traffic.mean_len(),
            None => 0,
        };
        let started = Instant::now();
        let mut messages = self.whole(least);
        loop {
            let elapsed = load.run(messages, self.echo.in_flight)?;
            if started.elapsed().as_secs_f64() > seconds {
                return Ok(messages as f64 / elapsed.as_secs_f64());
            }
            messages *= 2;
        }
    }

    /// Counts system calls and allocations in a short run of its own, because counting slows the server.
    fn count(
        &self,
        server: &Server,
        load: &mut Load<'_>,
        messages: u64,
        values: &mut Values,
    ) -> Outcome<()> {
        // The counter of allocations is for one thread.
        let allocates = !self.contestant.extra && self.echo.runtime == "current";
        if allocates {
            server.toggle_allocations()?;
        }
        let counting = self.session.tracepoint.as_ref();
        let counting = counting.map(|it| it.start(server.pid())).transpose()?;
        load.run(messages, self.echo.in_flight)?;
        let each = |count: f64| count / messages as f64;
        if let Some(counting) = counting {
            values.push(("syscalls", each(counting.finish()?)));
        }
        if allocates {
            let (count, bytes) = server.toggle_allocations()?;
            values.push(("allocations", each(count)));
            values.push(("allocated_bytes", each(bytes)));
        }
        Ok(())
    }
}
