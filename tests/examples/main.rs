//! Runs the examples that are servers, each as a process of its own, over real sockets.
//!
//! `cargo test` builds the examples. `cargo test --test examples` does not: run `cargo build --examples` before.

#![cfg(unix)]

#[cfg(feature = "proxy")]
mod behind_proxy;
mod chat;
mod gate;
mod proxy;
#[cfg(all(feature = "json", feature = "reconnect"))]
mod ticker;
#[cfg(all(feature = "ring", feature = "rustls-platform-verifier"))]
mod wss;

use std::{
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::timeout;

/// The time for one step of a test.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns the path of an example.
fn path(name: &str) -> PathBuf {
    let tests = env::current_exe().unwrap();
    let directory = tests.parent().unwrap().with_file_name("examples");
    directory.join(name)
}

/// A running example.
struct Example {
    child: Child,
    /// The address on which the example listens, such as `127.0.0.1:8765`.
    address: String,
}

impl Example {
    /// Starts an example, and reads the address from its first line.
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    /// As [`start`](Self::start), with further arguments.
    fn start_with(name: &str, args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", name, args)
    }

    /// As [`start_with`](Self::start_with), on this address.
    fn start_at(address: &str, name: &str, args: &[&str]) -> Self {
        let mut child = Command::new(path(name))
            .arg(address)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example is built (`cargo build --examples`)");
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("listening on ws://");
        Self {
            address: address.expect("the first line has the address").to_owned(),
            child,
        }
    }

    fn uri(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// Sends Ctrl-C.
    fn interrupt(&self) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status();
        assert!(status.unwrap().success());
    }

    /// Waits until the process ends.
    async fn wait(mut self) -> ExitStatus {
        let ended = async {
            loop {
                match self.child.try_wait().unwrap() {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        timeout(LIMIT, ended).await.expect("the process ends")
    }
}

/// Ends the process of a test that fails.
impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
