//! The command line.

use std::{env, fs, path::PathBuf};

use clap::{Args, Parser, ValueEnum};

use crate::{Outcome, contestants::GUARD};

/// Compares WebSocket libraries. `WSIMD_COMPARE_EXTRA="name=/path/to/program,..."` adds echo servers.
#[derive(Debug, Parser)]
#[command(bin_name = "compare")]
pub enum Command {
    /// Measures, and writes a table and a chart.
    Run(Options),
    /// Checks that each contestant echoes correctly.
    Smoke(Options),
    /// Measures the demands on this crate, and fails if one is missed.
    Gates(Options),
    /// Counts instructions, and fails if a count grew beyond the recorded baseline.
    Guard {
        baseline: PathBuf,
        /// Records the baseline.
        #[arg(long)]
        record: bool,
        #[command(flatten)]
        options: Options,
    },
    /// Calls a byte kernel: the program that the guard counts.
    Call {
        call: String,
        size: usize,
        calls: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    Memory,
    Loopback,
    Idle,
    Kernels,
    Json,
    Instructions,
    Deflate,
    Tls,
}

#[derive(Debug, Default, Args)]
pub struct Options {
    /// Fewer rounds and scenarios: the default of `run`.
    #[arg(long)]
    pub quick: bool,
    /// Every scenario and more rounds.
    #[arg(long)]
    pub full: bool,
    /// The parts to measure, all by default.
    #[arg(long, value_delimiter = ',')]
    pub part: Vec<Part>,
    /// The contestants, all by default.
    #[arg(long, value_delimiter = ',')]
    pub only: Vec<String>,
    /// Words that the names of scenarios contain.
    #[arg(long, value_delimiter = ',')]
    pub scenario: Vec<String>,
    #[arg(long)]
    pub rounds: Option<u32>,
    /// The folder for the results.
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Options {
    /// Returns whether a contestant takes part.
    pub fn wants(&self, name: &str) -> bool {
        if self.only.is_empty() {
            return name != GUARD;
        }
        self.only.iter().any(|wanted| wanted == name)
    }

    pub fn wants_part(&self, part: Part) -> bool {
        self.part.is_empty() || self.part.contains(&part)
    }

    pub fn wants_scenario(&self, name: &str) -> bool {
        let words = &self.scenario;
        words.is_empty() || words.iter().any(|words| name.contains(words))
    }

    /// Returns whether nothing is left out. Such a run replaces the latest results.
    pub fn is_whole(&self) -> bool {
        let all = self.part.is_empty() && self.only.is_empty() && self.scenario.is_empty();
        all && self.out.is_none()
    }

    /// Creates the folder of the results, by default beside this program.
    pub fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let program = env::current_exe()?;
        let folder = self.out.clone();
        let folder = folder.unwrap_or_else(|| program.with_file_name(name));
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }
}
