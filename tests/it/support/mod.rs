//! Shared by the tests: frames by their bytes, a scripted stream, and the chunking runner.

pub(crate) mod bits;
pub(crate) mod checks;
pub(crate) mod crowd;
pub(crate) mod cut;
pub(crate) mod deflate;
pub(crate) mod endless;
pub(crate) mod frames;
#[expect(dead_code, reason = "the fuzz targets use all of it")]
pub(crate) mod inflater;
pub(crate) mod link;
pub(crate) mod memory;
pub(crate) mod model;
pub(crate) mod opening;
pub(crate) mod pair;
pub(crate) mod runner;
pub(crate) mod script;
pub(crate) mod serve;
pub(crate) mod served;
pub(crate) mod side;
pub(crate) mod story;
pub(crate) mod stream_story;
pub(crate) mod tasks;
pub(crate) mod user;
pub(crate) mod zlib;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    task::unconstrained,
};
use wsimd::{Config, Handle, Role, WebSocket};

use self::script::{Script, Seen};

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Pings after `interval` seconds, and waits for `timeout` seconds.
pub(crate) fn pinging(interval: u64, timeout: u64) -> Config {
    Config::new()
        .ping_interval(secs(interval))
        .ping_timeout(secs(timeout))
}

/// Creates a connection with the masking key of the tests. Returns it, and the view of its peer.
pub(crate) fn connection(role: Role, config: Config, script: Script) -> (WebSocket<Script>, Seen) {
    let seen = script.seen.clone();
    let ws = WebSocket::new(script, role, &config.masking_keys(frames::key));
    (ws, seen)
}

/// The same with a handle.
pub(crate) fn with_handle(
    role: Role,
    config: Config,
    script: Script,
) -> (WebSocket<Script>, Handle, Seen) {
    let (mut ws, seen) = connection(role, config, script);
    let handle = ws.handle();
    (ws, handle, seen)
}

/// Polls a future once and drops it. The poll uses no budget of the test's task, which would run out.
pub(crate) fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(unconstrained(future)).poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for a future that has to be ready soon. A test that passes never waits for the whole minute.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future)
        .await
        .expect("never woken")
}

/// Reads exactly the expected bytes.
pub(crate) async fn expect(io: &mut (impl AsyncRead + Unpin), expected: &[u8]) {
    let mut bytes = vec![0; expected.len()];
    soon(io.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes, expected);
}
