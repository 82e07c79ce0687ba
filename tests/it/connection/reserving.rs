//! `reserve` and `try_feed`: the caller knows whether a message was accepted.

use std::{pin::pin, task::Poll};

use bytes::Bytes;
use tokio::io::{AsyncReadExt, duplex};
use wsimd::{CloseCode, Config, Error, Message, Role, SendError, TrySendError, WebSocket};

use crate::support::{
    frames::{BINARY, FIN, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Script, Seen, Write},
    soon,
};

/// A connection with more queued bytes than the high-water mark of 100.
async fn full(role: Role, writes: impl IntoIterator<Item = Write>) -> (WebSocket<Script>, Seen) {
    let script = Script::new([]).silent().writes(writes);
    let seen = script.seen.clone();
    let config = Config::new().masking_keys(key).write_high_water(100);
    let mut ws = WebSocket::new(script, role, &config);
    ws.feed(vec![0; 101]).await.unwrap();
    (ws, seen)
}

fn first(role: Role) -> Vec<u8> {
    frame(role, FIN | BINARY, &[0; 101])
}

#[tokio::test]
async fn reserve_waits_above_the_high_water_mark_and_its_permit_is_kept() {
    for role in ROLES {
        let writes = [
            Write::Pending,
            Write::Some(1),
            Write::Pending,
            Write::Some(usize::MAX),
        ];
        let (mut ws, seen) = full(role, writes).await;
        assert!(poll_once(ws.reserve()).is_pending());
        assert!(poll_once(ws.reserve()).is_pending());
        let Poll::Ready(permit) = poll_once(ws.reserve()) else {
            panic!("there is room")
        };
        let before = seen.written();
        permit.unwrap().feed("for sure").unwrap();
        assert_eq!(seen.written(), before, "a permit writes nothing");
        assert!(poll_once(ws.recv()).is_pending());
        let expected = [first(role), frame(role, FIN | TEXT, b"for sure")];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reserve_that_waits_goes_on_when_the_peer_reads() {
    let (near, mut far) = duplex(10);
    let config = Config::new().write_high_water(100);
    let mut ws = WebSocket::new(near, Role::Server, &config);
    ws.feed(vec![0; 101]).await.unwrap();
    let task = tokio::spawn(async move {
        ws.reserve().await.unwrap().feed("m").unwrap();
        ws.flush().await.unwrap();
    });
    let mut bytes = vec![0; 103 + 3];
    soon(far.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(bytes[103..], frame(Role::Server, FIN | TEXT, b"m"));
    soon(task).await.unwrap();
}

#[tokio::test]
async fn reserve_dropped_at_every_poll_and_permits_not_used_change_nothing() {
    for role in ROLES {
        let writes = std::iter::repeat_n([Write::Pending, Write::Some(1)], 2000).flatten();
        let (mut ws, seen) = full(role, writes).await;
        let mut permits = 0;
        while permits < 20 {
            match poll_once(ws.reserve()) {
                Poll::Ready(permit) => drop(permit.unwrap()),
                Poll::Pending => continue,
            }
            permits += 1;
        }
        while poll_once(ws.flush()).is_pending() {}
        assert_eq!(seen.written(), first(role));
    }
}

#[tokio::test]
async fn a_permit_refuses_what_may_not_be_sent_and_the_connection_is_as_before() {
    for role in ROLES {
        let script = Script::new([]).silent();
        let seen = script.seen.clone();
        let config = Config::new().masking_keys(key).max_outgoing_message_size(5);
        let mut ws = WebSocket::new(script, role, &config);
        let refused = ws.reserve().await.unwrap().feed("123456").unwrap_err();
        assert!(
            matches!(refused, Error::Send(SendError::MessageTooBig { .. })),
            "{refused:?}"
        );
        assert_eq!(ws.buffered(), 0);
        ws.reserve().await.unwrap().feed("12345").unwrap();
        ws.flush().await.unwrap();
        assert_eq!(seen.written(), frame(role, FIN | TEXT, b"12345"));
    }
}

#[tokio::test]
async fn reserve_and_try_feed_say_how_the_connection_was_closed() {
    for role in ROLES {
        let script = Script::whole(&close(role.peer(), 4000, "bye"));
        let mut ws = WebSocket::new(script, role, &Config::new());
        ws.recv().await.unwrap_err();
        let error = ws.reserve().await.unwrap_err();
        assert_eq!(error.close_code(), Some(CloseCode::from(4000)));
        match ws.try_feed("late") {
            Err(TrySendError::Error(Error::Closed(closed))) => assert_eq!(closed.reason(), "bye"),
            other => panic!("{other:?}"),
        }
    }
    let mut ws = WebSocket::new(Script::new([]).silent(), Role::Server, &Config::new());
    ws.send_close(CloseCode::NORMAL, "").await.unwrap();
    assert!(ws.reserve().await.unwrap_err().is_closed());
    assert!(matches!(ws.try_feed("late"), Err(TrySendError::Error(_))));
}

#[tokio::test]
async fn try_feed_writes_nothing_and_gives_the_same_message_back_when_there_is_no_room() {
    for role in ROLES {
        let (mut ws, seen) = full(role, [Write::Some(usize::MAX)]).await;
        let payload = Bytes::from(vec![7; 5000]);
        match ws.try_feed(payload.clone()) {
            Err(TrySendError::Full(Message::Binary(back))) => {
                assert_eq!((back.as_ptr(), back.len()), (payload.as_ptr(), 5000));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(seen.writes(), 0);
        ws.flush().await.unwrap();
        ws.try_feed(payload.clone()).unwrap();
        assert_eq!(seen.written(), first(role));
        ws.flush().await.unwrap();
        let expected = [first(role), frame(role, FIN | BINARY, &payload)];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn try_feed_of_the_write_half_is_that_of_the_connection() {
    let (ws, seen) = full(Role::Server, [Write::Some(usize::MAX)]).await;
    let (mut read, mut write) = ws.split();
    let back = write.try_feed("m").unwrap_err();
    assert!(matches!(back, TrySendError::Full(message) if message == "m"));
    assert!(poll_once(read.recv()).is_pending());
    write.try_feed("m").unwrap();
    assert!(poll_once(read.recv()).is_pending());
    let expected = [first(Role::Server), frame(Role::Server, FIN | TEXT, b"m")];
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn try_feed_refuses_what_may_not_be_sent_and_the_connection_is_as_before() {
    let script = Script::new([]).silent();
    let config = Config::new().max_outgoing_message_size(5);
    let mut ws = WebSocket::new(script, Role::Server, &config);
    let refused = ws.try_feed("123456").unwrap_err();
    assert!(
        matches!(refused, TrySendError::Error(Error::Send(_))),
        "{refused:?}"
    );
    assert_eq!(ws.buffered(), 0);
    ws.try_feed("12345").unwrap();
    assert_eq!(ws.buffered(), 7);
}

#[tokio::test]
async fn a_permit_that_waits_in_a_future_is_dropped_with_it() {
    let (mut ws, seen) = full(Role::Server, [Write::Some(usize::MAX)]).await;
    {
        let mut waiting = pin!(async {
            let permit = ws.reserve().await.unwrap();
            std::future::pending::<()>().await;
            permit.feed("never")
        });
        assert!(poll_once(waiting.as_mut()).is_pending());
    }
    ws.send("next").await.unwrap();
    let expected = [
        first(Role::Server),
        frame(Role::Server, FIN | TEXT, b"next"),
    ];
    assert_eq!(seen.written(), expected.concat());
}
