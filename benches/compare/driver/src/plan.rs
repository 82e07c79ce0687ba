//! The measurements of a run, and their rounds.

use std::time::Duration;

use contestant::{Content, Settings};

use crate::{
    options::{Options, Part},
    scenario::{CHUNK, Counted, Echo, Idle, Memory},
    session::Place,
};

/// Everything of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub memory: Vec<Memory>,
    pub echo: Vec<Echo>,
    pub idle: Vec<Idle>,
    pub counted: Vec<Counted>,
    pub kernels: bool,
    pub rounds: Rounds,
    /// Whether a contestant is measured at a place. The gates leave some out.
    pub takes_part: fn(&Place<'_>) -> bool,
    /// Seconds of one measurement on loopback, and of its warm-up.
    pub seconds: f64,
    pub warm_up: f64,
}

#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub memory: u32,
    pub echo: u32,
    pub idle: u32,
    pub kernels: u32,
}

const QUICK: Rounds = Rounds {
    memory: 5,
    echo: 5,
    idle: 2,
    kernels: 3,
};
const FULL: Rounds = Rounds {
    memory: 7,
    echo: 7,
    idle: 5,
    kernels: 7,
};
const CONTENTS: [Content; 4] = [
    Content::Ascii,
    Content::Json,
    Content::Multi,
    Content::Binary,
];
const STORIES: [(usize, Content); 6] = [
    (0, Content::Trades),
    (0, Content::Books),
    (0, Content::Chat),
    (0, Content::Pages),
    (0, Content::LargePages),
    (1 << 10, Content::Binary),
];
/// Scenarios with more payload in flight are left out: they measure the kernel's memory.
const MOST_IN_FLIGHT: usize = 64 << 20;
/// The levels whose sizes are compared with those of zlib.
const LEVELS: [u8; 4] = [1, 4, 6, 9];

impl Plan {
    pub fn new(options: &Options) -> Self {
        let full = options.full;
        let mut plan = Self {
            memory: if full { memory_full() } else { memory_quick() },
            echo: if full { echo_full() } else { echo_quick() },
            idle: [2000, 10_000][..if full { 2 } else { 1 }]
                .iter()
                .map(|&connections| Idle {
                    connections,
                    deflate: None,
                    seconds: 0,
                })
                .collect(),
            counted: counted().map(Counted::Memory).chain(echoes()).collect(),
            kernels: true,
            rounds: if full { FULL } else { QUICK },
            takes_part: |_| true,
            seconds: if full { 0.8 } else { 0.25 },
            warm_up: if full { 0.15 } else { 0.05 },
        };
        plan.memory.extend(codecs());
        plan.echo.extend(compressed_echoes());
        plan.idle.extend(compressed_idle());
        plan.narrowed(options)
    }

    /// Keeps the parts, scenarios and rounds that the options ask for.
    pub fn narrowed(mut self, options: &Options) -> Self {
        let wants = |part, deflate: Option<&Settings>, name: String| {
            let part = if deflate.is_some() {
                Part::Deflate
            } else {
                part
            };
            options.wants_part(part) && options.wants_scenario(&name)
        };
        self.memory
            .retain(|it| wants(Part::Memory, it.deflate.as_ref(), it.name()));
        self.echo
            .retain(|it| wants(Part::Loopback, it.deflate.as_ref(), it.name()));
        self.idle
            .retain(|it| wants(Part::Idle, it.deflate.as_ref(), it.name()));
        self.counted
            .retain(|it| wants(Part::Instructions, None, it.name()));
        self.kernels &= options.wants_part(Part::Kernels);
        if let Some(rounds) = options.rounds {
            self.rounds = Rounds {
                memory: rounds,
                echo: rounds,
                idle: rounds,
                kernels: rounds,
            };
        }
        self
    }
}

fn memory_quick() -> Vec<Memory> {
    use Content::{Ascii, Binary, Json, Multi};
    let decode = |role, size, content| Memory::new("decode", role, size, content);
    let encode = |role, size, content| Memory::new("encode", role, size, content);
    vec![
        decode("server", 16, Binary),
        decode("server", 125, Json),
        decode("server", 1 << 10, Json),
        decode("server", 16 << 10, Ascii),
        decode("server", 16 << 10, Multi),
        decode("server", 256 << 10, Binary),
        encode("server", 125, Json),
        encode("client", 125, Json),
    ]
}

fn memory_full() -> Vec<Memory> {
    let mut scenarios = Vec::new();
    for size in [16, 125, 1 << 10, 4 << 10, 16 << 10, 256 << 10, 4 << 20] {
        for content in CONTENTS {
            for role in ["server", "client"] {
                let decode = Memory::new("decode", role, size, content);
                scenarios.push(Memory {
                    chunk: 4 << 10,
                    keep: 16,
                    ..decode.clone()
                });
                scenarios.push(decode);
                scenarios.push(Memory::new("encode", role, size, content));
            }
        }
    }
    scenarios
}

fn echo_quick() -> Vec<Echo> {
    use Content::{Binary, Multi};
    vec![
        Echo::new((20, Binary), (1, 1), "current"),
        Echo::new((20, Binary), (100, 1), "current"),
        Echo::new((20, Binary), (100, 16), "current"),
        Echo::new((1 << 10, Multi), (100, 16), "current"),
        Echo::new((16 << 10, Multi), (100, 1), "current"),
        Echo::new((16 << 10, Multi), (100, 16), "current"),
        Echo::new((4 << 20, Binary), (1, 1), "current"),
        Echo::new((20, Binary), (100, 16), "multi2"),
    ]
}

fn echo_full() -> Vec<Echo> {
    let mut scenarios = Vec::new();
    for runtime in ["current", "multi2"] {
        for size in [20, 1 << 10, 16 << 10, 256 << 10, 4 << 20] {
            for content in [Content::Binary, Content::Multi] {
                for connections in [1, 10, 100, 500] {
                    for in_flight in [1, 16] {
                        let load = (connections, in_flight);
                        scenarios.push(Echo::new((size, content), load, runtime));
                    }
                }
            }
        }
    }
    scenarios.retain(|it| it.size * it.connections * it.in_flight as usize <= MOST_IN_FLIGHT);
    scenarios
}

/// Callgrind is slow and its counts do not vary, so that a few scenarios stand for the others.
fn counted() -> impl Iterator<Item = Memory> {
    use Content::{Binary, Json, Multi};
    let scenarios = [
        ("decode", 16, Binary),
        ("decode", 125, Json),
        ("decode", 1 << 10, Json),
        ("decode", 16 << 10, Multi),
        ("encode", 125, Json),
    ];
    let scenarios = scenarios.into_iter();
    scenarios.map(|(op, size, content)| Memory::new(op, "server", size, content))
}

/// The scenarios of the baseline of instructions.
pub fn guarded() -> Vec<Counted> {
    use Content::{Binary, Json};
    /// A client's frame of 125 bytes.
    const FRAME: usize = 131;
    let own = |op, size, chunk| Memory {
        chunk,
        ..Memory::new(op, "server", size, Json)
    };
    let more = [
        Memory::new("encode", "server", 16, Binary),
        Memory::new("encode", "server", 1 << 20, Binary),
        Memory::new("encode", "client", 16, Binary),
        Memory::new("encode", "client", 1 << 10, Json),
        Memory::new("encode", "client", 1 << 20, Binary),
        own("echo", 125, FRAME),
        own("echo", 125, 16 * FRAME),
        own("split", 125, FRAME),
        own("split", 125, 16 * FRAME),
        own("handle", 125, FRAME),
        own("handle", 125, 16 * FRAME),
        own("inflate", 1 << 10, CHUNK),
    ];
    counted().chain(more).map(Counted::Memory).collect()
}

/// Echoes whose instructions are counted in the server alone.
pub fn echoes() -> impl Iterator<Item = Counted> {
    let kinds = [(20, Content::Binary), (1 << 10, Content::Multi)];
    let loads = [(4, 16), (4, 1)];
    let echo = move |kind| loads.map(|load| Counted::Echo(Echo::new(kind, load, "current")));
    kinds.into_iter().flat_map(echo)
}

fn settings(level: u8, window_bits: u8, takeover: bool) -> Option<Settings> {
    Some(Settings {
        level,
        window_bits,
        takeover,
        keepalive: None,
    })
}

fn codecs() -> impl Iterator<Item = Memory> {
    let codecs = |(size, content)| {
        [true, false].into_iter().flat_map(move |takeover| {
            let encode = LEVELS.map(|level| ("encode", level));
            let all = encode.into_iter().chain([("decode", 6)]);
            all.map(move |(op, level)| Memory {
                deflate: settings(level, 15, takeover),
                ..Memory::new(op, "server", size, content)
            })
        })
    };
    STORIES.into_iter().flat_map(codecs)
}

fn compressed_echoes() -> impl Iterator<Item = Echo> {
    let echoes = |kind: (usize, Content)| {
        let load = match kind.1 {
            Content::LargePages => (4, 1),
            _ => (32, 4),
        };
        [true, false].map(|takeover| Echo {
            deflate: settings(6, 15, takeover),
            ..Echo::new(kind, load, "current")
        })
    };
    STORIES.into_iter().flat_map(echoes)
}

fn compressed_idle() -> impl Iterator<Item = Idle> {
    let idle = |deflate, seconds| Idle {
        connections: 1000,
        deflate,
        seconds,
    };
    let pinged = settings(6, 15, true).map(|settings| Settings {
        keepalive: Some(Duration::from_secs(1)),
        ..settings
    });
    [
        idle(settings(6, 15, false), 0),
        idle(settings(6, 15, true), 0),
        idle(settings(6, 10, true), 0),
        idle(pinged, 3),
    ]
    .into_iter()
}
