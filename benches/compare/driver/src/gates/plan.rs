//! What the gates measure, and who takes part in it.

use contestant::Content::{self, Ascii, Binary, Json, Multi};

use crate::{
    contestants::{CONTROL, FLOOR, KEEPER},
    deflate,
    options::{Mode, Options},
    plan::{Plan, Rounds, echoes},
    scenario::{CHUNK, LoopbackScenario, MemoryScenario, decode, encode},
    session::Place,
};

/// The program whose `recv` and `send` are judged, the one whose `recv` and `feed` are, and the codec's.
pub const OURS: &str = "wsimd";
pub const FEED: &str = "wsimd-feed";
pub const FRAMED: &str = "wsimd-framed-batched";

const KI: usize = 1 << 10;
/// So many messages are kept where the bytes allocated are judged.
pub const KEPT: usize = 16;

/// Rounds on loopback for one of the peers.
const PEERS_EVERY: u32 = 3;

/// A scenario on loopback, and what it may take.
#[derive(Debug)]
pub struct Echo {
    pub scenario: LoopbackScenario,
    /// CPU time to that of the floor.
    pub cpu: f64,
    pub syscalls: Option<f64>,
}

/// Those with `multi2` have workers that wake one another; their system calls are not judged.
#[rustfmt::skip]
pub fn loopback() -> Vec<Echo> {
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

fn echo(
    (size, content): (usize, Content),
    (connections, in_flight): (usize, u64),
    runtime: &'static str,
    cpu: f64,
    syscalls: Option<f64>,
) -> Echo {
    Echo {
        scenario: LoopbackScenario {
            size,
            content,
            connections,
            in_flight,
            runtime,
        },
        cpu,
        syscalls,
    }
}

/// Decoding as a server, messages dropped at once.
pub fn decoded() -> impl Iterator<Item = MemoryScenario> {
    let sizes = [16, 125, KI, 4 * KI, 16 * KI, 256 * KI];
    let pairs = sizes
        .into_iter()
        .flat_map(|size| [Ascii, Multi, Binary].map(|content| (size, content)))
        .chain([(125, Json), (KI, Json)]);
    pairs.map(|(size, content)| decode("server", size, content, CHUNK, 0))
}

/// The same from 1 KiB up, and messages kept.
pub fn kept() -> impl Iterator<Item = MemoryScenario> {
    decoded()
        .filter(|scenario| scenario.size >= KI)
        .map(|scenario| MemoryScenario {
            keep: KEPT,
            ..scenario
        })
}

pub fn encoded(role: &'static str) -> impl Iterator<Item = MemoryScenario> {
    let small = [16, 125, KI]
        .into_iter()
        .flat_map(|size| [Json, Binary].map(|content| (size, content)));
    let pairs = small.chain([(16 * KI, Binary), (256 * KI, Binary)]);
    pairs.map(move |(size, content)| encode(role, size, content))
}

pub fn idle(options: &Options) -> usize {
    match options.mode {
        Mode::Full => 10_000,
        Mode::Quick => 2000,
    }
}

pub fn new(options: &Options) -> Plan {
    let full = options.mode == Mode::Full;
    let memory = decoded().chain(kept());
    let memory = memory.chain(encoded("server")).chain(encoded("client"));
    let plan = Plan {
        memory: memory.collect(),
        loopback: loopback().into_iter().map(|echo| echo.scenario).collect(),
        idle: vec![idle(options)],
        instructions: echoes().collect(),
        deflate: deflate::Plan::default(),
        kernels: false,
        full,
        takes_part,
        rounds: Rounds {
            memory: if full { 5 } else { 3 },
            loopback: if full { 9 } else { 5 },
            idle: if full { 2 } else { 1 },
            kernels: 0,
        },
        loopback_seconds: 0.15,
        warm_up_seconds: 0.05,
    };
    plan.narrowed(options)
}

/// Whether a demand needs the measurement. On loopback peers are not in every round, for it is there that
/// ours are judged by the interval of the ratio to the floor.
fn takes_part(place: &Place<'_>) -> bool {
    let who = place.contestant;
    let is_ours = [OURS, FEED, FRAMED, KEEPER].contains(&who);
    let is_limit = [FLOOR, CONTROL].contains(&who);
    match place.part {
        "idle" => [OURS, KEEPER, FLOOR].contains(&who),
        _ if who == KEEPER => false,
        "memory" if place.scenario.contains("keep") => who == OURS,
        "memory" if is_ours => who == judged_in_memory(place.scenario),
        "instructions" => ![CONTROL, FRAMED].contains(&who),
        // A build of another commit is compared with ours.
        "loopback" if who.starts_with("wsimd-") => true,
        "loopback" => is_ours || is_limit || place.round.is_multiple_of(PEERS_EVERY),
        _ => true,
    }
}

/// Decoding is the same for all of ours; `send` writes at once, so it is `feed` that encodes.
pub fn judged_in_memory(scenario: &str) -> &'static str {
    if scenario.starts_with("encode") {
        FEED
    } else {
        OURS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{self, Command};

    fn takes(part: &str, scenario: &str, contestant: &str, round: u32) -> bool {
        takes_part(&Place {
            part,
            scenario,
            contestant,
            round,
        })
    }

    #[test]
    fn who_is_measured_where() {
        assert!(takes("idle", "10000 connections", KEEPER, 0));
        assert!(!takes("loopback", "20 B", KEEPER, 0));
        assert!(takes("loopback", "20 B", OURS, 1));
        assert!(takes("loopback", "20 B", CONTROL, 1));
        assert!(takes("loopback", "20 B", "yawc", 3));
        assert!(!takes("loopback", "20 B", "yawc", 1));
        assert!(takes("loopback", "20 B", "wsimd-old", 1));
        assert!(!takes("memory", "decode keep 16", "yawc", 0));
        assert!(takes("memory", "encode client 16 B binary", FEED, 0));
        assert!(!takes("memory", "encode client 16 B binary", OURS, 0));
    }

    #[test]
    fn parts_and_rounds_are_as_asked() {
        let words = ["gates", "--part", "idle,memory", "--rounds", "2", "--quick"];
        let Ok(Command::Gates(options)) = options::parse(&words.map(str::to_string)) else {
            panic!("not understood");
        };
        let plan = new(&options);
        assert!(plan.loopback.is_empty() && plan.instructions.is_empty() && !plan.kernels);
        assert_eq!((plan.idle, plan.rounds.idle), (vec![2000], 2));
    }
}
