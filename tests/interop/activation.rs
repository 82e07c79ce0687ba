//! `examples/systemd.rs` on a socket that another process opened.

use std::{
    env,
    net::TcpListener,
    os::fd::OwnedFd,
    path::PathBuf,
    process::{Command, Stdio},
};

use tokio::time::timeout;

use super::{LIMIT, proxy::end};

/// Passes on the standard input as descriptor 3, as systemd does. The process ID stays that of the shell.
const START: &str = r#"exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" 3<&0 0</dev/null"#;

/// The folder of the examples, beside that of the tests.
fn example(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).expect("target/debug");
    profile.join("examples").join(name)
}

#[tokio::test]
#[ignore = "needs the example: run `make interop`"]
async fn a_server_uses_the_socket_of_systemd() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("ws://{}", listener.local_addr().unwrap());
    let waiting = tokio::spawn(async move {
        let mut ws = wsimd::connect(&uri).await.unwrap();
        ws.send("Hello").await.unwrap();
        ws.recv().await.unwrap()
    });
    let mut child = Command::new("sh")
        .args(["-c", START])
        .arg(example("systemd"))
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .spawn()
        .unwrap();
    let echo = timeout(LIMIT, waiting).await;
    end(&mut child);
    let echo = echo.expect("in time").unwrap();
    assert_eq!(echo, Some("Hello".into()));
}
