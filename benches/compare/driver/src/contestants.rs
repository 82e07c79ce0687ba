//! Builds the contestants and asks each for its description. A contestant that cannot be built is listed
//! with the reason.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use contestant::Settings;
use serde::Deserialize;

use crate::{Outcome, scenario::Scenario, server::Start};

/// The floor: plain TCP on loopback, malloc + memcpy or zlib in C in memory.
pub const FLOOR: &str = "tcp-tokio";
/// The crate under test.
pub const OURS: &str = "wsimd";
/// The same program under another name. The distance of its figures from itself is the noise.
pub const AGAIN: &str = " (again)";
/// Runs the guard's own scenarios, and takes part in nothing else.
pub const GUARD: &str = "wsimd-guard";
/// Names and programs of further echo servers: `name=path,...`. A name that begins with `wsimd-` stands for
/// a program of this crate at another commit.
const EXTRA: &str = "WSIMD_COMPARE_EXTRA";

#[derive(Clone, Debug, Default)]
pub struct Contestant {
    pub name: String,
    pub path: PathBuf,
    pub info: Info,
    /// A program given by the environment, which only serves.
    pub extra: bool,
}

/// The line that `info` prints.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Info {
    pub version: String,
    pub validates_text: bool,
    pub raw: bool,
    pub in_memory: bool,
    pub takeover: Option<bool>,
    pub lends: bool,
    pub tls: bool,
    pub note: String,
}

impl Contestant {
    pub fn again(&self) -> bool {
        self.name.ends_with(AGAIN)
    }

    /// Returns whether it takes part in a scenario in memory.
    pub fn in_memory(&self, scenario: &Scenario) -> bool {
        let ours_again = self.again() && !self.info.raw;
        let fits = self.compresses(scenario.deflate.as_ref());
        let too_much = self.info.lends && scenario.op == "encode";
        self.info.in_memory && fits && !too_much && !ours_again
    }

    /// Returns whether it serves with these parameters. The floor does not compress, so that ours stands
    /// in for the control.
    pub fn serves(&self, Start { deflate, tls, .. }: Start<'_>) -> bool {
        if tls && !self.info.tls {
            return false;
        }
        match deflate {
            Some(_) => self.compresses(deflate) && !self.info.raw,
            None => !self.info.lends && (!self.again() || self.info.raw),
        }
    }

    fn compresses(&self, deflate: Option<&Settings>) -> bool {
        deflate.is_none_or(|settings| {
            self.info
                .takeover
                .is_some_and(|takeover| takeover || !settings.takeover)
        })
    }
}

pub fn is_ours(name: &str) -> bool {
    name.starts_with(OURS)
}

#[derive(Debug, Default)]
pub struct Field {
    /// The contestants that take part.
    pub contestants: Vec<Contestant>,
    /// The names of the others, with the reason.
    pub missing: Vec<(String, String)>,
}

impl Field {
    /// Builds the contestants whose names pass `wanted`, and always the floor.
    pub fn build(workspace: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<Self> {
        let mut field = Self::default();
        for (package, mut programs) in packages(workspace) {
            programs.retain(|name| wanted(name) || name == FLOOR);
            if programs.is_empty() {
                continue;
            }
            eprintln!("building {}", programs.join(", "));
            let built = build(workspace, &format!("contestant-{package}"));
            for name in programs {
                let path = built.as_ref().map(|folder| folder.join(&name));
                field.add(&name, path.map_err(ToString::to_string), false);
            }
        }
        field.add_extras(&env::var(EXTRA).unwrap_or_default());
        for name in [FLOOR, OURS] {
            if let Some(again) = field.find(name).cloned() {
                field.contestants.push(Contestant {
                    name: format!("{name}{AGAIN}"),
                    ..again
                });
            }
        }
        Ok(field)
    }

    pub fn find(&self, name: &str) -> Option<&Contestant> {
        self.contestants.iter().find(|it| it.name == name)
    }

    fn add(&mut self, name: &str, path: Result<PathBuf, String>, extra: bool) {
        let added = path.and_then(|path| {
            let info = match extra {
                true => Info::default(),
                false => info(&path).map_err(|error| error.to_string())?,
            };
            self.contestants.push(Contestant {
                name: name.into(),
                path,
                info,
                extra,
            });
            Ok(())
        });
        if let Err(reason) = added {
            eprintln!("UNAVAILABLE {name}: {reason}");
            self.missing.push((name.into(), reason));
        }
    }

    fn add_extras(&mut self, list: &str) {
        for entry in list.split(',').filter(|entry| !entry.trim().is_empty()) {
            let (name, path) = entry.trim().split_once('=').unwrap_or((entry.trim(), ""));
            let path = PathBuf::from(path);
            let found = path.is_file().then_some(path);
            let path = found.ok_or_else(|| format!("{EXTRA} names no program for it"));
            self.add(name, path, !name.starts_with("wsimd-"));
        }
    }
}

fn info(path: &Path) -> Outcome<Info> {
    let output = Command::new(path)
        .arg("info")
        .stdin(Stdio::null())
        .output()?;
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Returns the packages of the contestants, each with its programs.
fn packages(workspace: &Path) -> impl Iterator<Item = (String, Vec<String>)> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let stems =
            entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_string()));
        let mut names: Vec<String> = stems.collect();
        names.sort();
        names
    };
    let folder = workspace.join("contestants");
    names(&folder).into_iter().map(move |package| {
        let programs = names(&folder.join(&package).join("src/bin"));
        (package, programs)
    })
}

/// Builds one package by itself, so that no contestant gets features that another asked for. Returns the
/// folder of the programs, which is that of this program.
pub fn build(workspace: &Path, package: &str) -> Outcome<PathBuf> {
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--quiet", "-p", package]);
    // `cargo run` describes this program in them. If they change, the build script of ring runs again.
    for (name, _) in env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        command.env_remove(name);
    }
    let output = command.current_dir(workspace).output()?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        let error = stderr.lines().find(|line| line.starts_with("error"));
        return Err(format!("does not build: {}", error.unwrap_or_default()).into());
    }
    Ok(env::current_exe()?.with_file_name(""))
}
