//! The command line.

use std::path::PathBuf;

use crate::{
    Outcome,
    contestants::{GUARD, KEEPER},
    deflate,
};

pub const USAGE: &str = "\
usage: compare run [--quick | --full] [--part memory,loopback,idle,kernels,instructions,deflate]
                   [--only NAME,...] [--scenario WORDS,...] [--rounds N] [--out DIR]
       compare smoke [--only NAME,...]
       compare report DIR
       compare gates [--quick] [--part …] [--only …] [--scenario …] [--rounds N] [--out DIR]
       compare idle-guard [--connections N]
       compare guard BASELINE [--record | --only … --scenario …]
       compare call in-place|copying|nothing SIZE CALLS    (what the guard counts)
WSIMD_COMPARE_EXTRA=\"name=/path/to/executable,...\" adds echo servers that understand `serve`.";

/// The connections of the guard of idle memory: as many as it takes to see what 10,000 show.
const IDLE_CONNECTIONS: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Quick,
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Memory,
    Loopback,
    Idle,
    Kernels,
    Instructions,
    /// With compression: a run of its own, unless it is asked for.
    Deflate,
}

impl Part {
    /// What a run has by itself.
    pub const USUAL: [Self; 5] = [
        Self::Memory,
        Self::Loopback,
        Self::Idle,
        Self::Kernels,
        Self::Instructions,
    ];
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Loopback,
        Self::Idle,
        Self::Kernels,
        Self::Instructions,
        Self::Deflate,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Loopback => "loopback",
            Self::Idle => "idle",
            Self::Kernels => "kernels",
            Self::Instructions => "instructions",
            Self::Deflate => "deflate",
        }
    }
}

/// What to do.
#[derive(Debug)]
pub enum Command {
    Run(Options),
    Smoke(Options),
    Report(PathBuf),
    Gates(Options),
    IdleGuard {
        connections: usize,
    },
    Guard {
        baseline: PathBuf,
        record: bool,
        options: Options,
    },
    Call {
        call: String,
        size: usize,
        calls: u64,
    },
}

#[derive(Debug)]
pub struct Options {
    pub mode: Mode,
    pub parts: Vec<Part>,
    /// Names of contestants, or none for all.
    pub only: Vec<String>,
    /// What the names of scenarios in memory and on loopback contain, or none for all.
    pub scenarios: Vec<String>,
    pub rounds: Option<u32>,
    pub out: Option<PathBuf>,
}

impl Options {
    fn new(mode: Mode) -> Self {
        Self {
            mode,
            parts: Part::USUAL.to_vec(),
            only: Vec::new(),
            scenarios: Vec::new(),
            rounds: None,
            out: None,
        }
    }

    /// Whether a contestant is to take part.
    pub fn wants(&self, name: &str) -> bool {
        if self.only.is_empty() {
            let compresses = deflate::is_contestant(name);
            let parts = &self.parts;
            let wanted = |part: &Part| (*part == Part::Deflate) == compresses;
            ![KEEPER, GUARD].contains(&name) && parts.iter().any(wanted)
        } else {
            self.only.iter().any(|wanted| wanted == name)
        }
    }

    /// Whether a scenario is asked for.
    pub fn wants_scenario(&self, name: &str) -> bool {
        let words = &self.scenarios;
        words.is_empty() || words.iter().any(|words| name.contains(words))
    }

    /// Whether everything is run: only then is the latest table of the README replaced.
    pub fn is_whole(&self) -> bool {
        let all = self.only.is_empty() && self.scenarios.is_empty();
        let parts = Part::USUAL.iter().all(|part| self.parts.contains(part));
        all && parts && self.out.is_none()
    }
}

pub fn parse(arguments: &[String]) -> Outcome<Command> {
    let (command, rest) = arguments.split_first().ok_or(USAGE)?;
    match (command.as_str(), rest) {
        ("run", rest) => Ok(Command::Run(flags(rest, Mode::Quick)?)),
        ("smoke", rest) => {
            let mut options = flags(rest, Mode::Quick)?;
            options.parts = Part::ALL.to_vec();
            Ok(Command::Smoke(options))
        }
        ("gates", rest) => Ok(Command::Gates(flags(rest, Mode::Full)?)),
        ("idle-guard", []) => Ok(Command::IdleGuard {
            connections: IDLE_CONNECTIONS,
        }),
        ("idle-guard", [flag, number]) if flag == "--connections" => Ok(Command::IdleGuard {
            connections: positive(number)? as usize,
        }),
        ("report", [folder]) => Ok(Command::Report(folder.into())),
        ("guard", [baseline, flag]) if flag == "--record" => Ok(Command::Guard {
            baseline: baseline.into(),
            record: true,
            options: Options::new(Mode::Full),
        }),
        ("guard", [baseline, rest @ ..]) => Ok(Command::Guard {
            baseline: baseline.into(),
            record: false,
            options: flags(rest, Mode::Full)?,
        }),
        ("call", [call, size, calls]) => Ok(Command::Call {
            call: call.clone(),
            size: size.parse().map_err(|_| USAGE)?,
            calls: calls.parse().map_err(|_| USAGE)?,
        }),
        _ => Err(USAGE.into()),
    }
}

fn flags(arguments: &[String], mode: Mode) -> Outcome<Options> {
    let mut options = Options::new(mode);
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let mut value = || {
            rest.next()
                .ok_or_else(|| format!("{flag} wants a value\n{USAGE}"))
        };
        match flag.as_str() {
            "--quick" => options.mode = Mode::Quick,
            "--full" => options.mode = Mode::Full,
            "--part" => options.parts = value()?.split(',').map(part).collect::<Outcome<_>>()?,
            "--only" => options.only = value()?.split(',').map(str::to_string).collect(),
            "--scenario" => {
                options.scenarios = value()?.split(',').map(str::to_string).collect();
            }
            "--rounds" => options.rounds = Some(positive(value()?)?),
            "--out" => options.out = Some(value()?.into()),
            _ => return Err(format!("{flag} is not understood\n{USAGE}")),
        }
    }
    Ok(options)
}

fn part(name: &str) -> Outcome<Part> {
    let found = Part::ALL.into_iter().find(|part| part.name() == name);
    found.ok_or_else(|| format!("{name} is no part\n{USAGE}"))
}

fn positive(number: &str) -> Outcome<u32> {
    let number = number.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| "counted from 1".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Outcome<Command> {
        let words: Vec<String> = line.split_whitespace().map(str::to_string).collect();
        parse(&words)
    }

    #[test]
    fn run_with_flags() {
        let Ok(Command::Run(options)) = parsed("run --full --part idle,memory --only a,b") else {
            panic!("not understood");
        };
        assert_eq!(options.mode, Mode::Full);
        assert_eq!(options.parts, [Part::Idle, Part::Memory]);
        assert!(options.wants("a") && !options.wants("c") && !options.is_whole());
    }

    #[test]
    fn compression_is_asked_for() {
        for (line, usual, compressing) in [
            ("run", true, false),
            ("smoke", true, true),
            ("run --part deflate", false, true),
            ("run --part idle,deflate", true, true),
            ("run --only a-deflate", false, true),
        ] {
            let Ok(Command::Run(options) | Command::Smoke(options)) = parsed(line) else {
                panic!("not understood");
            };
            assert_eq!(options.wants("a"), usual, "{line}");
            assert_eq!(options.wants("a-deflate"), compressing, "{line}");
        }
    }

    #[test]
    fn gates_are_full_unless_quick() {
        for (line, mode) in [("gates", Mode::Full), ("gates --quick", Mode::Quick)] {
            let Ok(Command::Gates(options)) = parsed(line) else {
                panic!("not understood");
            };
            assert_eq!(options.mode, mode);
        }
        let Ok(Command::IdleGuard { connections }) = parsed("idle-guard --connections 7") else {
            panic!("not understood");
        };
        assert_eq!(connections, 7);
    }

    #[test]
    fn mistakes_are_explained() {
        for line in [
            "",
            "race",
            "run --part soup",
            "run --out",
            "run --rounds 0",
            "gates --part soup",
            "idle-guard --connections 0",
            "idle-guard 5",
            "guard baseline --record --only a",
            "report",
            "call in-place 16",
            "call in-place 16 often",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
