//! `serve` keeps the bytes that a handler sends until the handler waits, and no longer.

use std::time::Duration;

use tokio::{sync::Notify, task::JoinHandle};
use wsimd::{CloseCode, Error, Message, WebSocket, net::Stream};

use crate::support::serve::with_server;

/// Sends two messages that arrive together.
async fn send_two(ws: &mut WebSocket<Stream>) -> Result<(), Error> {
    ws.feed("first").await?;
    ws.feed("second").await?;
    ws.flush().await
}

async fn echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Answers the first message, waits for the client to have the answer, and answers the second.
async fn answer_and_wait(mut ws: WebSocket<Stream>, answered: &Notify) -> Result<(), Error> {
    for _ in 0..2 {
        if let Some(message) = ws.recv().await? {
            ws.send(message).await?;
            answered.notified().await;
        }
    }
    Ok(())
}

async fn expect_two(mut ws: WebSocket<Stream>, answered: &Notify) -> Result<(), Error> {
    send_two(&mut ws).await?;
    for expected in ["first", "second"] {
        assert_eq!(ws.recv().await?, Some(expected.into()));
        answered.notify_one();
    }
    Ok(())
}

static ANSWERED: [Notify; 3] = [const { Notify::const_new() }; 3];

#[tokio::test]
async fn a_reply_leaves_before_the_handler_waits_for_something_else() {
    let answered = &ANSWERED[0];
    with_server(
        move |ws| answer_and_wait(ws, answered),
        move |ws| expect_two(ws, answered),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_leaves_from_a_task_that_the_handler_gave_its_connection() {
    let answered = &ANSWERED[1];
    with_server(
        move |ws| async move {
            let task: JoinHandle<Result<(), Error>> = tokio::spawn(answer_and_wait(ws, answered));
            task.await.unwrap()
        },
        move |ws| expect_two(ws, answered),
    )
    .await;
}

#[tokio::test]
async fn a_reply_leaves_from_a_connection_that_was_taken_apart() {
    let answered = &ANSWERED[2];
    with_server(
        move |ws| answer_and_wait(WebSocket::from_parts(ws.into_parts()), answered),
        move |ws| expect_two(ws, answered),
    )
    .await;
}

#[tokio::test]
async fn what_was_sent_before_the_connection_was_handed_on_comes_first() {
    with_server(
        |mut ws| async move {
            ws.send("by the handler").await.unwrap();
            tokio::spawn(async move {
                ws.send("by the task").await.unwrap();
                ws.recv().await.unwrap();
            })
            .await
        },
        |mut ws| async move {
            assert_eq!(ws.recv().await?, Some("by the handler".into()));
            assert_eq!(ws.recv().await?, Some("by the task".into()));
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn the_last_words_of_a_handler_leave_after_it_has_returned() {
    with_server(
        |mut ws| async move { ws.send("done").await },
        |mut ws| async move {
            assert_eq!(ws.recv().await?, Some("done".into()));
            assert_eq!(ws.recv().await?, None);
            assert_eq!(ws.closed().unwrap().code(), CloseCode::NORMAL);
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn a_dropped_connection_is_closed_while_its_handler_goes_on() {
    with_server(
        |mut ws| async move {
            ws.send("last").await.unwrap();
            drop(ws);
            std::future::pending::<()>().await;
        },
        |mut ws| async move {
            assert_eq!(ws.recv().await?, Some("last".into()));
            assert_eq!(ws.recv().await?, None);
            assert_eq!(ws.closed().unwrap().code(), CloseCode::NORMAL);
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn replies_of_every_size_come_whole_and_in_order() {
    let sizes = [
        1, 100, 1000, 30_000, 65_000, 65_536, 70_000, 300_000, 10, 40_000, 40_000, 5,
    ];
    with_server(echo, |mut ws| async move {
        for (i, size) in (0..).zip(sizes) {
            ws.feed(Message::Binary(vec![i; size].into())).await?;
        }
        ws.flush().await?;
        for (i, size) in (0..).zip(sizes) {
            let expected = Message::Binary(vec![i; size].into());
            assert!(ws.recv().await? == Some(expected), "message {i}");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_holds_the_handler_up_and_loses_nothing() {
    const MESSAGES: u32 = 4000;
    with_server(
        |mut ws| async move {
            for number in 0..MESSAGES {
                let mut bytes = vec![0; 2000];
                bytes[..4].copy_from_slice(&number.to_be_bytes());
                ws.send(bytes).await.unwrap();
            }
        },
        |mut ws| async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            for number in 0..MESSAGES {
                let Some(Message::Binary(bytes)) = ws.recv().await? else {
                    panic!("no message {number}");
                };
                assert_eq!(bytes[..4], number.to_be_bytes());
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_too_large_to_be_kept_leaves_no_buffer_behind() {
    let handler = |mut ws: WebSocket<Stream>| async move {
        while let Some(message) = ws.recv().await? {
            ws.send(message).await?;
            if let Some(message) = ws.recv().await? {
                let kept = !format!("{:?}", ws.get_ref()).contains("is_busy: false");
                ws.send(format!("{message:?}, kept: {kept}")).await?;
            }
        }
        Ok::<(), Error>(())
    };
    with_server(handler, async |mut ws| {
        let large = Message::from(vec![7; 200_000]);
        ws.send(large.clone()).await?;
        assert_eq!(ws.recv().await?, Some(large));
        ws.send("after").await?;
        let answer = ws.recv().await?.expect("an answer");
        assert!(answer.as_text().expect("text").ends_with("kept: false"));
        Ok(())
    })
    .await;
}
