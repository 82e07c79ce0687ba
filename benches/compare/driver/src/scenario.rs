//! The scenarios, read from their names.

use std::time::Duration;

use contestant::{Content, Settings};

use crate::{Outcome, server::Start};

/// The usual share of the stream that the transport in memory returns for one read.
const CHUNK: usize = 64 << 10;

/// A scenario. The parts use the fields that they need.
#[derive(Clone, Debug, Default)]
pub struct Scenario {
    pub name: String,
    /// `decode`, `encode`, or a word of the guard's own program.
    pub op: String,
    role: String,
    pub size: usize,
    pub content: Content,
    chunk: usize,
    pub connections: usize,
    pub in_flight: u64,
    /// The runtime of a server on loopback. Instructions are counted on `current`.
    pub runtime: String,
    pub deflate: Option<Settings>,
    pub tls: bool,
    /// Seconds from the last message to the measurement of idle memory.
    pub seconds: u64,
}

impl Scenario {
    /// Reads a name, for example `decode server 16 KiB multi chunk 4 KiB`, `20 B binary 100x16 current`, `1 KiB
    /// binary tls 4x16`, `chat takeover 32x4 current` or `1000 connections takeover 15 bits`.
    pub fn parse(name: &str) -> Outcome<Self> {
        let mut scenario = Self {
            name: name.into(),
            chunk: CHUNK,
            runtime: "current".into(),
            ..Self::default()
        };
        let text = name.replace(',', "");
        let mut words: Vec<&str> = text.split_whitespace().collect();
        if let Some(index) = words.iter().position(|word| *word == "takeover") {
            scenario.deflate = Some(Settings {
                level: 6,
                window_bits: 15,
                takeover: index == 0 || words[index - 1] != "no",
                keepalive: None,
            });
        }
        words.retain(|word| !["takeover", "no", "later"].contains(word));
        let mut rest = &words[..];
        while let Some(next) = scenario.word(rest) {
            rest = &rest[next..];
        }
        match rest {
            [] => Ok(scenario),
            rest => Err(format!("{name}: {rest:?} is not understood").into()),
        }
    }

    /// Reads the first words. Returns their number, or `None` if they are not understood.
    fn word(&mut self, words: &[&str]) -> Option<usize> {
        match *words {
            ["chunk", number, unit, ..] => {
                self.chunk = bytes(number, unit)?;
                return Some(3);
            }
            ["level", number, ..] => self.deflate.as_mut()?.level = number.parse().ok()?,
            [number, "bits", ..] => self.deflate.as_mut()?.window_bits = number.parse().ok()?,
            [number, "s", ..] => {
                self.seconds = number.parse().ok()?;
                self.deflate.as_mut()?.keepalive = Some(Duration::from_secs(1));
            }
            [number, "connections", ..] => self.connections = number.parse().ok()?,
            [number, unit @ ("B" | "KiB" | "MiB"), ..] => self.size = bytes(number, unit)?,
            [word, ..] => {
                match word {
                    "decode" | "encode" => self.op = word.into(),
                    "echo" | "split" | "handle" | "inflate" => self.op = word.into(),
                    "tls" => self.tls = true,
                    "server" | "client" => self.role = word.into(),
                    "current" | "multi2" => self.runtime = word.into(),
                    _ => match word.parse() {
                        Ok(content) => self.content = content,
                        Err(_) => {
                            let (connections, in_flight) = word.split_once('x')?;
                            self.connections = connections.parse().ok()?;
                            self.in_flight = in_flight.parse().ok()?;
                        }
                    },
                }
                return Some(1);
            }
            [] => return None,
        }
        Some(2)
    }

    /// Returns the conditions of a server.
    pub fn start(&self) -> Start<'_> {
        Start {
            runtime: &self.runtime,
            deflate: self.deflate.as_ref(),
            tls: self.tls,
            ..Start::CURRENT
        }
    }

    /// Returns the messages of the scenario: their size and their content.
    pub fn kind(&self) -> (usize, Content) {
        (self.size, self.content)
    }

    /// Returns the argument of a contestant in memory.
    pub fn argument(&self, messages: u64) -> String {
        let content: &str = self.content.into();
        let (op, role, size, chunk) = (&self.op, &self.role, self.size, self.chunk);
        let argument = format!("{op}:{role}:{size}:{content}:{chunk}:0:{messages}");
        match &self.deflate {
            Some(settings) => format!("{argument}:{settings}"),
            None => argument,
        }
    }
}

fn bytes(number: &str, unit: &str) -> Option<usize> {
    let number: usize = number.parse().ok()?;
    match unit {
        "B" => Some(number),
        "KiB" => Some(number << 10),
        "MiB" => Some(number << 20),
        _ => None,
    }
}

/// Writes a line for each alternative of `{a|b}`.
pub fn expand(line: &str) -> Vec<String> {
    let Some((before, rest)) = line.split_once('{') else {
        return vec![line.into()];
    };
    let (alternatives, after) = rest.split_once('}').unwrap_or((rest, ""));
    let lines = alternatives.split('|');
    lines
        .flat_map(|it| expand(&format!("{before}{it}{after}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        let scenario = Scenario::parse("decode server 16 KiB multi chunk 4 KiB").unwrap();
        assert_eq!(scenario.argument(7), "decode:server:16384:multi:4096:0:7");
        let scenario = Scenario::parse("encode server trades no takeover level 9").unwrap();
        let argument = "encode:server:0:trades:65536:0:7:9:15:alone:0";
        assert_eq!(scenario.argument(7), argument);
        let scenario = Scenario::parse("20 B binary 100x16 multi2").unwrap();
        assert_eq!((scenario.connections, scenario.in_flight), (100, 16));
        assert!(Scenario::parse("20 B soup 100x16 current").is_err());
    }

    #[test]
    fn alternatives_are_expanded() {
        assert_eq!(
            expand("a {b|c} {d|e}"),
            ["a b d", "a b e", "a c d", "a c e"]
        );
    }
}
