//! RFC 6455 §5.5.2, §5.5.3: our pings, and the futures that wait for their pongs.

use std::{task::Poll, time::Duration};

use tokio::io::AsyncWriteExt;
use wsimd::{Config, Error, Message, Role, SendError, WebSocket};

use crate::support::{
    connection, expect,
    frames::{FIN, PING, PONG, TEXT, close, frame, key},
    poll_once,
    script::{Read, Script},
};

#[tokio::test(start_paused = true)]
async fn a_pong_completes_its_ping_and_says_how_long_it_took() {
    let (near, far) = tokio::io::duplex(1024);
    let mut client = WebSocket::new(near, Role::Client, &Config::new());
    let mut server = WebSocket::new(far, Role::Server, &Config::new());
    let pong = client.ping_with("1").await.unwrap();
    tokio::time::advance(Duration::from_millis(20)).await;
    assert!(poll_once(server.recv()).is_pending());
    assert!(poll_once(client.recv()).is_pending());
    assert_eq!(pong.await.unwrap(), Duration::from_millis(20));
}

#[tokio::test]
async fn a_pong_completes_the_pings_before_its_own_too() {
    let (near, mut far) = tokio::io::duplex(1024);
    let mut ws = WebSocket::new(near, Role::Client, &Config::new().masking_keys(key));
    let mut one = ws.ping_with("1").await.unwrap();
    let mut two = ws.ping_with("2").await.unwrap();
    let mut three = ws.ping_with("3").await.unwrap();
    let sent = ["1", "2", "3"].map(|p| frame(Role::Client, FIN | PING, p.as_bytes()));
    expect(&mut far, &sent.concat()).await;
    let pongs = [
        frame(Role::Server, FIN | PONG, b"never asked"),
        frame(Role::Server, FIN | PONG, b"2"),
    ];
    assert!(poll_once(&mut one).is_pending());
    far.write_all(&pongs.concat()).await.unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    assert!(matches!(poll_once(&mut one), Poll::Ready(Ok(_))));
    assert!(matches!(poll_once(&mut two), Poll::Ready(Ok(_))));
    assert!(poll_once(&mut three).is_pending());
}

#[tokio::test]
async fn who_waits_for_a_pong_learns_how_the_connection_ended() {
    let (mut ws, _) = connection(
        Role::Client,
        Config::new(),
        Script::whole(&close(Role::Server, 1011, "oops")),
    );
    let pong = ws.ping_with("1").await.unwrap();
    ws.recv().await.unwrap_err();
    match pong.await {
        Err(Error::Closed(closed)) => assert_eq!(closed.reason(), "oops"),
        other => panic!("{other:?}"),
    }
    let (mut ws, _) = connection(Role::Client, Config::new(), Script::new([]).silent());
    let pong = ws.ping_with("1").await.unwrap();
    drop(ws);
    assert!(pong.await.unwrap_err().is_closed());
}

#[tokio::test]
async fn a_ping_that_may_not_be_sent_leaves_nothing_behind() {
    // Python's websockets 6.0 registers a waiter before it checks the length of the payload.
    let pong = frame(Role::Server, FIN | PONG, &[b'x'; 125]);
    let (mut ws, seen) = connection(Role::Client, Config::new(), Script::whole(&pong).silent());
    let error = ws.ping_with(vec![b'x'; 126]).await.unwrap_err();
    assert!(matches!(
        error,
        Error::Send(SendError::ControlTooLong { size: 126 })
    ));
    assert!(seen.written().is_empty());
    let pong = ws.ping_with(vec![b'x'; 125]).await.unwrap();
    assert!(poll_once(ws.recv()).is_pending());
    pong.await.unwrap();
}

#[tokio::test]
async fn pings_are_answered_while_messages_are_received() {
    let reads = [
        Read::Data(frame(Role::Server, FIN | PING, b"a")),
        Read::Data(frame(Role::Server, FIN | PING, b"b")),
        Read::Data(frame(Role::Server, FIN | TEXT, b"m")),
    ];
    let (mut ws, seen) = connection(Role::Client, Config::new(), Script::new(reads).silent());
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from("m")));
    assert!(poll_once(ws.recv()).is_pending());
    let expected = ["a", "b"].map(|p| frame(Role::Client, FIN | PONG, p.as_bytes()));
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn a_pong_may_be_sent_unasked() {
    let (mut ws, seen) = connection(Role::Client, Config::new(), Script::new([]).silent());
    ws.pong("alive").await.unwrap();
    assert_eq!(seen.written(), frame(Role::Client, FIN | PONG, b"alive"));
}
