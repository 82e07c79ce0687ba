//! Python's `websockets`, for the sizes: its permessage-deflate on the same messages.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    codec::{Line, ask},
    plan::Codec,
};
use crate::Outcome;

const SCRIPT: &str = include_str!("websockets.py");

/// An interpreter that has the package.
#[derive(Debug)]
pub struct Python(PathBuf);

impl Python {
    /// Finds it where the tests against other libraries install it, or lets them install it.
    pub fn find(workspace: &Path) -> Outcome<Self> {
        let script = workspace.join("../../tests/peers/setup.sh");
        let output = Command::new(&script)
            .env_remove("CARGO_MANIFEST_DIR")
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("tests/peers/setup.sh: {error}"))?;
        let home = String::from_utf8_lossy(&output.stdout);
        let home = PathBuf::from(home.lines().last().unwrap_or_default().trim());
        let python = home.join("python/bin/python");
        if output.status.success() && python.is_file() {
            return Ok(Self(python));
        }
        // What is installed otherwise is as good.
        let python = env::var("PYTHON").unwrap_or_else(|_| "python3".into());
        let mut check = Command::new(&python);
        check.args(["-c", "import websockets"]).stdin(Stdio::null());
        check.stderr(Stdio::null());
        if check.status().is_ok_and(|status| status.success()) {
            return Ok(Self(python.into()));
        }
        Err("tests/peers/setup.sh could not install Python's websockets".into())
    }

    /// Compresses the messages of a file into another, as frames of a server.
    pub fn compress(&self, scenario: &Codec, messages: &Path, output: &Path) -> Outcome<Line> {
        let settings = scenario.settings;
        let number = |number: u8| number.to_string();
        let mut command = Command::new(&self.0);
        command
            .args(["-c", SCRIPT])
            .args([
                number(settings.level),
                number(settings.window_bits),
                number(settings.memory_level),
                number(settings.takeover.into()),
                number(scenario.corpus.is_text().into()),
            ])
            .arg(messages)
            .arg(output);
        ask(&mut command)
    }
}
