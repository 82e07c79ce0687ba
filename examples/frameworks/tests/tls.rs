//! `tls.rs`: a server and a client over TLS and over TCP.
//!
//! The certificate of `localhost/` is valid for that name until 2126. It is its own root:
//!
//! ```text
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost \
//!     -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem
//! ```

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use wsimd::{CloseCode, Error};

/// The time for a test.
const LIMIT: Duration = Duration::from_secs(60);

const CERT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/localhost/cert.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/localhost/key.pem");

/// Starts the program. Its process ends with the test.
fn start(args: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_on-rustls"))
        .args(args)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    (child, BufReader::new(stdout).lines())
}

/// Reads the port of a server from its next line.
async fn port(lines: &mut Lines<BufReader<ChildStdout>>, scheme: &str) -> String {
    let line = lines.next_line().await.unwrap().unwrap();
    let start = format!("listening on {scheme}://127.0.0.1:");
    line.strip_prefix(&start).unwrap().to_owned()
}

/// Runs the client until the server has ended two connections with 1012, and the third one has begun.
async fn watch(uri: &str) {
    let (_client, mut lines) = start(&[uri, CERT]);
    for _ in 0..3 {
        for number in 1..=10 {
            let line = lines.next_line().await.unwrap().unwrap();
            let start = format!("tick {number}, round-trip time: ");
            let latency = line.strip_prefix(&start).expect(&line);
            assert!(number < 10 || latency.starts_with("Some"), "{line}");
        }
        let end = lines.next_line().await.unwrap().unwrap();
        assert!(end.contains("1012"), "{end}");
    }
}

async fn check() {
    let (_server, mut lines) = start(&["serve", CERT, KEY]);
    let (ws, wss) = (port(&mut lines, "ws").await, port(&mut lines, "wss").await);
    watch(&format!("ws://localhost:{ws}")).await;
    watch(&format!("wss://localhost:{wss}")).await;

    let plain = wsimd::connect(&format!("ws://localhost:{wss}")).await;
    assert!(plain.is_err(), "the port of wss:// speaks TLS only");
    let mut tcp = wsimd::connect(&format!("ws://localhost:{ws}"))
        .await
        .unwrap();
    let end = loop {
        match tcp.recv().await {
            Ok(message) => assert!(message.is_some()),
            end => break end,
        }
    };
    assert!(
        matches!(&end, Err(Error::Closed(closed)) if closed.code() == CloseCode::SERVICE_RESTART),
        "{end:?}"
    );
}

#[tokio::test]
async fn ticks_over_tls_and_tcp() {
    timeout(LIMIT, check()).await.expect("in time");
}
