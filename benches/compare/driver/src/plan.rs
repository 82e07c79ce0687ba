//! What is measured, how often, and how long that will take.

use contestant::Content;

use crate::{
    deflate, idle,
    options::{Mode, Options, Part},
    scenario::{CHUNK, Counted, LoopbackScenario, MemoryScenario, decode, encode, own},
    session::Place,
};

/// Everything of a run.
#[derive(Debug)]
pub struct Plan {
    pub memory: Vec<MemoryScenario>,
    pub loopback: Vec<LoopbackScenario>,
    pub idle: Vec<usize>,
    pub instructions: Vec<Counted>,
    pub kernels: bool,
    pub deflate: deflate::Plan,
    pub full: bool,
    pub rounds: Rounds,
    /// Who is measured where; all everywhere but in the gates.
    pub takes_part: fn(&Place<'_>) -> bool,
    /// Seconds that one measurement on loopback takes, and its warm-up.
    pub loopback_seconds: f64,
    pub warm_up_seconds: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub memory: u32,
    pub loopback: u32,
    pub idle: u32,
    pub kernels: u32,
}

/// Seconds that a step takes, as planned: measured on two cores of 2.6 GHz, processes included.
pub const MEMORY_STEP: f64 = 0.08;
pub const KERNELS_STEP: f64 = 9.0;

const SIZES: [usize; 8] = [0, 16, 125, 1 << 10, 4 << 10, 16 << 10, 256 << 10, 4 << 20];
const CONTENTS: [Content; 4] = [
    Content::Ascii,
    Content::Json,
    Content::Multi,
    Content::Binary,
];
/// Scenarios with more payload than this on its way are left out: they measure the kernel's memory.
const MOST_IN_FLIGHT: usize = 64 << 20;

impl Plan {
    pub fn new(options: &Options) -> Self {
        let full = options.mode == Mode::Full;
        let plan = Self {
            memory: if full { memory_full() } else { memory_quick() },
            loopback: if full {
                loopback_full()
            } else {
                loopback_quick()
            },
            idle: if full { vec![2000, 10_000] } else { vec![2000] },
            instructions: instructions(full),
            kernels: true,
            deflate: deflate::Plan::new(full),
            full,
            takes_part: |_| true,
            rounds: if full {
                Rounds {
                    memory: 7,
                    loopback: 7,
                    idle: 5,
                    kernels: 7,
                }
            } else {
                Rounds {
                    memory: 7,
                    loopback: 5,
                    idle: 2,
                    kernels: 3,
                }
            },
            loopback_seconds: if full { 0.8 } else { 0.25 },
            warm_up_seconds: if full { 0.15 } else { 0.05 },
        };
        plan.narrowed(options)
    }

    /// Only the parts that are asked for, and as many rounds.
    pub fn narrowed(mut self, options: &Options) -> Self {
        let wants = |part| options.parts.contains(&part);
        if !wants(Part::Memory) {
            self.memory.clear();
        }
        if !wants(Part::Loopback) {
            self.loopback.clear();
        }
        if !wants(Part::Idle) {
            self.idle.clear();
        }
        if !wants(Part::Instructions) {
            self.instructions.clear();
        }
        self.kernels &= wants(Part::Kernels);
        self.deflate = self.deflate.narrowed(options, wants(Part::Deflate));
        self.memory.retain(|it| options.wants_scenario(&it.name()));
        self.loopback
            .retain(|it| options.wants_scenario(&it.name()));
        if let Some(rounds) = options.rounds {
            self.rounds = Rounds {
                memory: rounds,
                loopback: rounds,
                idle: rounds,
                kernels: rounds,
            };
        }
        self
    }

    /// One measurement on loopback with all that surrounds it.
    pub fn loopback_step(&self) -> f64 {
        self.loopback_seconds + 2.0 * self.warm_up_seconds + 0.1
    }

    /// Lines that say what will be done, and the seconds it should take with these contestants.
    pub fn describe(&self, contestants: &[&str]) -> (Vec<String>, f64) {
        let rounds = self.rounds;
        let steps = |part, scenarios: Vec<String>, rounds| {
            let places = scenarios.iter().flat_map(|scenario| {
                let of_round = move |round| {
                    contestants.iter().map(move |contestant| Place {
                        part,
                        scenario,
                        contestant,
                        round,
                    })
                };
                (0..rounds).flat_map(of_round)
            });
            places.filter(|place| (self.takes_part)(place)).count() as f64
        };
        let memory = self.memory.iter().map(MemoryScenario::name).collect();
        let loopback = self.loopback.iter().map(LoopbackScenario::name).collect();
        let instructions = self
            .instructions
            .iter()
            .map(|counted| steps("instructions", vec![counted.name()], 1) * counted.step());
        let idle = self.idle.iter().map(|&connections| {
            steps("idle", vec![idle::scenario(connections)], rounds.idle) * idle_step(connections)
        });
        let parts = [
            (
                "memory",
                self.memory.len(),
                rounds.memory,
                steps("memory", memory, rounds.memory) * MEMORY_STEP,
            ),
            (
                "loopback",
                self.loopback.len(),
                rounds.loopback,
                steps("loopback", loopback, rounds.loopback) * self.loopback_step(),
            ),
            ("idle", self.idle.len(), rounds.idle, idle.sum()),
            (
                "kernels",
                usize::from(self.kernels),
                rounds.kernels,
                f64::from(u8::from(self.kernels)) * f64::from(rounds.kernels) * KERNELS_STEP,
            ),
            (
                "instructions",
                self.instructions.len(),
                1,
                instructions.sum(),
            ),
        ];
        let count = |raw: bool| {
            let all = contestants.iter();
            all.filter(|name| deflate::is_contestant(name) && name.contains("zlib") == raw)
                .count()
        };
        let (servers, codecs) = (count(false), count(true));
        // One of the servers and one of the codecs take part twice.
        let deflate = self
            .deflate
            .steps(codecs + servers + 1, servers + 1, self.loopback_step());
        let parts: Vec<_> = parts.into_iter().chain(deflate).collect();
        let mut lines = Vec::new();
        for (part, scenarios, rounds, seconds) in parts.iter().filter(|part| part.1 > 0) {
            lines.push(format!(
                "{part}: {scenarios} scenarios, {rounds} rounds, about {:.1} minutes",
                seconds / 60.0
            ));
        }
        (lines, parts.iter().map(|part| part.3).sum())
    }
}

/// Seconds that one measurement of idle connections takes.
pub fn idle_step(connections: usize) -> f64 {
    0.5 + connections as f64 * 0.000_2
}

fn memory_quick() -> Vec<MemoryScenario> {
    use Content::{Ascii, Binary, Json, Multi};
    let decode = |role, size, content| decode(role, size, content, CHUNK, 0);
    vec![
        decode("server", 16, Binary),
        decode("server", 125, Json),
        decode("server", 1 << 10, Json),
        self::decode("server", 1 << 10, Json, 4 << 10, 16),
        decode("server", 16 << 10, Ascii),
        decode("server", 16 << 10, Multi),
        decode("server", 256 << 10, Multi),
        decode("server", 4 << 20, Binary),
        decode("client", 16 << 10, Multi),
        encode("server", 125, Json),
        encode("client", 16 << 10, Binary),
    ]
}

fn memory_full() -> Vec<MemoryScenario> {
    let mut scenarios = Vec::new();
    for (size, content) in pairs() {
        for role in ["server", "client"] {
            for chunk in [4 << 10, CHUNK] {
                for keep in [0, 16] {
                    scenarios.push(decode(role, size, content, chunk, keep));
                }
            }
            scenarios.push(encode(role, size, content));
        }
    }
    scenarios
}

/// Sizes and contents; nothing has one content only.
fn pairs() -> impl Iterator<Item = (usize, Content)> {
    let pairs = SIZES
        .into_iter()
        .flat_map(|size| CONTENTS.map(|content| (size, content)));
    pairs.filter(|(size, content)| *size > 0 || matches!(content, Content::Ascii | Content::Binary))
}

fn loopback_quick() -> Vec<LoopbackScenario> {
    use Content::{Binary, Multi};
    let scenario = |size, content, connections, in_flight, runtime| LoopbackScenario {
        size,
        content,
        connections,
        in_flight,
        runtime,
    };
    vec![
        scenario(20, Binary, 1, 1, "current"),
        scenario(20, Binary, 100, 1, "current"),
        scenario(20, Binary, 100, 16, "current"),
        scenario(1 << 10, Multi, 100, 16, "current"),
        scenario(16 << 10, Multi, 100, 1, "current"),
        scenario(16 << 10, Multi, 100, 16, "current"),
        scenario(4 << 20, Binary, 1, 1, "current"),
        scenario(20, Binary, 100, 16, "multi2"),
    ]
}

fn loopback_full() -> Vec<LoopbackScenario> {
    use Content::{Binary, Multi};
    let mut scenarios = Vec::new();
    for runtime in ["current", "multi2"] {
        for size in [20, 1 << 10, 16 << 10, 256 << 10, 4 << 20] {
            for content in [Binary, Multi] {
                for connections in [1, 10, 100, 500] {
                    for in_flight in [1, 16] {
                        scenarios.push(LoopbackScenario {
                            size,
                            content,
                            connections,
                            in_flight,
                            runtime,
                        });
                    }
                }
            }
        }
    }
    scenarios.retain(|it| it.size * it.connections * it.in_flight as usize <= MOST_IN_FLIGHT);
    scenarios
}

/// Callgrind is slow, and what it counts does not vary: a few scenarios that stand for the others.
fn instructions(full: bool) -> Vec<Counted> {
    use Content::{Ascii, Binary, Multi};
    let mut scenarios = counted().to_vec();
    if full {
        let more = [
            decode("server", 125, Ascii, CHUNK, 0),
            decode("server", 256 << 10, Multi, CHUNK, 0),
            decode("client", 16 << 10, Multi, CHUNK, 0),
            encode("client", 16 << 10, Binary),
        ];
        scenarios.extend(more);
    }
    scenarios
        .into_iter()
        .map(Counted::Memory)
        .chain(echoes())
        .collect()
}

fn counted() -> [MemoryScenario; 5] {
    use Content::{Binary, Json, Multi};
    [
        decode("server", 16, Binary, CHUNK, 0),
        decode("server", 125, Json, CHUNK, 0),
        decode("server", 1 << 10, Json, CHUNK, 0),
        decode("server", 16 << 10, Multi, CHUNK, 0),
        encode("server", 125, Json),
    ]
}

/// What the baseline of instructions is recorded of.
pub fn guarded() -> Vec<Counted> {
    use Content::{Binary, Json};
    /// A client's frame of 125 bytes.
    const FRAME: usize = 131;
    let more = [
        encode("server", 16, Binary),
        encode("server", 1 << 20, Binary),
        encode("client", 16, Binary),
        encode("client", 1 << 10, Json),
        encode("client", 1 << 20, Binary),
        own("echo", 125, FRAME),
        own("echo", 125, 16 * FRAME),
        own("split", 125, FRAME),
        own("split", 125, 16 * FRAME),
        own("handle", 125, FRAME),
        own("handle", 125, 16 * FRAME),
        own("inflate", 1 << 10, CHUNK),
    ];
    let scenarios = counted().into_iter().chain(more);
    scenarios.map(Counted::Memory).collect()
}

/// Echoes whose instructions are counted, the server's alone.
pub fn echoes() -> impl Iterator<Item = Counted> {
    let sizes = [(20, Content::Binary), (1 << 10, Content::Multi)];
    let scenarios = sizes.into_iter().flat_map(|(size, content)| {
        [16, 1].map(|in_flight| LoopbackScenario {
            size,
            content,
            connections: 4,
            in_flight,
            runtime: "current",
        })
    });
    scenarios.map(Counted::Echo)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let mut names: Vec<String> = memory_full().iter().map(MemoryScenario::name).collect();
        names.extend(loopback_full().iter().map(LoopbackScenario::name));
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
