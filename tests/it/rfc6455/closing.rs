//! RFC 6455 §5.5.1, §7: the end of a connection, and its reports to both sides.

use std::{io, time::Duration};

use tokio::time::Instant;
use wsimd::{
    CloseCode, CloseFrame, Config, Error, Event, Message, ProtocolError, Role, SendError, Timeout,
    WebSocket,
};

use crate::support::{
    connection,
    frames::{BINARY, CLOSE, FIN, PING, PONG, ROLES, TEXT, close, frame},
    runner::{Vector, check_both},
    script::{Read, Script, Write},
};

fn code(error: &Error) -> Option<u16> {
    assert!(error.is_closed(), "{error:?}");
    error.close_code().map(u16::from)
}

#[tokio::test]
async fn close_sends_a_close_frame_and_waits_for_the_answer() {
    for role in ROLES {
        let input = close(role.peer(), 1000, "bye");
        let (mut ws, seen) = connection(role, Config::new(), Script::whole(&input));
        assert_eq!(ws.closed(), None);
        ws.close(CloseCode::NORMAL, "bye").await.unwrap();
        assert_eq!(seen.written(), close(role, 1000, "bye"));
        assert!(seen.shut_down());
        let closed = ws.closed().unwrap();
        assert!(closed.is_clean() && !closed.received_first);
        assert_eq!(closed.reason(), "bye");
        assert_eq!(closed.sent, closed.received);
    }
}

#[tokio::test]
async fn close_may_be_called_again_and_sends_one_frame() {
    for role in ROLES {
        let input = close(role.peer(), 1000, "");
        let (mut ws, seen) = connection(role, Config::new(), Script::whole(&input));
        ws.close(CloseCode::NORMAL, "first").await.unwrap();
        ws.close(CloseCode::GOING_AWAY, "second").await.unwrap();
        assert!(matches!(ws.recv().await, Ok(None)));
        assert!(matches!(ws.recv().await, Ok(None)));
        assert_eq!(seen.written(), close(role, 1000, "first"));
    }
}

#[tokio::test]
async fn close_is_fine_when_the_peer_echoes_a_code_of_an_application() {
    let (mut ws, _) = connection(
        Role::Client,
        Config::new(),
        Script::whole(&close(Role::Server, 4000, "x")),
    );
    ws.close(CloseCode::from(4000), "x").await.unwrap();
    assert_eq!(u16::from(ws.closed().unwrap().code()), 4000);
    // For a caller of `recv`, that is no clean end.
    assert_eq!(code(&ws.recv().await.unwrap_err()), Some(4000));
}

#[tokio::test]
async fn messages_still_come_in_after_our_close_frame() {
    for role in ROLES {
        let peer = role.peer();
        let input = [
            frame(peer, FIN | TEXT, b"one"),
            frame(peer, TEXT, b"tw"),
            frame(peer, FIN, b"o"),
            close(peer, 1000, ""),
        ];
        let (mut ws, _) = connection(role, Config::new(), Script::whole(&input.concat()));
        ws.send_close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(Message::from("one")));
        assert_eq!(ws.recv().await.unwrap(), Some(Message::from("two")));
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}

#[tokio::test]
async fn close_reads_past_any_number_of_messages() {
    // Python's websockets 6.0 waits until its timeout when its queue of messages is full.
    let message = frame(Role::Server, FIN | BINARY, &[1; 1000]);
    let input = [message.repeat(1000), close(Role::Server, 1000, "")].concat();
    let (mut ws, _) = connection(Role::Client, Config::new(), Script::whole(&input));
    ws.close(CloseCode::NORMAL, "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_ping_after_our_close_frame_is_answered_and_delays_nothing() {
    // §5.5.2 requires a pong until Close is *received*. Python's websockets 6.0 waits until its timeout.
    for role in ROLES {
        let peer = role.peer();
        let input = [frame(peer, FIN | PING, b"p"), close(peer, 1000, "")];
        let (mut ws, seen) = connection(role, Config::new(), Script::whole(&input.concat()));
        let start = Instant::now();
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        let expected = [close(role, 1000, ""), frame(role, FIN | PONG, b"p")];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn nothing_is_sent_after_our_close_frame() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Config::new(), Script::new([]).silent());
        ws.send_close(CloseCode::NORMAL, "").await.unwrap();
        let sent = seen.written();
        let error = ws.send("late").await.unwrap_err();
        assert!(matches!(error, Error::Send(SendError::Closed)), "{error:?}");
        // The connection is closing, so that its end is not known.
        assert_eq!((error.is_closed(), error.close_code()), (true, None));
        assert!(ws.feed("late").await.unwrap_err().is_closed());
        assert!(ws.ping_with("late").await.unwrap_err().is_closed());
        assert!(ws.pong("late").await.unwrap_err().is_closed());
        ws.flush().await.unwrap();
        assert_eq!(seen.written(), sent);
    }
}

#[tokio::test]
async fn nothing_is_sent_after_the_peers_close_frame() {
    for role in ROLES {
        let (mut ws, _) = connection(
            role,
            Config::new(),
            Script::whole(&close(role.peer(), 1001, "")),
        );
        assert!(matches!(ws.recv().await, Ok(None)));
        assert!(ws.closed().unwrap().received_first);
        assert_eq!(code(&ws.send("late").await.unwrap_err()), Some(1001));
    }
}

#[tokio::test]
async fn a_close_frame_that_may_not_be_sent_changes_nothing() {
    // Python's websockets 6.0 stays in CLOSING after such a reason.
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new([]).silent());
    let too_long = ws.close(CloseCode::NORMAL, "x".repeat(124)).await;
    assert!(matches!(
        too_long,
        Err(Error::Send(SendError::CloseReasonTooLong { size: 124 }))
    ));
    let forbidden = ws.close(CloseCode::ABNORMAL, "").await;
    assert!(matches!(
        forbidden,
        Err(Error::Send(SendError::InvalidCloseCode(
            CloseCode::ABNORMAL
        )))
    ));
    ws.send("still open").await.unwrap();
    assert_eq!(
        seen.written(),
        frame(Role::Server, FIN | TEXT, b"still open")
    );
}

#[test]
fn the_end_of_the_stream_anywhere_before_close_is_1006() {
    let role = Role::Server;
    let message = frame(Role::Client, FIN | TEXT, b"message");
    let input = [message.clone(), close(Role::Client, 1000, "bye")].concat();
    for len in 0..input.len() {
        let mut vector = Vector::new(role, input[..len].to_vec());
        if len >= message.len() {
            vector = vector.event("message");
        }
        vector.check();
    }
}

#[test]
fn close_frames_without_a_complaint_are_a_clean_end_and_others_are_not() {
    for (number, clean) in [(1000, true), (1001, true), (1002, false), (4000, false)] {
        check_both(|role, peer| {
            Vector::new(role, close(peer, number, "r"))
                .event(Event::Close(CloseFrame::new(number, "r").unwrap()))
        });
        let frame = CloseFrame::new(number, "r").unwrap();
        let mut closing = wsimd::protocol::Closing::default();
        closing.on_received(frame.clone());
        closing.on_sent(frame);
        assert_eq!(closing.close_frames().is_clean(), clean);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_our_close_frame_costs_one_deadline() {
    // Python's websockets 6.0 waits up to five times its timeout.
    for role in ROLES {
        let (mut ws, _) = connection(role, Config::new(), Script::new([]).silent());
        let start = Instant::now();
        let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
        assert!(
            matches!(error, Error::Timeout(Timeout::Close { .. })),
            "{error:?}"
        );
        assert!(error.is_timeout());
        assert_eq!(start.elapsed().as_secs(), 10);
        assert!(ws.recv().await.unwrap_err().is_timeout());
        assert_eq!(u16::from(ws.closed().unwrap().code()), 1006);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_talking_does_not_move_the_deadline() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let config = Config::new().close_timeout(Duration::from_secs(3));
    let mut ws = WebSocket::new(near, Role::Client, &config);
    let chatter = tokio::spawn(async move {
        let message = frame(Role::Server, FIN | TEXT, b"and another thing");
        while tokio::io::AsyncWriteExt::write_all(&mut far, &message)
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let start = Instant::now();
    let error = ws.close(CloseCode::NORMAL, "").await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 3);
    drop(ws);
    chatter.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_keeps_the_stream_open_does_not_spoil_a_clean_end() {
    for role in ROLES {
        let reads = [Read::Data(close(role.peer(), 1000, ""))];
        let (mut ws, seen) = connection(role, Config::new(), Script::new(reads).silent());
        assert!(matches!(ws.recv().await, Ok(None)));
        assert_eq!(seen.written(), close(role, 1000, ""));
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_delays_the_error_by_one_deadline() {
    let input = frame(Role::Client, FIN | 3, b"");
    let script = Script::whole(&input).silent().writes([Write::Some(0)]);
    let (mut ws, _) = connection(Role::Server, Config::new(), script);
    // The stream fails to write. This error does not replace the violation.
    let error = ws.recv().await.unwrap_err();
    assert!(matches!(
        error,
        Error::Protocol(ProtocolError::ReservedOpcode(3))
    ));

    let (near, mut far) = tokio::io::duplex(16);
    let mut ws = WebSocket::new(near, Role::Server, &Config::new());
    tokio::io::AsyncWriteExt::write_all(&mut far, &input)
        .await
        .unwrap();
    let start = Instant::now();
    let error = ws.recv().await.unwrap_err();
    assert!(matches!(error, Error::Protocol(_)), "{error:?}");
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_write_error_is_not_reported_when_the_peers_close_frame_is_there() {
    for role in ROLES {
        let reads = [Read::Data(close(role.peer(), 1001, "leaving"))];
        let script = Script::new(reads)
            .silent()
            .writes([Write::Error(io::ErrorKind::BrokenPipe)]);
        let (mut ws, _) = connection(role, Config::new(), script);
        let error = ws.send("too late").await.unwrap_err();
        assert_eq!(code(&error), Some(1001), "{error:?}");
        assert_eq!(ws.closed().unwrap().reason(), "leaving");
    }
}

#[tokio::test]
async fn a_write_error_loses_no_message_that_was_received() {
    let peer = Role::Client;
    let input = [
        frame(peer, FIN | TEXT, b"one"),
        frame(peer, FIN | TEXT, b"two"),
        close(peer, 1008, "enough"),
    ];
    let script = Script::whole(&input.concat())
        .silent()
        .writes([Write::Error(io::ErrorKind::ConnectionReset)]);
    let (mut ws, _) = connection(Role::Server, Config::new(), script);
    let error = ws.send("too late").await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    // The error is reported once.
    assert!(ws.send("too late").await.unwrap_err().is_closed());
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from("one")));
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from("two")));
    assert_eq!(code(&ws.recv().await.unwrap_err()), Some(1008));
}

#[tokio::test]
async fn a_write_error_with_nothing_to_read_is_reported_once() {
    for role in ROLES {
        let script = Script::new([])
            .silent()
            .writes([Write::Error(io::ErrorKind::BrokenPipe)]);
        let (mut ws, _) = connection(role, Config::new(), script);
        let error = ws.send("lost").await.unwrap_err();
        assert!(
            matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe),
            "{error:?}"
        );
        assert_eq!(code(&ws.recv().await.unwrap_err()), Some(1006));
        assert_eq!(code(&ws.send("lost").await.unwrap_err()), Some(1006));
    }
}

#[tokio::test]
async fn a_read_error_is_reported_once() {
    let peer = Role::Server;
    let reads = [
        Read::Data(frame(peer, FIN | TEXT, b"before")),
        Read::Error(io::ErrorKind::ConnectionReset),
    ];
    let (mut ws, _) = connection(Role::Client, Config::new(), Script::new(reads));
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from("before")));
    let error = ws.recv().await.unwrap_err();
    assert!(
        matches!(&error, Error::Io(error) if error.kind() == io::ErrorKind::ConnectionReset),
        "{error:?}"
    );
    for _ in 0..2 {
        assert_eq!(code(&ws.recv().await.unwrap_err()), Some(1006));
    }
    assert!(ws.closed().unwrap().received.is_none());
}

#[tokio::test]
async fn a_violation_is_reported_by_every_call_that_follows() {
    let (mut ws, _) = connection(Role::Server, Config::new(), Script::whole(&[FIN | TEXT, 0]));
    for _ in 0..2 {
        let error = ws.recv().await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::MissingMask)));
        assert_eq!(error.fault(), wsimd::Fault::Peer);
        let error = ws.send("?").await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::MissingMask)));
    }
    assert_eq!(
        ws.closed().unwrap().sent.unwrap().code(),
        Some(CloseCode::PROTOCOL_ERROR)
    );
}

#[tokio::test]
async fn what_was_queued_leaves_before_the_close_frame() {
    let (mut ws, seen) = connection(
        Role::Server,
        Config::new(),
        Script::whole(&close(Role::Client, 1000, "")),
    );
    ws.feed("queued").await.unwrap();
    assert_eq!(ws.buffered(), 8);
    assert!(matches!(ws.recv().await, Ok(None)));
    let expected = [
        frame(Role::Server, FIN | TEXT, b"queued"),
        close(Role::Server, 1000, ""),
    ];
    assert_eq!(seen.written(), expected.concat());
}

#[tokio::test]
async fn a_server_shuts_the_stream_down_first_and_a_client_last() {
    // §7.1.1. The client reads to the end before it shuts down.
    let (near, far) = tokio::io::duplex(1024);
    let mut client = WebSocket::new(near, Role::Client, &Config::new());
    let mut server = WebSocket::new(far, Role::Server, &Config::new());
    let (closed, received) = tokio::join!(client.close(CloseCode::NORMAL, "bye"), server.recv());
    closed.unwrap();
    assert!(matches!(received, Ok(None)));
    assert!(server.closed().unwrap().received_first);
    assert!(!client.closed().unwrap().received_first);
}

#[tokio::test]
async fn both_sides_may_close_at_once() {
    let (near, far) = tokio::io::duplex(1024);
    let mut client = WebSocket::new(near, Role::Client, &Config::new());
    let mut server = WebSocket::new(far, Role::Server, &Config::new());
    let (a, b) = tokio::join!(
        client.close(CloseCode::NORMAL, ""),
        server.close(CloseCode::GOING_AWAY, "restart")
    );
    a.unwrap();
    b.unwrap();
    assert_eq!(client.closed().unwrap().code(), CloseCode::GOING_AWAY);
    assert_eq!(server.closed().unwrap().code(), CloseCode::NORMAL);
}

#[tokio::test]
async fn an_aborted_connection_sends_no_close_frame() {
    let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new([]).silent());
    ws.feed("never sent").await.unwrap();
    drop(ws);
    assert!(seen.written().is_empty());
}

#[tokio::test]
async fn a_connection_taken_apart_goes_on_where_it_was() {
    let peer = Role::Client;
    let whole = [
        frame(peer, TEXT, b"a fragm"),
        frame(peer, FIN, b"ented text"),
        frame(peer, FIN | TEXT, b"second"),
        close(peer, 1000, ""),
    ]
    .concat();
    for split in 1..whole.len() {
        let reads = [
            Read::Data(whole[..split].to_vec()),
            Read::Pending,
            Read::Data(whole[split..].to_vec()),
        ];
        let (mut ws, seen) = connection(Role::Server, Config::new(), Script::new(reads));
        ws.feed("queued").await.unwrap();
        let mut messages = Vec::new();
        loop {
            match crate::support::poll_once(ws.recv()) {
                std::task::Poll::Ready(Ok(Some(message))) => messages.push(message),
                std::task::Poll::Ready(end) => {
                    assert!(matches!(end, Ok(None)), "{end:?}");
                    break;
                }
                std::task::Poll::Pending => {}
            }
            ws = WebSocket::from_parts(ws.into_parts());
        }
        let expected = [Message::from("a fragmented text"), Message::from("second")];
        assert_eq!(messages, expected, "split at {split}");
        let expected = [
            frame(Role::Server, FIN | TEXT, b"queued"),
            frame(Role::Server, FIN | CLOSE, &[3, 232]),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}
