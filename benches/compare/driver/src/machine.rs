//! What the results are labelled with: machine, Rust, commit, date. No path, no host name.

use std::{
    env, fs,
    path::Path,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{records::Meta, tools::output};

pub fn describe(workspace: &Path) -> Meta {
    Meta {
        date: today(),
        commit: commit(workspace),
        cpu: cpu(),
        cores: cores(),
        kernel: kernel(),
        rust: rust(),
        ..Meta::default()
    }
}

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim_end())
}

fn cpu() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    let name = name.map_or(env::consts::ARCH, |(_, name)| name.trim());
    let wide = ["avx512vbmi", "avx512f", "avx2", "asimd"];
    let best = wide.iter().find(|flag| cpuinfo.contains(*flag));
    best.map_or_else(|| name.to_string(), |flag| format!("{name} ({flag})"))
}

/// The compiler, and flags that would make the build another than the default one.
fn rust() -> String {
    let version = output("rustc", &["--version"]).unwrap_or_default();
    match env::var("RUSTFLAGS") {
        Ok(flags) if !flags.is_empty() => format!("{version}, RUSTFLAGS={flags}"),
        _ => version,
    }
}

fn commit(workspace: &Path) -> String {
    let folder = workspace.to_string_lossy();
    let git = |arguments: &[&str]| output("git", &[&["-C", &folder], arguments].concat());
    let Some(head) = git(&["rev-parse", "--short=10", "HEAD"]) else {
        return "unknown".into();
    };
    let changed = git(&["status", "--porcelain", "--", ":/", ":!/benches/results"]);
    let dirty = changed.is_some_and(|changed| !changed.is_empty());
    if dirty { format!("{head}-dirty") } else { head }
}

fn today() -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let (year, month, day) = civil(now.as_secs() / 86_400);
    format!("{year}-{month:02}-{day:02}")
}

/// The date of a day counted from 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let mut year = 1970;
    loop {
        let length = 365 + leap(year);
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let months = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    (year, month as u64 + 1, days + 1)
}

fn leap(year: u64) -> u64 {
    u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_088), (2024, 12, 31));
    }
}
