//! Runs programs under callgrind.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::Outcome;

/// Arguments of valgrind: count, and write no file.
pub const CALLGRIND: [&str; 2] = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];

/// Returns the output of a program under callgrind, and the count of instructions.
pub fn callgrind(options: &[String], program: &Path, arguments: &[&str]) -> Outcome<(String, f64)> {
    let output = Command::new("valgrind")
        .args(CALLGRIND)
        .args(options)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = stderr.lines().rfind(|line| !line.starts_with("=="));
        let last = last.unwrap_or_default();
        return Err(format!("failed under callgrind: {last}").into());
    }
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let count = collected(&stderr).ok_or("callgrind printed no count")?;
    Ok((stdout, count))
}

/// Returns the number in callgrind's line `==PID== Collected : N`.
pub fn collected(stderr: &str) -> Option<f64> {
    let (_, rest) = stderr.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}
