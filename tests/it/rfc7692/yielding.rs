//! Other tasks run while a long message is inflated, and dropped futures lose no bytes of it.

use std::{cell::Cell, rc::Rc, task::Poll, time::Duration};

use tokio::{
    task::{LocalSet, spawn_local, yield_now},
    time::advance,
};
use wsimd::{Config, Message, Parts, ProtocolError, Role, WebSocket, extension::Deflate};

use crate::support::{
    bits::Bits,
    deflate::{RSV1, agree, config, deflate, frames, noise, text},
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, TEXT, close, frame, key},
    inflater::Inflater,
    poll_once,
    script::{Read, Script, Seen, Write},
    tasks::Tasks,
    zlib::Zlib,
};

const LEN: usize = 48 << 20;

/// The least number of runs of other tasks while this number of zeros is inflated.
const PAUSES: usize = LEN / (17 << 20);

/// A server's connection with these settings.
fn connection(config: &Config, script: Script) -> (WebSocket<Script>, Seen) {
    let seen = script.seen.clone();
    let parts = Parts::new(script, Role::Server, config).extensions(agree(config, config).1);
    (WebSocket::from_parts(parts), seen)
}

fn large(takeover: bool) -> Config {
    config(deflate(15, takeover)).max_message_size(64 << 20)
}

/// A long message, a ping and a short message.
fn input(message: &[u8]) -> Vec<u8> {
    let mut zlib = Zlib::new(9, 15);
    [
        frame(Role::Client, FIN | RSV1 | BINARY, &zlib.message(message)),
        frame(Role::Client, FIN | PING, b"p"),
        frame(
            Role::Client,
            FIN | RSV1 | TEXT,
            &Zlib::new(6, 15).message(b"short"),
        ),
    ]
    .concat()
}

/// Runs `f` beside a task that counts how often it runs.
async fn counted<F: Future>(f: F) -> (F::Output, usize) {
    let count = Rc::new(Cell::new(0));
    let counter = Rc::clone(&count);
    let local = LocalSet::new();
    let output = local.run_until(async move {
        spawn_local(async move {
            loop {
                counter.set(counter.get() + 1);
                yield_now().await;
            }
        });
        f.await
    });
    (output.await, count.get())
}

#[tokio::test]
async fn other_tasks_run_while_a_long_message_is_inflated() {
    let words = text(4 << 20).into_bytes();
    for (message, least) in [(vec![0; LEN], PAUSES), (words, 8)] {
        let script = Script::whole(&input(&message)).silent();
        let (mut ws, seen) = connection(&large(true), script);
        let (received, count) = counted(async {
            let long = ws.recv().await.unwrap().unwrap();
            (long, ws.recv().await.unwrap())
        })
        .await;
        assert!(received.0.as_bytes() == message);
        assert_eq!(received.1, Some("short".into()));
        assert!(poll_once(ws.recv()).is_pending());
        assert_eq!(seen.written(), frame(Role::Server, FIN | PONG, b"p"));
        assert!(count >= least, "ran {count} times, wants {least}");
    }
}

#[tokio::test]
async fn a_half_lets_other_tasks_run_too() {
    let message = vec![0; LEN];
    let (ws, _) = connection(&large(false), Script::whole(&input(&message)).silent());
    let (mut read, _write) = ws.split();
    let (received, count) = counted(async { read.recv().await }).await;
    assert!(received.unwrap().unwrap().as_bytes() == message);
    assert!(count >= PAUSES, "ran {count} times");
}

#[tokio::test]
async fn recv_that_is_given_up_for_another_branch_loses_nothing_of_a_long_message() {
    let message = vec![0; LEN];
    let (mut ws, seen) = connection(&large(true), Script::whole(&input(&message)).silent());
    let mut given_up = 0;
    let mut received = Vec::new();
    while received.len() < 2 {
        tokio::select! {
            biased;
            message = ws.recv() => received.push(message.unwrap().unwrap()),
            () = yield_now() => given_up += 1,
        }
    }
    assert!(received[0].as_bytes() == message);
    assert_eq!(received[1], "short");
    assert!(poll_once(ws.recv()).is_pending());
    assert_eq!(seen.written(), frame(Role::Server, FIN | PONG, b"p"));
    assert!(given_up >= PAUSES - 1, "given up {given_up} times");
}

#[test]
fn a_long_message_wakes_its_task_whenever_it_lets_others_run() {
    let message = vec![0; LEN];
    let (mut ws, _) = connection(&large(true), Script::whole(&input(&message)).silent());
    let mut received = None;
    let mut tasks = Tasks::default();
    tasks.spawn(async {
        received = ws.recv().await.unwrap();
    });
    tasks.run(1);
    assert!(received.unwrap().as_bytes() == message);
}

#[tokio::test(start_paused = true)]
async fn a_peer_whose_message_is_inflated_for_long_is_not_given_up() {
    let second = Duration::from_secs(1);
    let config = large(true).ping_interval(second).ping_timeout(second);
    let message = vec![0; LEN];
    let reads = [Read::Pending, Read::Data(input(&message))];
    let (mut ws, seen) = connection(&config, Script::new(reads).silent());
    ws.try_feed("fed").unwrap();
    let mut polls = 0;
    let received = loop {
        if let Poll::Ready(received) = poll_once(ws.recv()) {
            break received.unwrap().unwrap();
        }
        assert!(seen.writes() > 0, "the queue has not left");
        polls += 1;
        assert!(polls < 1000);
        advance(second).await;
    };
    assert!(received.as_bytes() == message && polls >= PAUSES);
}

/// Returns the number of polls until an empty message is received.
fn polls_for_nothing(config: &Config, input: &[u8]) -> usize {
    let (mut ws, _) = connection(config, Script::whole(input).silent());
    let mut polls = 0;
    loop {
        polls += 1;
        match poll_once(ws.recv()) {
            Poll::Ready(message) if message.as_ref().unwrap() == &Some(Vec::new().into()) => {
                return polls;
            }
            Poll::Ready(message) => drop(message.unwrap().unwrap()),
            Poll::Pending => {}
        }
    }
}

#[test]
fn input_that_becomes_nothing_lets_other_tasks_run_too() {
    let stored = Bits::new().stored(false, b"").bytes();
    let payload = [&stored.repeat(1_000_000 / stored.len())[..], b"\0"].concat();
    let input = frame(Role::Client, FIN | RSV1 | BINARY, &payload);
    let polls = polls_for_nothing(&large(true), &input);
    assert!(polls >= 8, "{polls} polls for {} bytes", input.len());
}

#[test]
fn streams_that_end_let_other_tasks_run_and_more_so_with_a_window() {
    const ENDS: usize = 20_000;
    // After each end, zlib is given the last 32 KiB of the window again.
    let window = Zlib::new(6, 15).message(&noise(32 << 10, 1));
    let end = Bits::new().fixed(true).end().bytes();
    for (takeover, streams_in_a_poll) in [(true, 800), (false, 2000)] {
        let input = [
            frame(Role::Client, FIN | RSV1 | BINARY, &window),
            frame(Role::Client, RSV1 | BINARY, &end),
            frame(Role::Client, CONTINUATION, &end).repeat(ENDS - 1),
            frame(Role::Client, FIN | CONTINUATION, b""),
        ];
        let config = large(takeover).max_fragments(None);
        let polls = polls_for_nothing(&config, &input.concat());
        assert!(polls >= ENDS / streams_in_a_poll, "{polls} polls");
    }
}

#[tokio::test]
async fn a_connection_may_be_taken_apart_while_it_inflates() {
    let message = text(4 << 20);
    let (mut ws, _) = connection(
        &large(true),
        Script::whole(&input(message.as_bytes())).silent(),
    );
    let mut parts = 0;
    let received = loop {
        if let Poll::Ready(message) = poll_once(ws.recv()) {
            break message.unwrap().unwrap();
        }
        ws = WebSocket::from_parts(ws.into_parts());
        parts += 1;
    };
    assert!(received.as_bytes() == message.as_bytes());
    assert!(parts >= 8, "taken apart {parts} times");
    assert_eq!(ws.recv().await.unwrap(), Some("short".into()));
}

/// A stream that waits before each byte that it returns or takes.
fn stuttering(input: &[u8]) -> Script {
    let reads = input
        .iter()
        .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
    let writes = std::iter::repeat_n([Write::Pending, Write::Some(1)], 2000).flatten();
    Script::new(reads).writes(writes)
}

#[tokio::test]
async fn recv_dropped_at_every_poll_loses_and_repeats_nothing() {
    for takeover in [true, false] {
        let mut zlib = Zlib::new(6, 15);
        let texts = ["κόσμε κόσμε", "", "κόσμε"];
        let mut input = Vec::new();
        for text in texts {
            if !takeover {
                zlib = Zlib::new(6, 15);
            }
            let payload = zlib.message(text.as_bytes());
            let (head, tail) = payload.split_at(payload.len() / 2);
            input.extend(frame(Role::Client, RSV1 | TEXT, head));
            input.extend(frame(Role::Client, FIN | PING, b"p"));
            input.extend(frame(Role::Client, FIN | CONTINUATION, tail));
        }
        input.extend(close(Role::Client, 1001, "bye"));
        let (mut ws, seen) = connection(&config(deflate(15, takeover)), stuttering(&input));
        let mut received = Vec::new();
        loop {
            match poll_once(ws.recv()) {
                Poll::Pending => {}
                Poll::Ready(Ok(Some(message))) => received.push(message),
                Poll::Ready(end) => {
                    assert!(matches!(end, Ok(None)), "{end:?}");
                    break;
                }
            }
        }
        assert_eq!(received, texts.map(Message::from));
        let pong = frame(Role::Server, FIN | PONG, b"p");
        let expected = [pong.repeat(3), close(Role::Server, 1001, "bye")].concat();
        assert_eq!(seen.written(), expected);
    }
}

#[tokio::test]
async fn recv_dropped_at_every_poll_still_reports_damage_and_tells_the_peer() {
    let input = frame(Role::Client, FIN | RSV1 | TEXT, b"\xff\xff\xff");
    let (mut ws, seen) = connection(&config(Deflate::new()), stuttering(&input));
    let error = loop {
        if let Poll::Ready(received) = poll_once(ws.recv()) {
            break received.unwrap_err();
        }
    };
    let reason = "compressed message is damaged";
    assert!(
        matches!(error, wsimd::Error::Protocol(ProtocolError::Extension { reason: it, .. }) if it == reason)
    );
    assert_eq!(seen.written(), close(Role::Server, 1007, reason));
}

#[tokio::test]
async fn send_dropped_at_every_poll_leaves_the_window_as_the_peer_sees_it() {
    let config = config(deflate(15, true))
        .masking_keys(key)
        .write_high_water(16);
    let (mut accepted, mut refused) = (0, 0);
    for polls in 0..150 {
        let (mut ws, seen) = connection(&config, stuttering(&[]).silent());
        ws.feed("first first").await.unwrap();
        ws.feed("more more").await.unwrap();
        {
            let mut send = std::pin::pin!(ws.send("dropped first"));
            for _ in 0..polls {
                if poll_once(send.as_mut()).is_ready() {
                    break;
                }
            }
        }
        ws.send("first dropped more").await.unwrap();
        let mut inflater = Inflater::default();
        let sent: Vec<Vec<u8>> = frames(&seen.written())
            .iter()
            .map(|frame| inflater.message(&frame.payload))
            .collect();
        match &sent[2..] {
            [last] => {
                assert_eq!(last, b"first dropped more");
                refused += 1;
            }
            [dropped, last] => {
                assert_eq!(dropped, b"dropped first");
                assert_eq!(last, b"first dropped more");
                accepted += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(accepted > 5 && refused > 5, "{accepted} and {refused}");
}
