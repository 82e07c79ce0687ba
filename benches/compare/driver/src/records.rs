//! What is measured, line by line: the raw data that tables and charts are made from.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    path::Path,
};

use serde::{Deserialize, Serialize};

use crate::Outcome;

/// One line of `raw.jsonl`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Record {
    Meta(Meta),
    Contestant(Listing),
    Sample(Sample),
    Missing(Missing),
}

/// Where, when and of what the measurements were taken.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Meta {
    pub date: String,
    pub commit: String,
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub rust: String,
    pub mode: String,
    pub parts: Vec<String>,
    pub syscalls_by: String,
    #[serde(default)]
    pub seconds: f64,
}

/// A contestant, or why it is missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Listing {
    pub name: String,
    pub version: String,
    pub validates_text: bool,
    /// Echoes bytes, not messages: a limit, not a peer.
    pub raw: bool,
    pub note: String,
    pub missing: Option<String>,
}

impl Listing {
    pub fn is_ours(&self) -> bool {
        self.name == "wsimd" || self.name.starts_with("wsimd-")
    }

    /// A WebSocket library of others that checks text, as the protocol asks.
    pub fn is_validating_peer(&self) -> bool {
        self.validates_text && !self.raw && !self.is_ours()
    }
}

/// What one contestant did in one round of one scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Sample {
    pub part: String,
    pub scenario: String,
    pub contestant: String,
    pub round: u32,
    pub values: BTreeMap<String, f64>,
}

/// Why there is no sample.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Missing {
    pub part: String,
    pub scenario: String,
    pub contestant: String,
    pub reason: String,
}

/// Appends records to `raw.jsonl`, each at once: a run that is stopped leaves what it has measured.
#[derive(Debug)]
pub struct Log {
    file: File,
    pub records: Vec<Record>,
}

impl Log {
    pub fn create(folder: &Path) -> Outcome<Self> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let file = File::create(folder.join("raw.jsonl")).map_err(|error| error.to_string())?;
        Ok(Self {
            file,
            records: Vec::new(),
        })
    }

    pub fn add(&mut self, record: Record) -> Outcome<()> {
        let line = serde_json::to_string(&record).map_err(|error| error.to_string())?;
        writeln!(self.file, "{line}").map_err(|error| format!("raw.jsonl: {error}"))?;
        self.records.push(record);
        Ok(())
    }

    /// Notes that a scenario has no figure for a contestant, once.
    pub fn missing(&mut self, missing: Missing) -> Outcome<()> {
        let known = self.records.iter().any(|record| {
            matches!(record, Record::Missing(other) if other.part == missing.part
                && other.scenario == missing.scenario && other.contestant == missing.contestant)
        });
        if known {
            return Ok(());
        }
        self.add(Record::Missing(missing))
    }
}

pub fn read(folder: &Path) -> Outcome<Vec<Record>> {
    let path = folder.join("raw.jsonl");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    text.lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("raw.jsonl: {error}")))
        .collect()
}
