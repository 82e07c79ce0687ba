//! `serve` with handlers that split their connection, or pass handles of it to other tasks.

use std::{
    future::{pending, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc},
    task::{JoinHandle, yield_now},
    time::timeout,
};
use wsimd::{CloseCode, Error, Handle, Message, ReadHalf, WebSocket, WriteHalf, net::Stream};

use crate::support::{
    serve::{fill, with_server},
    soon,
};

/// Receives messages and passes them to another task.
async fn take(mut read: ReadHalf<Stream>, to: mpsc::Sender<Message>) -> Result<(), Error> {
    while let Some(message) = read.recv().await? {
        if to.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the messages of another task.
async fn give(
    mut write: WriteHalf<Stream>,
    mut from: mpsc::Receiver<Message>,
) -> Result<(), Error> {
    while let Some(message) = from.recv().await {
        write.send(message).await?;
    }
    Ok(())
}

/// Sends messages one by one, and then many at a time. Expects each back.
async fn expect_echo(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    for number in 0..100 {
        ws.send(number.to_string()).await?;
        assert_eq!(ws.recv().await?, Some(number.to_string().into()));
    }
    let (mut read, mut write) = ws.split();
    let sizes = (0..300).map(|number| number * 7919 % 30_000);
    let send = async {
        for size in sizes.clone() {
            write.send(vec![7; size]).await?;
        }
        Ok(())
    };
    let recv = async {
        for size in sizes.clone() {
            let message = read.recv().await?.expect("a message was lost");
            assert_eq!(message.len(), size);
        }
        Ok::<_, Error>(())
    };
    tokio::try_join!(send, recv)?;
    let mut ws = read.reunite(write).unwrap();
    ws.close(CloseCode::NORMAL, "").await
}

async fn echo_in_one_task(ws: WebSocket<Stream>) {
    let (read, write) = ws.split();
    let (to, from) = mpsc::channel(1);
    let (taken, given) = tokio::join!(take(read, to), give(write, from));
    taken.and(given).unwrap();
}

async fn echo_in_two_tasks(ws: WebSocket<Stream>) {
    let (read, write) = ws.split();
    let (to, from) = mpsc::channel(1);
    let tasks: [JoinHandle<Result<(), Error>>; 2] = [
        tokio::spawn(take(read, to)),
        tokio::spawn(give(write, from)),
    ];
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn replies_of_halves_that_a_handler_joins_leave() {
    with_server(echo_in_one_task, expect_echo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_halves_that_a_handler_joins_leave_among_threads() {
    with_server(echo_in_one_task, expect_echo).await;
}

#[tokio::test]
async fn replies_of_halves_in_tasks_of_their_own_leave() {
    with_server(echo_in_two_tasks, expect_echo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_of_halves_in_tasks_of_their_own_leave_among_threads() {
    with_server(echo_in_two_tasks, expect_echo).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_half_that_the_handler_keeps_and_a_read_half_in_a_task_work_together() {
    with_server(
        |ws| async move {
            let (read, write) = ws.split();
            let (to, from) = mpsc::channel(1);
            let task = tokio::spawn(take(read, to));
            give(write, from).await.unwrap();
            task.await.unwrap().unwrap();
        },
        expect_echo,
    )
    .await;
}

#[tokio::test]
async fn what_is_pushed_through_a_handle_leaves_while_the_handler_waits_in_recv() {
    let (handles, mut connected) = mpsc::unbounded_channel::<Handle>();
    with_server(
        move |mut ws| {
            handles.send(ws.handle()).unwrap();
            async move { while let Ok(Some(_)) = ws.recv().await {} }
        },
        |mut ws| async move {
            let handle = connected.recv().await.unwrap();
            for number in 0..100 {
                handle.send(number.to_string()).await?;
                assert_eq!(ws.recv().await?, Some(number.to_string().into()));
            }
            handle.close(CloseCode::GOING_AWAY, "shutdown").await?;
            assert_eq!(ws.recv().await?, None);
            assert_eq!(ws.closed().unwrap().reason(), "shutdown");
            assert_eq!(
                soon(handle.closed()).await.sent.unwrap().reason(),
                "shutdown"
            );
            Ok(())
        },
    )
    .await;
}

static FREE: Notify = Notify::const_new();

#[tokio::test]
async fn what_is_pushed_while_the_handler_is_elsewhere_leaves_when_it_comes_back() {
    let (handles, mut connected) = mpsc::unbounded_channel::<Handle>();
    with_server(
        move |mut ws| {
            handles.send(ws.handle()).unwrap();
            async move {
                FREE.notified().await;
                ws.recv().await
            }
        },
        |mut ws| async move {
            let handle = connected.recv().await.unwrap();
            handle.send("pushed").await?;
            let early = timeout(Duration::from_millis(50), ws.recv()).await;
            assert!(early.is_err(), "{early:?}");
            FREE.notify_one();
            assert_eq!(ws.recv().await?, Some("pushed".into()));
            Ok(())
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handles_of_many_tasks_and_the_handler_send_side_by_side() {
    const EACH: usize = 300;
    with_server(
        |mut ws| async move {
            for sender in 0..3 {
                let handle = ws.handle();
                tokio::spawn(async move {
                    for number in 0..EACH {
                        handle.send(format!("{sender} {number}")).await.unwrap();
                    }
                });
            }
            while let Ok(Some(message)) = ws.recv().await {
                ws.send(message).await.unwrap();
            }
        },
        |mut ws| async move {
            let mut next = [0; 4];
            ws.send("3 0").await?;
            while next != [EACH; 4] {
                let message = ws.recv().await?.expect("a message was lost");
                let (sender, number) = message.as_text().unwrap().split_once(' ').unwrap();
                let sender: usize = sender.parse().unwrap();
                assert_eq!(next[sender].to_string(), number);
                next[sender] += 1;
                if sender == 3 && next[3] < EACH {
                    ws.send(format!("3 {}", next[3])).await?;
                }
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn what_the_handler_sent_leaves_although_the_task_that_got_its_connection_gives_up() {
    let (accepted, mut sent) = mpsc::unbounded_channel();
    with_server(
        move |mut ws| {
            let accepted = accepted.clone();
            async move {
                accepted.send(fill(&mut ws).await).unwrap();
                tokio::spawn(async move {
                    // Once the handler waits, a task waits for the socket, and then stops to wait.
                    yield_now().await;
                    poll_fn(|cx| Poll::Ready(pin!(ws.flush()).poll(cx).is_pending())).await
                });
                pending::<()>().await;
            }
        },
        |mut ws| async move {
            for message in 0..sent.recv().await.unwrap() {
                yield_now().await;
                assert!(ws.recv().await?.is_some(), "message {message}");
            }
            Ok(())
        },
    )
    .await;
}
