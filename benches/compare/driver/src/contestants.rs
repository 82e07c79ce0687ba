//! Builds the contestants and asks each who it is. One that cannot be built is named, with the reason.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

use crate::{Outcome, deflate, records::Listing};

/// The limit that stands for plain TCP on loopback and for malloc + memcpy in memory.
pub const FLOOR: &str = "tcp-tokio";
/// The same program under another name: how far it is from itself is how far figures can be trusted.
pub const CONTROL: &str = "tcp-tokio (again)";
const CONTROL_NOTE: &str = "control: the same program under another name";
/// Keeps a message for each connection: only the gates ask what that costs.
pub const KEEPER: &str = "wsimd-keep";
/// Runs the guard's own scenarios, and takes part in nothing else.
pub const GUARD: &str = "wsimd-guard";
/// Names and executables of further echo servers: `name=path,…`. One named `wsimd-…` is a program of
/// this crate's contestants, of another commit.
const EXTRA: &str = "WSIMD_COMPARE_EXTRA";

#[derive(Clone, Debug)]
pub struct Contestant {
    pub name: String,
    pub path: PathBuf,
    /// Given by the environment: it only serves.
    pub extra: bool,
    pub raw: bool,
    /// Whether it takes part without a socket.
    pub in_memory: bool,
    /// Whether it can compress with context takeover.
    pub takeover: bool,
}

/// Who takes part, and the listing of all, the missing ones included.
#[derive(Debug, Default)]
pub struct Field {
    pub contestants: Vec<Contestant>,
    /// Those who take part with compression, and in nothing else.
    pub deflate: Vec<Contestant>,
    pub listings: Vec<Listing>,
}

impl Field {
    /// Builds those whose names pass `wanted`, and always the floor.
    pub fn build(workspace: &Path, wanted: impl Fn(&str) -> bool) -> Outcome<Self> {
        let metadata = Metadata::read(workspace)?;
        let mut field = Self::default();
        for package in metadata.contestants(workspace) {
            let names = package.executables();
            let names: Vec<&str> = names
                .filter(|name| wanted(name) || *name == FLOOR)
                .collect();
            if names.is_empty() {
                continue;
            }
            eprintln!("building {}", names.join(", "));
            let built = build(workspace, &package.name);
            for name in names {
                let path = metadata.target_directory.join("release").join(name);
                field.add(name, built.clone().map(|()| path));
            }
        }
        field.add_extras(&env::var(EXTRA).unwrap_or_default());
        field.add_control();
        field.add_deflate_control(deflate::ZLIB, deflate::ZLIB_AGAIN);
        field.add_deflate_control(deflate::OURS, deflate::OURS_AGAIN);
        Ok(field)
    }

    /// The one of a name, if it takes part.
    pub fn find(&self, name: &str) -> Option<&Contestant> {
        self.contestants
            .iter()
            .find(|contestant| contestant.name == name)
    }

    /// Leaves those out that do not validate text, and are no limit.
    pub fn drop_careless(&mut self) {
        let careful = |it: &Listing| it.raw || it.validates_text;
        let listings = &self.listings;
        self.contestants.retain(|contestant| {
            let listing = listings.iter().find(|it| it.name == contestant.name);
            listing.is_none_or(careful)
        });
        self.listings
            .retain(|listing| listing.missing.is_some() || careful(listing));
    }

    fn add(&mut self, name: &str, path: Outcome<PathBuf>) {
        match path.and_then(|path| Ok((info(&path)?, path))) {
            Ok((info, path)) => {
                let field = if info.deflate {
                    &mut self.deflate
                } else {
                    &mut self.contestants
                };
                field.push(Contestant {
                    name: name.into(),
                    path,
                    extra: false,
                    raw: info.raw,
                    in_memory: !info.decode.is_empty() || !info.encode.is_empty(),
                    takeover: info.takeover,
                });
                self.listings.push(Listing {
                    name: name.into(),
                    version: info.version,
                    validates_text: info.validates_text,
                    raw: info.raw,
                    note: info.note,
                    missing: None,
                });
            }
            Err(reason) => {
                eprintln!("UNAVAILABLE {name}: {reason}");
                self.listings.push(Listing {
                    name: name.into(),
                    missing: Some(reason),
                    ..Listing::default()
                });
            }
        }
    }

    fn add_extras(&mut self, list: &str) {
        for entry in list.split(',').filter(|entry| !entry.trim().is_empty()) {
            let (name, path) = entry.trim().split_once('=').unwrap_or((entry.trim(), ""));
            let path = PathBuf::from(path);
            let missing = (!path.is_file()).then(|| format!("{EXTRA} names no executable for it"));
            if name.starts_with("wsimd-") {
                self.add(name, missing.map_or(Ok(path), Err));
                continue;
            }
            self.listings.push(Listing {
                name: name.into(),
                version: "as given".into(),
                note: format!("an executable given by {EXTRA}"),
                missing: missing.clone(),
                ..Listing::default()
            });
            if missing.is_none() {
                self.contestants.push(Contestant {
                    name: name.into(),
                    path,
                    extra: true,
                    raw: false,
                    in_memory: false,
                    takeover: false,
                });
            }
        }
    }

    fn add_control(&mut self) {
        let Some(floor) = self.find(FLOOR).cloned() else {
            return;
        };
        let listing = self.listings.iter().find(|listing| listing.name == FLOOR);
        let listing = listing.cloned().unwrap_or_default();
        self.contestants.push(Contestant {
            name: CONTROL.into(),
            ..floor
        });
        self.listings.push(Listing {
            name: CONTROL.into(),
            note: CONTROL_NOTE.into(),
            ..listing
        });
    }

    fn add_deflate_control(&mut self, name: &str, again: &str) {
        let Some(one) = self.deflate.iter().find(|it| it.name == name).cloned() else {
            return;
        };
        let listing = self.listings.iter().find(|listing| listing.name == name);
        let listing = listing.cloned().unwrap_or_default();
        self.deflate.push(Contestant {
            name: again.into(),
            ..one
        });
        self.listings.push(Listing {
            name: again.into(),
            // It is not ranked.
            raw: true,
            note: CONTROL_NOTE.into(),
            ..listing
        });
    }
}

/// The line that `info` prints, as far as it is used.
#[derive(Deserialize)]
struct Info {
    version: String,
    validates_text: bool,
    #[serde(default)]
    raw: bool,
    #[serde(default)]
    deflate: bool,
    #[serde(default)]
    takeover: bool,
    #[serde(default)]
    decode: Vec<String>,
    #[serde(default)]
    encode: Vec<String>,
    #[serde(default)]
    note: String,
    #[serde(default)]
    unavailable: Option<String>,
}

fn info(path: &Path) -> Outcome<Info> {
    let output = Command::new(path)
        .arg("info")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("`info` failed ({})", output.status));
    }
    let info: Info = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("`info` prints something else: {error}"))?;
    match info.unavailable {
        Some(reason) => Err(reason),
        None => Ok(info),
    }
}

/// What `cargo metadata` says, as far as it is used.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Metadata {
    fn read(workspace: &Path) -> Outcome<Self> {
        let output = Command::new("cargo")
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .current_dir(workspace)
            .output()
            .map_err(|error| format!("cargo: {error}"))?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr);
            return Err(format!("cargo metadata: {}", without_paths(&stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
    }

    fn contestants(&self, workspace: &Path) -> impl Iterator<Item = &Package> {
        let folder = workspace.join("contestants");
        let packages = self.packages.iter();
        packages.filter(move |package| package.manifest_path.starts_with(&folder))
    }
}

impl Package {
    fn executables(&self) -> impl Iterator<Item = &str> {
        let targets = self.targets.iter();
        let executables = targets.filter(|target| target.kind.iter().any(|kind| kind == "bin"));
        executables.map(|target| target.name.as_str())
    }
}

/// Builds one package by itself, so that no contestant gets features that another asked for.
pub fn build(workspace: &Path, package: &str) -> Outcome<()> {
    let output = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--quiet",
            "--message-format",
            "short",
            "-p",
            package,
        ])
        .current_dir(workspace)
        .output()
        .map_err(|error| format!("cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr
        .lines()
        .filter(|line| !line.contains("warning"))
        .collect();
    let last = lines[lines.len().saturating_sub(6)..].join(" / ");
    Err(format!("does not build: {}", without_paths(&last)))
}

/// The executable of a package of the workspace that is no contestant, once built.
pub fn build_tool(workspace: &Path, name: &str) -> Outcome<PathBuf> {
    let metadata = Metadata::read(workspace)?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.executables().any(|executable| executable == name))
        .ok_or_else(|| format!("the workspace has no program `{name}`"))?;
    build(workspace, &package.name)?;
    Ok(metadata.target_directory.join("release").join(name))
}

/// Shortens absolute paths to their last two parts: they name the machine, not the fault.
fn without_paths(text: &str) -> String {
    let shorten = |word: &str| {
        let Some(start) = word.find('/').filter(|_| word.matches('/').count() > 2) else {
            return word.to_string();
        };
        let (before, path) = word.split_at(start);
        let parts: Vec<&str> = path.split('/').collect();
        format!("{before}…/{}", parts[parts.len() - 2..].join("/"))
    };
    text.split_whitespace()
        .map(shorten)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shortened() {
        let message = "(/home/me/.cargo/registry/src/index/wtx-1.0/src/lib.rs:3:1: error and/or";
        assert_eq!(without_paths(message), "(…/src/lib.rs:3:1: error and/or");
    }

    #[test]
    fn extras_are_listed_even_if_missing() {
        let mut field = Field::default();
        field.add_extras("uws=/nowhere/at/all, shell=/bin/sh");
        assert_eq!(field.contestants.len(), 1);
        assert_eq!(field.contestants[0].name, "shell");
        assert!(field.listings[0].missing.is_some());
    }
}
