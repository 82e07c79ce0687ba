//! Programs that the parts need beside the contestants: found, or installed from Debian.

use std::process::{Command, Stdio};

/// Whether `program` can be run; where it is missing, tries once to install `package`.
pub fn ensure(program: &str, package: &str) -> bool {
    if runs(program) {
        return true;
    }
    eprintln!("installing {package}");
    let install = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    install(&["update", "-qq"]) && install(&["install", "-y", "-qq", package]) && runs(program)
}

fn runs(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What a command prints, without the last newline; nothing if it fails.
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_string())
}
