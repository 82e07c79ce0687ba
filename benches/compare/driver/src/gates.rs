//! The gates: demands on this crate beside the other libraries, and whether they are met.

use std::{fmt::Write, path::Path};

use contestant::Content::{self, Ascii, Binary, Json, Multi};

use crate::{
    Outcome,
    contestants::{AGAIN, FLOOR, Field, KEEPER, OURS, is_ours},
    demands::{self, Line},
    options::Options,
    plan::{Plan, Rounds, echoes},
    save,
    scenario::{Echo, Idle, Memory},
    session::Place,
};

/// The program whose `recv` and `feed` are judged, and the codec's.
pub const FEED: &str = "wsimd-feed";
pub const FRAMED: &str = "wsimd-framed-batched";
/// No demand speaks of them.
const LEFT_OUT: [&str; 2] = ["tcp-epoll", "wsimd-framed"];

const KI: usize = 1 << 10;
/// The number of messages kept where the allocated bytes are judged.
pub const KEPT: usize = 16;
/// A peer takes part in every so many rounds on loopback.
const PEERS_EVERY: u32 = 3;

const EXPLANATION: &str = "\
CPU: the upper end of the 95 % interval of the median ratio, taken from its order statistics (sign test; \
of fewer than six rounds the greatest ratio counts). Other figures are medians. The best peer is the best \
library of others that validates text. The noise is the distance of the control from itself.

| part | scenario | who | demand | figure | |
| --- | --- | --- | --- | ---: | --- |
";

/// Measures, and writes a table of the demands. Returns whether all are met.
pub fn run(workspace: &Path, options: &Options) -> Outcome<bool> {
    let wants = |name: &str| match name {
        KEEPER => options.wants(OURS),
        _ => options.wants(name) && !(LEFT_OUT.contains(&name) && options.only.is_empty()),
    };
    let mut field = Field::build(workspace, wants)?;
    let careful = field.contestants.iter().cloned();
    let careful = careful.filter(|it| it.extra || it.info.raw || it.info.validates_text);
    field.contestants = careful.collect();
    let summary = crate::measure(workspace, field, plan(options), options)?;
    let lines = demands::lines(&summary, options);
    let mut text = format!("{}.\n\n{EXPLANATION}", summary.label);
    for line in &lines {
        let _ = writeln!(text, "{line}");
    }
    let missed = lines.iter().filter(|line| !line.passes()).count();
    let _ = writeln!(text, "\n{} demands, {missed} not met.", lines.len());
    print!("{text}");
    save(&options.folder("latest")?.join("gates.md"), &text)?;
    Ok(lines.iter().all(Line::passes))
}

/// A scenario on loopback, and the most that it may take: CPU to that of the floor, and system calls. With
/// `multi2` workers wake one another, so that system calls are not judged.
#[rustfmt::skip]
pub fn loopback() -> Vec<(Echo, f64, Option<f64>)> {
    let echo = |kind, load, runtime, cpu, syscalls| (Echo::new(kind, load, runtime), cpu, syscalls);
    vec![
        echo((20, Binary), (100, 1), "current", 1.05, Some(2.2)),
        echo((20, Binary), (500, 1), "current", 1.05, Some(2.2)),
        echo((KI, Multi), (100, 1), "current", 1.05, Some(2.2)),
        echo((KI, Multi), (500, 1), "current", 1.05, Some(2.2)),
        echo((20, Binary), (100, 16), "current", 1.20, Some(0.15)),
        echo((KI, Multi), (100, 16), "current", 1.15, Some(0.15)),
        echo((16 * KI, Binary), (10, 1), "current", 1.10, Some(2.2)),
        echo((16 * KI, Multi), (10, 1), "current", 1.15, Some(2.2)),
        echo((256 * KI, Binary), (10, 1), "current", 1.05, Some(3.2)),
        echo((256 * KI, Multi), (10, 1), "current", 1.15, Some(3.2)),
        echo((4 << 20, Binary), (10, 1), "current", 1.20, None),
        echo((20, Binary), (100, 16), "multi2", 1.20, None),
        echo((KI, Multi), (100, 16), "multi2", 1.15, None),
    ]
}

/// Decoding as a server, messages dropped at once.
pub fn decoded() -> impl Iterator<Item = Memory> {
    let sizes = [16, 125, KI, 4 * KI, 16 * KI, 256 * KI];
    let kinds = |size| [Ascii, Multi, Binary].map(|content| (size, content));
    let all = sizes.into_iter().flat_map(kinds);
    let all = all.chain([(125, Json), (KI, Json)]);
    all.map(|(size, content)| Memory::new("decode", "server", size, content))
}

/// The same from 1 KiB up, with messages kept.
pub fn kept() -> impl Iterator<Item = Memory> {
    let large = decoded().filter(|scenario| scenario.size >= KI);
    large.map(|scenario| Memory {
        keep: KEPT,
        ..scenario
    })
}

pub fn encoded(role: &'static str) -> impl Iterator<Item = Memory> {
    let kinds = |size| [Json, Binary].map(|content: Content| (size, content));
    let all = [16, 125, KI].into_iter().flat_map(kinds);
    let all = all.chain([(16 * KI, Binary), (256 * KI, Binary)]);
    all.map(move |(size, content)| Memory::new("encode", role, size, content))
}

pub fn idle(options: &Options) -> Idle {
    Idle {
        connections: if options.quick { 2000 } else { 10_000 },
        deflate: None,
        seconds: 0,
    }
}

fn plan(options: &Options) -> Plan {
    let full = !options.quick;
    let memory = decoded().chain(kept()).chain(encoded("server"));
    let plan = Plan {
        memory: memory.chain(encoded("client")).collect(),
        echo: loopback().into_iter().map(|(echo, ..)| echo).collect(),
        idle: vec![idle(options)],
        counted: echoes().collect(),
        kernels: true,
        takes_part,
        rounds: Rounds {
            memory: if full { 5 } else { 3 },
            echo: if full { 9 } else { 5 },
            idle: if full { 2 } else { 1 },
            kernels: 3,
        },
        seconds: 0.15,
        warm_up: 0.05,
    };
    plan.narrowed(options)
}

/// Returns whether a demand needs the measurement. On loopback peers are not in every round, because ours
/// are judged there by the interval of the ratio to the floor.
fn takes_part(place: &Place<'_>) -> bool {
    let who = place.contestant;
    let is_limit = who.starts_with(FLOOR);
    match place.part {
        "idle" => [OURS, KEEPER, FLOOR].contains(&who),
        _ if who == KEEPER => false,
        "memory" if place.scenario.contains("keep") => who == OURS,
        // Decoding is the same for all of ours. `send` writes at once, so that `feed` is judged.
        "memory" if place.scenario.starts_with("encode") => who == FEED || !is_ours(who),
        "memory" => who == OURS || !is_ours(who),
        "instructions" => who != FRAMED && !who.ends_with(AGAIN),
        "loopback" => is_ours(who) || is_limit || place.round.is_multiple_of(PEERS_EVERY),
        _ => true,
    }
}
