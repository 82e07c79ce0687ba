//! In memory: each contestant compresses and inflates the same messages in a process of its own; what
//! it wrote is inflated and compared here.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use contestant::deflate::write_list;
use serde::Deserialize;

use super::{
    CODEC, OURS_AGAIN, PYTHON, ZLIB, corpus::Corpus, plan::Codec, python::Python, replies, zlib,
};
use crate::{
    Outcome,
    contestants::Contestant,
    machine, server,
    session::{Place, Session, pin_apart, unpin},
};

/// One line of a contestant.
#[derive(Debug, Deserialize)]
pub struct Line {
    pub messages: u64,
    pub ns: u64,
    #[serde(default)]
    allocs: u64,
    #[serde(default)]
    alloc_bytes: u64,
}

/// A corpus and the files that contestants read.
struct Prepared {
    messages: Vec<Vec<u8>>,
    file: PathBuf,
}

/// A folder that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("compare-deflate-{}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        Ok(Self(folder))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name.replace(' ', "-"))
    }

    fn write(&self, name: &str, messages: &[Vec<u8>]) -> Outcome<PathBuf> {
        let file = self.file(name);
        write_list(&file, messages).map_err(|error| error.to_string())?;
        Ok(file)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub fn run(session: &mut Session) -> Outcome<()> {
    let scenarios = session.plan.deflate.codec.clone();
    if scenarios.is_empty() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let python = Python::find(&session.workspace);
    let core = pin_apart();
    let mut corpora: HashMap<Corpus, Prepared> = HashMap::new();
    for corpus in Corpus::ALL {
        let messages = corpus.messages();
        let file = scratch.write(corpus.name(), &messages)?;
        corpora.insert(corpus, Prepared { messages, file });
    }
    // Bytes per message that zlib wrote, by scenario.
    let mut zlib_bytes: HashMap<String, f64> = HashMap::new();
    for round in 0..session.plan.deflate.codec_rounds {
        for (index, scenario) in scenarios.iter().enumerate() {
            let prepared = &corpora[&scenario.corpus];
            let job = Job {
                scenario,
                prepared,
                compressed: scratch.file(&format!(
                    "{} {}",
                    scenario.corpus.name(),
                    scenario.settings
                )),
                output: scratch.file("output"),
                milliseconds: session.plan.deflate.milliseconds,
                core,
            };
            if scenario.op == "inflate" && !job.compressed.exists() {
                let compressed = zlib::compress(&prepared.messages, &scenario.settings)?;
                write_list(&job.compressed, &compressed).map_err(|error| error.to_string())?;
            }
            let name = scenario.name();
            let turn = round as usize + index;
            let mut contestants = session.rotated_deflate(turn, &scenario.settings, |contestant| {
                contestant.name != OURS_AGAIN
            });
            if round == 0 {
                // Sizes are compared with those of zlib.
                contestants.sort_by_key(|contestant| contestant.name != ZLIB);
            }
            for contestant in contestants {
                let place = Place {
                    part: CODEC,
                    scenario: &name,
                    contestant: &contestant.name,
                    round,
                };
                let what = format!("deflate, round {}: {name}: {}", round + 1, contestant.name);
                let step = session.plan.deflate.codec_step();
                session.progress.step(&what, step);
                session.measure(&place, |_| {
                    let mut values = job.measure(&contestant)?;
                    add_ratio(&mut values, &contestant.name, &name, &mut zlib_bytes);
                    Ok(values)
                })?;
            }
            if round == 0 && scenario.op == "compress" {
                let place = Place {
                    part: CODEC,
                    scenario: &name,
                    contestant: PYTHON,
                    round,
                };
                session.measure(&place, |_| {
                    let python = python.as_ref().map_err(String::clone)?;
                    let line = python.compress(scenario, &prepared.file, &job.output)?;
                    let mut values = job.values(&line)?;
                    add_ratio(&mut values, PYTHON, &name, &mut zlib_bytes);
                    Ok(values)
                })?;
            }
        }
    }
    unpin(machine::cores());
    Ok(())
}

/// Adds the size relative to that of zlib, where there is a size.
fn add_ratio(
    values: &mut BTreeMap<String, f64>,
    contestant: &str,
    scenario: &str,
    zlib: &mut HashMap<String, f64>,
) {
    let Some(bytes) = values.get("bytes").copied() else {
        return;
    };
    if contestant == ZLIB {
        zlib.insert(scenario.to_string(), bytes);
    }
    if let Some(zlib) = zlib.get(scenario) {
        values.insert("size".into(), bytes / zlib);
    }
}

struct Job<'a> {
    scenario: &'a Codec,
    prepared: &'a Prepared,
    compressed: PathBuf,
    output: PathBuf,
    milliseconds: u64,
    core: Option<usize>,
}

impl Job<'_> {
    fn measure(&self, contestant: &Contestant) -> Outcome<BTreeMap<String, f64>> {
        let scenario = self.scenario;
        let kind = if scenario.corpus.is_text() {
            "text"
        } else {
            "binary"
        };
        let mut command = Command::new(&contestant.path);
        command
            .args([scenario.op, &scenario.settings.to_string(), kind])
            .arg(&self.prepared.file)
            .arg(match scenario.op {
                "inflate" => &self.compressed,
                _ => &self.output,
            })
            .arg(self.milliseconds.to_string());
        server::prepare(&mut command, self.core);
        self.values(&ask(&mut command)?)
    }

    fn values(&self, line: &Line) -> Outcome<BTreeMap<String, f64>> {
        let messages = &self.prepared.messages;
        let mean = messages.iter().map(Vec::len).sum::<usize>() as f64 / messages.len() as f64;
        let count = line.messages as f64;
        let ns = line.ns as f64 / count;
        let mut values = vec![
            ("messages", count),
            ("ns", ns),
            ("mb_per_s", mean / ns * 1e3),
            ("allocs", line.allocs as f64 / count),
            ("alloc_bytes", line.alloc_bytes as f64 / count),
        ];
        if self.scenario.op == "compress" {
            let bytes = written(&self.output, messages, self.scenario)?;
            values.push(("bytes", bytes as f64 / messages.len() as f64));
        }
        let values = values.into_iter();
        Ok(values
            .map(|(name, value)| (name.to_string(), value))
            .collect())
    }
}

/// Checks what was written, and removes it.
fn written(output: &Path, messages: &[Vec<u8>], scenario: &Codec) -> Outcome<u64> {
    let wire = fs::read(output).map_err(|error| error.to_string())?;
    let _ = fs::remove_file(output);
    replies::check(&wire, messages, &scenario.settings)
}

/// Runs a program that prints one line.
pub fn ask(command: &mut Command) -> Outcome<Line> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("does not start: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let last = stderr.lines().rfind(|line| !line.is_empty());
    let last = last.unwrap_or_default();
    serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("printed no result ({}): {last}", output.status))
}
