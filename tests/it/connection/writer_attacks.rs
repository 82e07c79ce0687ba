//! Messages that are sent in chunks, and everything that meets them.

use std::{future::poll_fn, task::Poll, time::Duration};

use tokio::{
    io::duplex,
    task::coop,
    time::{Instant, sleep},
};
use wsimd::{CloseCode, Config, WebSocket};

use crate::support::{
    expect,
    frames::{CONTINUATION, FIN, ROLES, TEXT, close, frame, key},
    secs,
};

fn config() -> Config {
    Config::new().masking_keys(key)
}

/// The task that receives has waited since before the messages of the handle could leave.
#[tokio::test(start_paused = true)]
async fn messages_and_a_close_of_a_handle_leave_when_the_writer_of_a_half_has_finished() {
    for role in ROLES {
        for (messages, closes) in [(1, true), (1, false), (0, true), (40, true), (40, false)] {
            let (near, mut far) = duplex(1 << 16);
            let mut ws = WebSocket::new(near, role, &config());
            let handle = ws.handle();
            let (mut read, mut write) = ws.split();
            let reader = tokio::spawn(async move { read.recv().await });
            let mut message = write.text_writer();
            // Both tasks are known to the connection before the handle sends.
            for _ in 0..3 {
                message.write_chunk("a").await.unwrap();
                message.flush().await.unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            for _ in 0..messages {
                handle.send("h").await.unwrap();
            }
            if closes {
                handle.close(CloseCode::GOING_AWAY, "").await.unwrap();
            }
            sleep(Duration::from_secs(1)).await;
            message.write_chunk("b").await.unwrap();
            message.finish().await.unwrap();
            let before = Instant::now();
            expect(&mut far, &frame(role, TEXT, b"a")).await;
            for _ in 0..2 {
                expect(&mut far, &frame(role, CONTINUATION, b"a")).await;
            }
            expect(&mut far, &frame(role, FIN | CONTINUATION, b"b")).await;
            for _ in 0..messages {
                expect(&mut far, &frame(role, FIN | TEXT, b"h")).await;
            }
            if closes {
                expect(&mut far, &close(role, 1001, "")).await;
            }
            assert_eq!(before.elapsed(), Duration::ZERO);
            reader.abort();
        }
    }
}

/// One task waits for both halves with one waker.
#[tokio::test(start_paused = true)]
async fn messages_of_a_handle_leave_when_the_writer_in_the_same_task_has_finished() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 16);
        let mut ws = WebSocket::new(near, role, &config());
        let handle = ws.handle();
        let both = tokio::spawn(async move {
            let (mut read, mut write) = ws.split();
            let send = async {
                let mut message = write.text_writer();
                message.write_chunk("a").await.unwrap();
                message.flush().await.unwrap();
                sleep(secs(2)).await;
                message.finish().await.unwrap();
                sleep(secs(100)).await;
            };
            tokio::join!(send, read.recv())
        });
        sleep(secs(1)).await;
        handle.send("h").await.unwrap();
        expect(&mut far, &frame(role, TEXT, b"a")).await;
        expect(&mut far, &frame(role, FIN | CONTINUATION, b"")).await;
        let before = Instant::now();
        expect(&mut far, &frame(role, FIN | TEXT, b"h")).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
        both.abort();
    }
}

/// The first poll of `finish` accepts the end, although the task has used up its turn.
#[tokio::test]
async fn finish_accepts_the_end_without_budget() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 16);
        let mut ws = WebSocket::new(near, role, &config());
        let mut message = ws.text_writer();
        for _ in 0..3 {
            message.write_chunk("a").await.unwrap();
        }
        let mut finish = Box::pin(message.finish());
        poll_fn(|cx| {
            while let Poll::Ready(progress) = coop::poll_proceed(cx) {
                progress.made_progress();
            }
            assert!(finish.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(finish);
        ws.send("b").await.unwrap();
        expect(&mut far, &frame(role, FIN | TEXT, b"aaa")).await;
        expect(&mut far, &frame(role, FIN | TEXT, b"b")).await;
    }
}
