//! What is measured with compression, and how long that takes.

use contestant::deflate::Settings;

use super::{CODEC, ECHO, IDLE, corpus::Corpus};
use crate::options::Options;

/// The levels whose sizes are compared with those of zlib.
pub const LEVELS: [u8; 4] = [1, 4, 6, 9];
const LEVEL: u8 = 6;
const MEMORY_LEVEL: u8 = 8;
/// How often an idle connection is pinged where memory is to be given back, in milliseconds.
const KEEPALIVE: u64 = 1000;

/// Seconds that a step takes, as planned: measured on two cores of 2.6 GHz.
const CODEC_STEP: f64 = 0.2;

/// Everything of this part.
#[derive(Debug, Default)]
pub struct Plan {
    pub codec: Vec<Codec>,
    pub echo: Vec<Echo>,
    pub idle: Vec<Idle>,
    pub codec_rounds: u32,
    pub echo_rounds: u32,
    pub idle_rounds: u32,
    /// Milliseconds that a codec is timed.
    pub milliseconds: u64,
}

/// Compressing or inflating in memory.
#[derive(Clone, Debug)]
pub struct Codec {
    pub op: &'static str,
    pub corpus: Corpus,
    pub settings: Settings,
}

/// Echoes on loopback.
#[derive(Clone, Debug)]
pub struct Echo {
    pub corpus: Corpus,
    pub settings: Settings,
    pub connections: usize,
    pub in_flight: u64,
}

/// Connections that wait.
#[derive(Clone, Debug)]
pub struct Idle {
    pub settings: Settings,
    pub connections: usize,
    /// Seconds after the message that memory is read.
    pub seconds: u64,
}

fn settings(level: u8, window_bits: u8, takeover: bool) -> Settings {
    Settings {
        level,
        window_bits,
        memory_level: MEMORY_LEVEL,
        takeover,
        keepalive: None,
    }
}

fn word(takeover: bool) -> &'static str {
    if takeover { "takeover" } else { "no takeover" }
}

impl Codec {
    /// The name in tables; what is inflated was compressed at the usual level by zlib-rs.
    pub fn name(&self) -> String {
        let (op, corpus) = (self.op, self.corpus.name());
        let takeover = word(self.settings.takeover);
        match op {
            "inflate" => format!("{op} {corpus} {takeover}"),
            _ => format!("{op} {corpus} {takeover} level {}", self.settings.level),
        }
    }
}

impl Echo {
    pub fn name(&self) -> String {
        let (corpus, takeover) = (self.corpus.name(), word(self.settings.takeover));
        format!(
            "{corpus} {takeover} {}x{}",
            self.connections, self.in_flight
        )
    }
}

impl Idle {
    pub fn name(&self) -> String {
        let mut name = format!(
            "{} connections {}",
            self.connections,
            word(self.settings.takeover)
        );
        if self.settings.takeover {
            name.push_str(&format!(" {} bits", self.settings.window_bits));
        }
        if self.seconds > 0 {
            name.push_str(&format!(", {} s later, pinged every second", self.seconds));
        }
        name
    }
}

impl Plan {
    pub fn new(full: bool) -> Self {
        Self {
            codec: codec(),
            echo: echo(full),
            idle: idle(if full { &[1000, 4000] } else { &[1000] }),
            codec_rounds: if full { 7 } else { 3 },
            echo_rounds: if full { 9 } else { 5 },
            idle_rounds: 2,
            milliseconds: if full { 150 } else { 50 },
        }
    }

    pub fn narrowed(mut self, options: &Options, wanted: bool) -> Self {
        let wants = |part: &str, name: String| {
            // `deflate-echo` and the like choose among the three.
            let words = &options.scenarios;
            let [parts, words]: [Vec<&String>; 2] = [true, false].map(|of_parts| {
                let is_part = |word: &&String| [CODEC, ECHO, IDLE].contains(&word.as_str());
                words.iter().filter(|it| is_part(it) == of_parts).collect()
            });
            wanted
                && (parts.is_empty() || parts.iter().any(|it| *it == part))
                && (words.is_empty() || words.iter().any(|it| name.contains(*it)))
        };
        self.codec.retain(|it| wants(CODEC, it.name()));
        self.echo.retain(|it| wants(ECHO, it.name()));
        self.idle.retain(|it| wants(IDLE, it.name()));
        if let Some(rounds) = options.rounds {
            (self.codec_rounds, self.echo_rounds, self.idle_rounds) = (rounds, rounds, rounds);
        }
        self
    }

    /// Part, scenarios, rounds and seconds of the three, for codecs and servers so many.
    pub fn steps(
        &self,
        codecs: usize,
        servers: usize,
        echo_step: f64,
    ) -> [(&'static str, usize, u32, f64); 3] {
        let seconds =
            |scenarios: usize, rounds: u32, step: f64| scenarios as f64 * f64::from(rounds) * step;
        let idle = self.idle.iter().map(|it| it.step() * servers as f64);
        [
            (
                CODEC,
                self.codec.len(),
                self.codec_rounds,
                seconds(
                    self.codec.len(),
                    self.codec_rounds,
                    CODEC_STEP * codecs as f64,
                ),
            ),
            (
                ECHO,
                self.echo.len(),
                self.echo_rounds,
                seconds(
                    self.echo.len(),
                    self.echo_rounds,
                    echo_step * servers as f64,
                ),
            ),
            (
                IDLE,
                self.idle.len(),
                self.idle_rounds,
                idle.sum::<f64>() * f64::from(self.idle_rounds),
            ),
        ]
    }

    pub fn codec_step(&self) -> f64 {
        CODEC_STEP
    }
}

impl Idle {
    /// Seconds that one measurement takes.
    pub fn step(&self) -> f64 {
        1.0 + self.seconds as f64 + self.connections as f64 * 0.000_4
    }
}

fn codec() -> Vec<Codec> {
    let mut scenarios = Vec::new();
    for corpus in Corpus::ALL {
        for takeover in [true, false] {
            scenarios.extend(LEVELS.map(|level| Codec {
                op: "compress",
                corpus,
                settings: settings(level, 15, takeover),
            }));
            scenarios.push(Codec {
                op: "inflate",
                corpus,
                settings: settings(LEVEL, 15, takeover),
            });
        }
    }
    scenarios
}

fn echo(full: bool) -> Vec<Echo> {
    let mut scenarios = Vec::new();
    let loads: &[(usize, u64)] = if full {
        &[(1, 1), (32, 4), (200, 4)]
    } else {
        &[(32, 4)]
    };
    for corpus in Corpus::ALL {
        for takeover in [true, false] {
            for &(connections, in_flight) in loads {
                let large = corpus == Corpus::LargePages;
                scenarios.push(Echo {
                    corpus,
                    settings: settings(LEVEL, 15, takeover),
                    connections: if large {
                        connections.min(4)
                    } else {
                        connections
                    },
                    in_flight: if large { 1 } else { in_flight },
                });
            }
        }
    }
    scenarios.dedup_by_key(|it| it.name());
    scenarios
}

fn idle(connections: &[usize]) -> Vec<Idle> {
    let mut scenarios = Vec::new();
    for &connections in connections {
        for settings in [
            settings(LEVEL, 15, false),
            settings(LEVEL, 15, true),
            settings(LEVEL, 10, true),
        ] {
            scenarios.push(Idle {
                settings,
                connections,
                seconds: 0,
            });
        }
        scenarios.push(Idle {
            settings: Settings {
                keepalive: Some(std::time::Duration::from_millis(KEEPALIVE)),
                ..settings(LEVEL, 15, true)
            },
            connections,
            seconds: 3,
        });
    }
    scenarios
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        for full in [true, false] {
            let plan = Plan::new(full);
            let mut names: Vec<String> = plan.codec.iter().map(Codec::name).collect();
            names.extend(plan.echo.iter().map(Echo::name));
            names.extend(plan.idle.iter().map(Idle::name));
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }
}
