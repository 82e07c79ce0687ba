//! What is measured, how often, and how long that will take.

use contestant::Content;

use crate::options::{Mode, Options, Part};

/// A scenario in memory; the number of messages is found by calibration.
#[derive(Clone, Debug)]
pub struct MemoryScenario {
    pub op: &'static str,
    pub role: &'static str,
    pub size: usize,
    pub content: Content,
    pub chunk: usize,
    pub keep: usize,
}

impl MemoryScenario {
    /// The name in tables; the usual chunk and dropping at once are not mentioned.
    pub fn name(&self) -> String {
        let mut name = format!(
            "{} {} {} {}",
            self.op,
            self.role,
            bytes(self.size),
            word(self.content)
        );
        if self.chunk != CHUNK {
            name.push_str(&format!(" chunk {}", bytes(self.chunk)));
        }
        if self.keep != 0 {
            name.push_str(&format!(" keep {}", self.keep));
        }
        name
    }

    /// The argument of a contestant.
    pub fn argument(&self, messages: u64) -> String {
        let (content, size) = (word(self.content), self.size);
        let Self {
            op,
            role,
            chunk,
            keep,
            ..
        } = self;
        format!("{op}:{role}:{size}:{content}:{chunk}:{keep}:{messages}")
    }
}

#[derive(Clone, Debug)]
pub struct LoopbackScenario {
    pub size: usize,
    pub content: Content,
    pub connections: usize,
    pub in_flight: u64,
    pub runtime: &'static str,
}

impl LoopbackScenario {
    pub fn name(&self) -> String {
        let Self {
            connections,
            in_flight,
            runtime,
            ..
        } = self;
        let (size, content) = (bytes(self.size), word(self.content));
        format!("{size} {content} {connections}x{in_flight} {runtime}")
    }
}

/// Everything of a run.
#[derive(Debug)]
pub struct Plan {
    pub memory: Vec<MemoryScenario>,
    pub loopback: Vec<LoopbackScenario>,
    pub idle: Vec<usize>,
    pub instructions: Vec<MemoryScenario>,
    pub kernels: bool,
    pub full: bool,
    pub rounds: Rounds,
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
pub const INSTRUCTIONS_STEP: f64 = 1.2;

const CHUNK: usize = 64 << 10;
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
        let mut plan = Self {
            memory: if full { memory_full() } else { memory_quick() },
            loopback: if full {
                loopback_full()
            } else {
                loopback_quick()
            },
            idle: if full { vec![2000, 10_000] } else { vec![2000] },
            instructions: instructions(full),
            kernels: true,
            full,
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
        plan.keep_parts(options);
        if let Some(rounds) = options.rounds {
            plan.rounds = Rounds {
                memory: rounds,
                loopback: rounds,
                idle: rounds,
                kernels: rounds,
            };
        }
        plan
    }

    fn keep_parts(&mut self, options: &Options) {
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
        self.kernels = wants(Part::Kernels);
    }

    /// One measurement on loopback with all that surrounds it.
    pub fn loopback_step(&self) -> f64 {
        self.loopback_seconds + 2.0 * self.warm_up_seconds + 0.1
    }

    /// Lines that say what will be done, and the seconds it should take with so many contestants.
    pub fn describe(&self, contestants: usize) -> (Vec<String>, f64) {
        let Rounds {
            memory,
            loopback,
            idle,
            kernels,
        } = self.rounds;
        let runs =
            |scenarios: usize, rounds: u32| (scenarios * contestants) as f64 * f64::from(rounds);
        let idle_step: f64 = self
            .idle
            .iter()
            .map(|connections| idle_step(*connections))
            .sum();
        let parts = [
            (
                "memory",
                self.memory.len(),
                memory,
                runs(self.memory.len(), memory) * MEMORY_STEP,
            ),
            (
                "loopback",
                self.loopback.len(),
                loopback,
                runs(self.loopback.len(), loopback) * self.loopback_step(),
            ),
            ("idle", self.idle.len(), idle, runs(1, idle) * idle_step),
            (
                "kernels",
                usize::from(self.kernels),
                kernels,
                f64::from(u8::from(self.kernels)) * f64::from(kernels) * KERNELS_STEP,
            ),
            (
                "instructions",
                self.instructions.len(),
                1,
                runs(self.instructions.len(), 1) * INSTRUCTIONS_STEP,
            ),
        ];
        let mut lines = Vec::new();
        for (part, scenarios, rounds, seconds) in parts.into_iter().filter(|part| part.1 > 0) {
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

fn decode(
    role: &'static str,
    size: usize,
    content: Content,
    chunk: usize,
    keep: usize,
) -> MemoryScenario {
    MemoryScenario {
        op: "decode",
        role,
        size,
        content,
        chunk,
        keep,
    }
}

fn encode(role: &'static str, size: usize, content: Content) -> MemoryScenario {
    MemoryScenario {
        op: "encode",
        role,
        size,
        content,
        chunk: CHUNK,
        keep: 0,
    }
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
fn instructions(full: bool) -> Vec<MemoryScenario> {
    use Content::{Ascii, Binary, Json, Multi};
    let mut scenarios = vec![
        decode("server", 16, Binary, CHUNK, 0),
        decode("server", 1 << 10, Json, CHUNK, 0),
        decode("server", 16 << 10, Multi, CHUNK, 0),
        encode("server", 125, Json),
    ];
    if full {
        scenarios.extend([
            decode("server", 125, Ascii, CHUNK, 0),
            decode("server", 256 << 10, Multi, CHUNK, 0),
            decode("client", 16 << 10, Multi, CHUNK, 0),
            encode("client", 16 << 10, Binary),
        ]);
    }
    scenarios
}

pub fn word(content: Content) -> &'static str {
    match content {
        Content::Ascii => "ascii",
        Content::Json => "json",
        Content::Multi => "multi",
        Content::Binary => "binary",
    }
}

/// A size in the largest unit that divides it.
pub fn bytes(size: usize) -> String {
    match size {
        0 => "0 B".into(),
        size if size.is_multiple_of(1 << 20) => format!("{} MiB", size >> 20),
        size if size.is_multiple_of(1 << 10) => format!("{} KiB", size >> 10),
        size => format!("{size} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments() {
        let scenario = decode("server", 16 << 10, Content::Multi, 4 << 10, 16);
        assert_eq!(
            scenario.name(),
            "decode server 16 KiB multi chunk 4 KiB keep 16"
        );
        assert_eq!(scenario.argument(7), "decode:server:16384:multi:4096:16:7");
        assert_eq!(
            encode("client", 125, Content::Json).name(),
            "encode client 125 B json"
        );
    }

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
