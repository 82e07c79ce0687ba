//! The label of the results: machine, Rust, commit, date. No path and no host name.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    sync::OnceLock,
    thread,
};

use crate::Outcome;

/// One line on machine, versions, commit and date.
pub fn describe(workspace: &Path) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{}, {} cores, Linux {}; {}; commit {}, {}",
        cpu(),
        cores(),
        kernel.trim_end(),
        rust(),
        commit(workspace),
        today()
    )
}

/// Returns the number of cores, as of the first call. A later call may come from a pinned thread.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

fn cpu() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':'));
    let name = name.map_or(env::consts::ARCH, |(_, name)| name.trim());
    let wide = ["avx512vbmi", "avx512f", "avx2", "asimd"];
    let best = wide.iter().find(|flag| cpuinfo.contains(*flag));
    format!("{name} ({})", best.unwrap_or(&"no vectors"))
}

/// Returns the compiler, and flags that make the build another than the default.
pub fn rust() -> String {
    let version = output("rustc", &["--version"]);
    match env::var("RUSTFLAGS") {
        Ok(flags) if !flags.is_empty() => format!("{version}, RUSTFLAGS={flags}"),
        _ => version,
    }
}

pub fn commit(workspace: &Path) -> String {
    let folder = workspace.to_string_lossy();
    let git = |arguments: &[&str]| output("git", &[&["-C", &folder], arguments].concat());
    let head = git(&["rev-parse", "--short=10", "HEAD"]);
    let changed = git(&["status", "--porcelain", "--", ":/", ":!/benches/results"]);
    let dirty = if changed.is_empty() { "" } else { "-dirty" };
    format!("{head}{dirty}")
}

pub fn today() -> String {
    output("date", &["-u", "+%F"])
}

/// Returns the output of a command without the last newline.
fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let stdout = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&stdout).trim_end().into()
}

/// Installs a Debian package where the program of the same name is missing.
pub fn install(name: &str) -> Outcome<()> {
    let succeeds = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = succeeds(name, &["--version"])
        || succeeds("apt-get", &["update", "-qq"])
            && succeeds("apt-get", &["install", "-y", "-qq", name]);
    match found {
        true => Ok(()),
        false => Err(format!("{name} is missing and cannot be installed").into()),
    }
}
