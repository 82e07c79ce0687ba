//! The deadline of the opening handshake on both sides.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep},
};
use wsimd::{ClientBuilder, Config, Error, Fault, Role, ServerBuilder, Timeout};

use crate::support::{
    frames::{FIN, TEXT, frame},
    opening::*,
    script::{Script, Write},
};

fn timed_out<T>(result: Result<T, Error>) {
    let error = error_of(result);
    assert!(
        matches!(error, Error::Timeout(Timeout::Open { .. })),
        "{error:?}"
    );
    assert!(error.is_timeout() && !error.is_closed());
    assert_eq!(error.fault(), Fault::Transport);
    assert_eq!(error.close_code(), None);
}

const SECONDS: [Option<u64>; 2] = [None, Some(3)];

fn config(seconds: Option<u64>) -> (Config, Duration) {
    let limit = Duration::from_secs(seconds.unwrap_or(10));
    match seconds {
        None => (Config::new(), limit),
        Some(_) => (Config::new().open_timeout(limit), limit),
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let start = Instant::now();
        let client = ClientBuilder::new().config(config);
        let (opened, seen) = open(&client, |_| Script::new([]).silent()).await;
        timed_out(opened);
        assert_eq!(start.elapsed(), limit);
        assert!(seen.written().ends_with(b"\r\n\r\n"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let start = Instant::now();
        let server = ServerBuilder::new().config(config);
        let (opened, seen) = accept(&server, Script::new([]).silent()).await;
        timed_out(opened);
        assert_eq!(start.elapsed(), limit);
        assert_eq!(seen.written(), b"");
    }
}

/// Writes a byte per second, for longer than the timeout.
async fn drip(io: &mut DuplexStream, bytes: &[u8]) {
    for byte in bytes {
        sleep(Duration::from_secs(1)).await;
        if io.write_all(&[*byte]).await.is_err() {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_drips_is_given_up_after_the_open_timeout() {
    for seconds in SECONDS {
        let (config, limit) = config(seconds);
        let (mut near, far) = duplex(4096);
        let start = Instant::now();
        let server = ServerBuilder::new().config(config);
        let ended = async {
            let opened = server.accept(far).await;
            (opened, start.elapsed())
        };
        let ((opened, elapsed), ()) = tokio::join!(ended, drip(&mut near, REQUEST.as_bytes()));
        timed_out(opened);
        assert_eq!(elapsed, limit);
        let mut wire = Vec::new();
        near.read_to_end(&mut wire).await.unwrap();
        assert!(wire.starts_with(b"HTTP/1.1 408 "));
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drips_is_given_up_after_the_open_timeout() {
    // The response alone, and after an interim response.
    for at_once in ["", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let (near, mut far) = duplex(4096);
        let start = Instant::now();
        let client = ClientBuilder::new();
        let ended = async {
            let opened = client.handshake(URI, near).await;
            (opened, start.elapsed())
        };
        let ((opened, elapsed), ()) = tokio::join!(ended, async {
            read_head(&mut far).await;
            far.write_all(at_once.as_bytes()).await.unwrap();
            drip(&mut far, RESPONSE.as_bytes()).await;
        });
        timed_out(opened);
        assert_eq!(elapsed, Duration::from_secs(10));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_is_given_up_after_the_open_timeout() {
    let start = Instant::now();
    let (near, _far) = duplex(16);
    timed_out(ClientBuilder::new().handshake(URI, near).await);
    assert_eq!(start.elapsed(), Duration::from_secs(10));

    let script = Script::whole(REQUEST.as_bytes());
    // The stream takes one byte.
    let script = script.writes([Write::Some(1), Write::Pending]);
    let server = ServerBuilder::new().config(Config::new().open_timeout(Duration::ZERO));
    timed_out(accept(&server, script).await.0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_within_the_timeout_succeeds_and_the_timeout_ends_with_it() {
    let (mut near, far) = duplex(4096);
    let config = Config::new().open_timeout(Duration::from_secs(200));
    let server = ServerBuilder::new().config(config);
    let (opened, ()) = tokio::join!(server.accept(far), drip(&mut near, REQUEST.as_bytes()));
    let mut ws = opened.unwrap();
    let answer = read_head(&mut near).await;
    assert_eq!(without_date(answer.as_bytes()), RESPONSE.as_bytes());
    sleep(Duration::from_secs(1000)).await;
    near.write_all(&frame(Role::Client, FIN | TEXT, b"Hello"))
        .await
        .unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("Hello".into()));
}

/// A task that accepts a client itself keeps no memory of the handshake.
#[test]
fn the_futures_of_accept_and_begin_are_small() {
    let (_near, far) = duplex(1);
    let builder = ServerBuilder::new();
    assert!(size_of_val(&builder.accept(far)) <= 64);
    let (_near, far) = duplex(1);
    assert!(size_of_val(&builder.begin(far)) <= 64);
    let (_near, far) = duplex(1);
    assert!(size_of_val(&wsimd::accept(far)) <= 128);
}
