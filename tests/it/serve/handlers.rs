//! How the end of a handler closes its connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, mpsc::unbounded_channel},
    time::{sleep, timeout},
};
use wsimd::{CloseCode, Closed, Config, Error, ServerBuilder, WebSocket, net::Stream};

use crate::support::{serve::fill, served::Served, soon};

/// Receives until the end. Returns the messages, and how the connection ended.
async fn read_on(ws: &mut WebSocket<Stream>) -> (usize, Closed) {
    let mut messages = 0;
    while let Ok(Some(_)) = soon(ws.recv()).await {
        messages += 1;
    }
    (messages, ws.closed().unwrap())
}

/// Checks that the server closed first, with `code`, and that both sides closed.
fn check(closed: &Closed, code: CloseCode) {
    assert_eq!(
        closed.received.as_ref().and_then(|frame| frame.code()),
        Some(code)
    );
    assert!(closed.received_first, "{closed:?}");
    assert!(closed.sent.is_some(), "{closed:?}");
}

/// The ends of a handler.
#[derive(Clone, Copy, Debug)]
enum End {
    Ok,
    Err,
    Panic,
}

impl End {
    const ALL: [(Self, CloseCode); 3] = [
        (Self::Ok, CloseCode::NORMAL),
        (Self::Err, CloseCode::INTERNAL_ERROR),
        (Self::Panic, CloseCode::INTERNAL_ERROR),
    ];

    fn run(self) -> Result<(), Error> {
        match self {
            Self::Ok => Ok(()),
            Self::Err => Err(Error::other("as the test asks for")),
            Self::Panic => panic!("as the test asks for"),
        }
    }
}

#[tokio::test]
async fn the_end_of_a_handler_decides_the_code() {
    for (end, code) in End::ALL {
        let mut server = Served::start(ServerBuilder::new(), move |mut ws| async move {
            ws.send("Hello").await?;
            end.run()
        })
        .await;
        let mut ws = server.client().await;
        let (messages, closed) = read_on(&mut ws).await;
        assert_eq!(messages, 1, "{end:?}");
        check(&closed, code);
        if code == CloseCode::INTERNAL_ERROR {
            let (error, _) = server.error().await;
            assert!(error.contains("as the test asks for"), "{error}");
        }
        server.has(0, 0).await;
    }
}

#[tokio::test]
async fn messages_in_a_full_socket_arrive_before_the_close_frame() {
    for (end, code) in End::ALL {
        let (tell, mut sent) = unbounded_channel();
        let server = Served::start(ServerBuilder::new(), move |mut ws| {
            let tell = tell.clone();
            async move {
                tell.send(fill(&mut ws).await).unwrap();
                end.run()
            }
        })
        .await;
        let mut ws = server.client().await;
        let sent = soon(sent.recv()).await.unwrap();
        sleep(Duration::from_millis(20)).await;
        let (messages, closed) = read_on(&mut ws).await;
        // The connection may have accepted the last message, whose future was dropped.
        assert!(
            messages == sent || messages == sent + 1,
            "{end:?}: {messages} {sent}"
        );
        check(&closed, code);
    }
}

#[tokio::test]
async fn messages_of_a_connection_that_another_task_fills_and_drops_arrive() {
    for (end, code) in End::ALL {
        let (tell, mut sent) = unbounded_channel();
        let server = Served::start(ServerBuilder::new(), move |mut ws: WebSocket<Stream>| {
            let tell = tell.clone();
            async move {
                tokio::spawn(async move {
                    // The handler has ended when this task drops the connection.
                    sleep(Duration::from_millis(100)).await;
                    tell.send(fill(&mut ws).await).unwrap();
                });
                end.run()
            }
        })
        .await;
        let mut ws = server.client().await;
        let sent = soon(sent.recv()).await.unwrap();
        server.has(0, 1).await;
        let (messages, closed) = read_on(&mut ws).await;
        // The connection may have accepted the last message, whose future was dropped.
        assert!(
            messages == sent || messages == sent + 1,
            "{end:?}: {messages} {sent}"
        );
        check(&closed, code);
        server.has(0, 0).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_dropped_early_is_closed_while_the_handler_continues() {
    let free = Arc::new(Notify::new());
    let ended = Arc::new(AtomicUsize::new(0));
    let (wait, count) = (Arc::clone(&free), Arc::clone(&ended));
    let server = Served::start(ServerBuilder::new(), move |mut ws: WebSocket<Stream>| {
        let (wait, count) = (Arc::clone(&wait), Arc::clone(&count));
        async move {
            ws.send("Hello").await?;
            match ws.recv().await?.unwrap().as_text() {
                Some("here") => drop(ws),
                Some("halves") => {
                    let (read, write) = ws.split();
                    drop(read);
                    drop(write);
                }
                _ => drop(tokio::spawn(async move { drop(ws) })),
            }
            wait.notified().await;
            count.fetch_add(1, Ordering::Relaxed);
            Err(Error::other("too late for the connection"))
        }
    })
    .await;
    for (number, how) in ["here", "halves", "in a task"].into_iter().enumerate() {
        let mut ws = server.client().await;
        ws.send(how).await.unwrap();
        let (messages, closed) = read_on(&mut ws).await;
        assert_eq!(messages, 1, "{how}");
        check(&closed, CloseCode::NORMAL);
        assert_eq!(ended.load(Ordering::Relaxed), number, "{how}");
        free.notify_one();
        server.has(0, 0).await;
        assert_eq!(ended.load(Ordering::Relaxed), number + 1);
    }
}

#[tokio::test]
async fn halves_in_two_tasks_hold_a_connection_until_both_are_dropped() {
    for (end, code) in End::ALL {
        let free = Arc::new(Notify::new());
        let wait = Arc::clone(&free);
        let server = Served::start(ServerBuilder::new(), move |ws: WebSocket<Stream>| {
            let wait = Arc::clone(&wait);
            async move {
                let (mut read, mut write) = ws.split();
                tokio::spawn(async move {
                    wait.notified().await;
                    write.send("last").await
                });
                tokio::spawn(async move { read.recv().await.map(drop) });
                end.run()
            }
        })
        .await;
        let mut ws = server.client().await;
        ws.send("ends the first task").await.unwrap();
        let early = timeout(Duration::from_millis(50), ws.recv()).await;
        assert!(early.is_err(), "{early:?}");
        free.notify_one();
        let (messages, closed) = read_on(&mut ws).await;
        assert_eq!(messages, 1, "{end:?}");
        check(&closed, code);
    }
}

#[tokio::test]
async fn the_parts_of_a_connection_belong_to_the_handler() {
    let server = Served::start(ServerBuilder::new(), async |mut ws: WebSocket<Stream>| {
        ws.send("Hello").await?;
        let parts = ws.into_parts();
        match parts.io.peer_addr()?.port() % 2 {
            0 => drop(parts),
            _ => drop(tokio::spawn(async move { drop(parts) })),
        }
        Ok(())
    })
    .await;
    for _ in 0..4 {
        let mut ws = server.client().await;
        let (messages, closed) = read_on(&mut ws).await;
        // The handler took the connection apart. Its message was written, and no Close frame follows.
        assert_eq!((messages, closed.received), (1, None));
        server.has(0, 0).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_closed_gets_no_other_code() {
    let handler = |end: End| {
        move |mut ws: WebSocket<Stream>| async move {
            match end {
                End::Ok => ws.close(CloseCode::from(4000), "mine").await?,
                _ => while ws.recv().await?.is_some() {},
            }
            assert!(ws.closed().is_some());
            End::Err.run()
        }
    };
    let server = Served::start(ServerBuilder::new(), handler(End::Ok)).await;
    let mut ws = server.client().await;
    let (_, closed) = read_on(&mut ws).await;
    check(&closed, CloseCode::from(4000));
    server.has(0, 0).await;

    let server = Served::start(ServerBuilder::new(), handler(End::Err)).await;
    let mut ws = server.client().await;
    soon(ws.close(CloseCode::from(4001), "yours"))
        .await
        .unwrap();
    let closed = ws.closed().unwrap();
    assert_eq!(closed.code(), CloseCode::from(4001));
    assert!(!closed.received_first, "{closed:?}");
    assert_eq!(closed.received.unwrap().code(), Some(CloseCode::from(4001)));
    server.has(0, 0).await;
}

#[tokio::test]
async fn a_peer_that_does_not_close_is_given_up_after_the_close_timeout() {
    let config = Config::new().close_timeout(Duration::from_millis(100));
    let builder = ServerBuilder::new().config(config);
    let server = Served::start(builder, async |mut ws| {
        fill(&mut ws).await;
        Ok(())
    })
    .await;
    let ws = server.client().await;
    server.has(0, 1).await;
    server.has(0, 0).await;
    drop(ws);
}

#[tokio::test]
async fn a_panic_harms_no_other_connection() {
    let server = Served::start(ServerBuilder::new(), async |mut ws: WebSocket<Stream>| {
        while let Some(message) = ws.recv().await? {
            assert_ne!(message, "panic", "as the test asks for");
            ws.send(message).await?;
        }
        Ok(())
    })
    .await;
    let mut other = server.client().await;
    for _ in 0..20 {
        let mut ws = server.client().await;
        ws.send("panic").await.unwrap();
        let (_, closed) = read_on(&mut ws).await;
        check(&closed, CloseCode::INTERNAL_ERROR);
        other.send("fine").await.unwrap();
        assert_eq!(soon(other.recv()).await.unwrap(), Some("fine".into()));
    }
    assert_eq!(server.handle.connection_count(), 1);
}

#[tokio::test]
async fn handlers_compile_without_annotations() {
    async fn member(mut ws: WebSocket<Stream>, room: Arc<AtomicUsize>) -> Result<(), Error> {
        room.fetch_add(1, Ordering::Relaxed);
        ws.send("member").await
    }
    let bind = || async { ServerBuilder::new().bind("127.0.0.1:0").await.unwrap() };
    let room = Arc::new(AtomicUsize::new(0));
    let (same, other) = (Arc::clone(&room), Arc::clone(&room));
    let [a, b, c, d] = [bind().await, bind().await, bind().await, bind().await];
    let addresses = [&a, &b, &c, &d].map(|server| server.local_addr().unwrap());
    let tasks = [
        tokio::spawn(a.serve(async |mut ws| ws.send("member").await)),
        tokio::spawn(b.serve(|mut ws| async move { ws.send("member").await })),
        tokio::spawn(c.serve_with(same, member)),
        tokio::spawn(d.serve(move |ws| member(ws, other.clone()))),
    ];
    for address in addresses {
        let mut ws = soon(wsimd::connect(&format!("ws://{address}")))
            .await
            .unwrap();
        assert_eq!(soon(ws.recv()).await.unwrap(), Some("member".into()));
        let (_, closed) = read_on(&mut ws).await;
        check(&closed, CloseCode::NORMAL);
    }
    assert_eq!(room.load(Ordering::Relaxed), 2);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
