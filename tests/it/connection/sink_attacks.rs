//! Uses of `Stream` and `Sink` that try to break a connection: orders of polls, full queues, floods and ends.

use std::{pin::Pin, task::Poll, time::Duration};

use futures_util::{FutureExt, Sink, SinkExt, StreamExt, stream, stream::FusedStream};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    task::yield_now,
    time::{sleep, timeout},
};
use wsimd::{CloseCode, CloseFrame, Config, Error, Event, Handle, Message, Role, WebSocket};

use crate::support::{
    connection, expect,
    frames::{BINARY, CLOSE, FIN, PING, PONG, ROLES, TEXT, close, frame, key},
    memory::held,
    poll_once,
    script::{Read, Script, Write},
    soon, with_handle,
};

type Sent = Result<(), Error>;

/// The ends of a connection before it is closed once more: a name, bytes of the peer, and a use.
type End = (
    &'static str,
    fn(Role) -> Vec<u8>,
    fn(&mut WebSocket<Script>),
);

fn nothing(_: &mut WebSocket<Script>) {}

const ENDS: [End; 7] = [
    ("open", |_| vec![], nothing),
    (
        "closed by us",
        |_| vec![],
        |ws| {
            assert!(poll_once(ws.send_close(CloseCode::GOING_AWAY, "we")).is_ready());
        },
    ),
    (
        "closed by both",
        |role| close(role.peer(), 1000, ""),
        |ws| {
            assert!(poll_once(ws.send_close(CloseCode::GOING_AWAY, "we")).is_ready());
            let _ = poll_once(ws.recv());
        },
    ),
    (
        "closed by the peer",
        |role| close(role.peer(), 1000, ""),
        |ws| {
            let _ = poll_once(ws.recv());
        },
    ),
    (
        "failed by the peer",
        |role| close(role.peer(), 1011, ""),
        |ws| {
            let _ = poll_once(ws.recv());
        },
    ),
    (
        "violated",
        |role| frame(role.peer(), FIN | 3, b""),
        |ws| {
            let _ = poll_once(ws.recv());
        },
    ),
    (
        "aborted",
        |_| vec![],
        |ws| {
            ws.handle().abort();
            let _ = poll_once(ws.recv());
        },
    ),
];

/// Creates a connection that has come to its end as far as it can without time.
fn ended(role: Role, (_, input, use_it): End) -> WebSocket<Script> {
    let script = Script::whole(&input(role)).silent();
    let (mut ws, _) = connection(role, Config::new(), script);
    use_it(&mut ws);
    ws
}

fn shown(results: [Sent; 3]) -> [String; 3] {
    results.map(|result| format!("{result:?}"))
}

/// The results of closing twice, and of sending afterwards. The error of a connection that has failed is that of
/// a send.
async fn expected(role: Role, end: End) -> [String; 3] {
    let mut ws = ended(role, end);
    if matches!(end.0, "violated" | "aborted") {
        return shown([
            soon(ws.send("1")).await,
            soon(ws.send("2")).await,
            soon(ws.send("3")).await,
        ]);
    }
    shown([
        soon(ws.send_close(CloseCode::NORMAL, "")).await,
        soon(ws.send_close(CloseCode::NORMAL, "")).await,
        soon(ws.send("late")).await,
    ])
}

#[tokio::test(start_paused = true)]
async fn closing_a_sink_again_changes_nothing_after_every_end() {
    for role in ROLES {
        for end in ENDS {
            let expected = expected(role, end).await;
            let mut ws = ended(role, end);
            let closed = shown([
                soon(SinkExt::close(&mut ws)).await,
                soon(SinkExt::close(&mut ws)).await,
                soon(SinkExt::send(&mut ws, "late".into())).await,
            ]);
            assert_eq!(closed, expected, "{role:?}, {}", end.0);
            let mut events = ended(role, end).into_events();
            let closed = shown([
                soon(SinkExt::<Event>::close(&mut events)).await,
                soon(SinkExt::<Event>::close(&mut events)).await,
                soon(events.send("late".into())).await,
            ]);
            assert_eq!(closed, expected, "events of {role:?}, {}", end.0);
            let (_read, mut write) = ended(role, end).split();
            let closed = shown([
                soon(SinkExt::close(&mut write)).await,
                soon(SinkExt::close(&mut write)).await,
                soon(SinkExt::send(&mut write, "late".into())).await,
            ]);
            assert_eq!(closed, expected, "half of {role:?}, {}", end.0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_once_after_every_end_and_sends_fail() {
    for role in ROLES {
        for end in &ENDS[3..] {
            let mut ws = ended(role, *end);
            let items: Vec<_> = soon((&mut ws).collect()).await;
            let ok: fn(&Result<Message, Error>) -> bool = Result::is_err;
            assert!(items.len() <= 1 && items.iter().all(ok), "{items:?}");
            assert!(ws.is_terminated());
            for _ in 0..3 {
                assert!(matches!(ws.next().now_or_never(), Some(None)));
            }
            assert!(soon(SinkExt::send(&mut ws, "late".into())).await.is_err());
            // The methods of the connection are as before.
            let again = soon(ws.recv()).await;
            assert_eq!(again.is_ok(), items.is_empty(), "{again:?}");
        }
    }
}

/// A message that the application has fed stands before the Close frame, also if the close waits for the stream.
#[tokio::test(start_paused = true)]
async fn closing_waits_for_everything_that_was_fed() {
    for role in ROLES {
        let writes = [
            Write::Pending,
            Write::Some(1),
            Write::Pending,
            Write::Some(7),
        ];
        let script = Script::new([]).silent().writes(writes);
        let (mut ws, seen) = connection(role, Config::new(), script);
        ws.feed(Message::from("first")).await.unwrap();
        Pin::new(&mut ws).start_send("second".into()).unwrap();
        assert!(poll_once(SinkExt::close(&mut ws)).is_pending());
        assert!(Pin::new(&mut ws).start_send("late".into()).is_err());
        soon(SinkExt::close(&mut ws)).await.unwrap();
        let expected = [
            frame(role, FIN | TEXT, b"first"),
            frame(role, FIN | TEXT, b"second"),
            close(role, 1000, ""),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

/// The Close frame of the peer is the last event, and comes when the peer can have read ours.
#[tokio::test(start_paused = true)]
async fn the_close_event_comes_after_our_answer_has_left() {
    for role in ROLES {
        let input = [
            frame(role.peer(), FIN | PING, b"p"),
            close(role.peer(), 4000, "bye"),
        ];
        let writes = [
            Write::Pending,
            Write::Some(1),
            Write::Pending,
            Write::Some(3),
        ];
        let script = Script::chunks([&input.concat()[..]]).writes(writes);
        let (ws, seen) = connection(role, Config::new(), script);
        let mut events = ws.into_events();
        let ping = soon(events.next()).await.unwrap().unwrap();
        assert_eq!(ping, Event::Ping("p".into()));
        let answers = [frame(role, FIN | PONG, b"p"), close(role, 4000, "bye")].concat();
        let close = soon(events.next()).await.unwrap().unwrap();
        assert_eq!(seen.written(), answers);
        let expected = CloseFrame::new(CloseCode::from(4000), "bye").unwrap();
        assert_eq!(close, Event::Close(expected));
        assert!(matches!(events.next().await, Some(Err(Error::Closed(_)))));
        assert!(events.next().await.is_none());
        assert!(events.is_terminated());
    }
}

/// A peer that answers no Close frame: the deadline still reports the frame that had arrived.
#[tokio::test(start_paused = true)]
async fn a_close_event_is_not_lost_when_the_answer_is_blocked() {
    for role in ROLES {
        let (near, mut far) = duplex(3);
        let ws = WebSocket::new(near, role, &Config::new());
        let peer = tokio::spawn(async move {
            far.write_all(&close(role.peer(), 1001, "")).await.unwrap();
            far
        });
        let mut events = ws.into_events();
        let close = timeout(Duration::from_secs(60), events.next())
            .await
            .unwrap();
        assert!(matches!(close, Some(Ok(Event::Close(_)))), "{close:?}");
        let end = soon(events.next()).await;
        assert!(matches!(end, Some(Err(Error::Timeout(_)))), "{end:?}");
        assert!(events.next().await.is_none());
        drop(peer.await.unwrap());
    }
}

/// Pings of a flood are answered and kept up to a number while the task only sends.
#[tokio::test]
async fn a_flood_of_pings_is_bounded_while_no_event_is_taken() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 17);
        let config = Config::new().masking_keys(key);
        let mut events = WebSocket::new(near, role, &config).into_events();
        assert!(poll_once(events.next()).is_pending());
        let flood = frame(role.peer(), FIN | PING, &[7; 125]).repeat(100);
        let mut used = vec![];
        for _ in 0..60 {
            far.write_all(&flood).await.unwrap();
            for _ in 0..3 {
                events.send(Event::from("x")).await.unwrap();
            }
            let mut answers = vec![0; flood.len()];
            while far.read(&mut answers).now_or_never().is_some() {}
            drop(answers);
            used.push(held());
        }
        assert!(used[59] - used[19] < 1000, "{used:?}");
        let kept = std::iter::from_fn(|| events.next().now_or_never()).count();
        assert_eq!(kept, 32);
    }
}

/// Events in the order of their arrival, while the other task sends and reads them for the first one.
#[tokio::test]
async fn events_keep_their_order_around_messages_while_another_task_sends() {
    for role in ROLES {
        let (near, far) = duplex(64);
        let config = Config::new().masking_keys(key).write_high_water(10);
        let (mut sink, mut stream) = WebSocket::new(near, role, &config).into_events().split();
        let sender = tokio::spawn(async move {
            for n in 0..300_u16 {
                sink.send(Event::from(n.to_be_bytes().to_vec()))
                    .await
                    .unwrap();
            }
            sink
        });
        let (mut reads, mut writes) = tokio::io::split(far);
        let peer = tokio::spawn(async move {
            for n in 0..300_u16 {
                let (opcode, payload) = ([PING, PONG, BINARY][usize::from(n % 3)], n.to_be_bytes());
                let bytes = frame(role.peer(), FIN | opcode, &payload);
                writes.write_all(&bytes).await.unwrap();
            }
            writes
        });
        let drain =
            tokio::spawn(async move { tokio::io::copy(&mut reads, &mut tokio::io::sink()).await });
        for n in 0..300_u16 {
            let payload = n.to_be_bytes().to_vec();
            let expected = match n % 3 {
                0 => Event::Ping(payload.into()),
                1 => Event::Pong(payload.into()),
                _ => Event::from(payload),
            };
            assert_eq!(soon(stream.next()).await.unwrap().unwrap(), expected);
        }
        drop((soon(sender).await.unwrap(), soon(peer).await.unwrap()));
        drain.abort();
    }
}

fn full_inbox(role: Role) -> (WebSocket<Script>, Handle) {
    let config = Config::new().inbox_size(2);
    let (ws, handle, _) = with_handle(role, config, Script::new([]).silent());
    (ws, handle)
}

/// Two sinks of one inbox of two messages take turns, as sends that wait do.
#[tokio::test]
async fn sinks_of_handles_are_served_in_turn() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 16);
        let mut ws = WebSocket::new(near, role, &Config::new().masking_keys(key).inbox_size(2));
        let sinks = ["a", "b"].map(|name| {
            let mut sink = ws.handle().into_sink();
            tokio::spawn(async move {
                let mut messages = stream::iter((0..20).map(|_| Ok(Message::from(name))));
                sink.send_all(&mut messages).await.unwrap();
            })
        });
        let receiver = tokio::spawn(async move { ws.recv().await });
        for sink in sinks {
            soon(sink).await.unwrap();
        }
        yield_now().await;
        let mut order = String::new();
        let one = frame(role, FIN | TEXT, b"a").len();
        for _ in 0..40 {
            let mut bytes = vec![0; one];
            soon(far.read_exact(&mut bytes)).await.unwrap();
            let is_a = bytes == frame(role, FIN | TEXT, b"a");
            order.push(if is_a { 'a' } else { 'b' });
        }
        // No sink is more than an inbox and its own message ahead.
        let mut ahead = 0_i32;
        for name in order.chars() {
            ahead += if name == 'a' { 1 } else { -1 };
            assert!(ahead.abs() <= 3, "{order}");
        }
        receiver.abort();
    }
}

#[tokio::test]
async fn a_sink_of_a_handle_gives_its_place_back_when_it_is_dropped() {
    for role in ROLES {
        let (mut ws, handle) = full_inbox(role);
        let [mut first, mut second] = [(); 2].map(|()| handle.clone().into_sink());
        for _ in 0..3 {
            first.feed("first".into()).await.unwrap();
        }
        assert!(poll_once(first.flush()).is_pending());
        second.feed("second".into()).await.unwrap();
        assert!(poll_once(second.flush()).is_pending());
        drop(first);
        assert!(poll_once(ws.recv()).is_pending());
        // The place of the first sink is free.
        assert!(matches!(poll_once(second.flush()), Poll::Ready(Ok(()))));
        drop(ws);
        assert!(matches!(
            poll_once(second.feed("late".into())),
            Poll::Ready(Err(Error::Closed(_)))
        ));
        assert!(matches!(poll_once(second.flush()), Poll::Ready(Ok(()))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_of_a_handle_learns_that_its_waiting_message_was_refused() {
    for role in ROLES {
        let (ws, handle) = full_inbox(role);
        let mut sink = handle.into_sink();
        for _ in 0..3 {
            sink.feed("m".into()).await.unwrap();
        }
        assert!(poll_once(sink.flush()).is_pending());
        drop(ws);
        assert!(matches!(soon(sink.flush()).await, Err(Error::Closed(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn closing_the_sink_of_a_handle_waits_for_its_message_and_wakes_the_connection() {
    for role in ROLES {
        let (near, mut far) = duplex(1 << 12);
        let mut ws = WebSocket::new(near, role, &Config::new().masking_keys(key).inbox_size(1));
        let mut sink = ws.handle().into_sink();
        sink.feed("a".into()).await.unwrap();
        sink.feed("b".into()).await.unwrap();
        let closer = tokio::spawn(async move {
            SinkExt::close(&mut sink).await.unwrap();
            SinkExt::close(&mut sink).await.unwrap();
            sink.send("late".into()).await
        });
        sleep(Duration::from_secs(1)).await;
        let receiver = tokio::spawn(async move { ws.recv().await });
        expect(&mut far, &frame(role, FIN | TEXT, b"a")).await;
        expect(&mut far, &frame(role, FIN | TEXT, b"b")).await;
        expect(&mut far, &close(role, 1000, "")).await;
        far.write_all(&close(role.peer(), 1000, "")).await.unwrap();
        drop(far);
        assert_eq!(soon(receiver).await.unwrap().unwrap(), None);
        assert!(soon(closer).await.unwrap().is_err());
    }
}

/// `forward` waits for the sink and the stream of one connection in one task.
#[tokio::test]
async fn an_echo_by_forward_continues_while_both_directions_are_full() {
    for role in ROLES {
        let (near, far) = duplex(50);
        let config = Config::new().write_high_water(20);
        let echo = WebSocket::new(near, role, &config);
        let echo = tokio::spawn(async move {
            let (sink, stream) = StreamExt::split(echo);
            stream.forward(sink).await
        });
        let (mut sink, mut stream) = StreamExt::split(WebSocket::new(far, role.peer(), &config));
        let sender = tokio::spawn(async move {
            for n in 0..200_usize {
                sink.send(vec![7; n].into()).await.unwrap();
            }
            sink
        });
        for n in 0..200_usize {
            let echoed = soon(stream.next()).await.unwrap().unwrap();
            assert_eq!(echoed.len(), n);
        }
        let mut sink = soon(sender).await.unwrap();
        let (closed, end) = futures_util::future::join(sink.close(), stream.next()).await;
        closed.unwrap();
        assert!(end.is_none());
        soon(echo).await.unwrap().unwrap();
    }
}

/// A task that only sends by `Sink` answers pings and the Close frame of the peer.
#[tokio::test]
async fn a_task_that_only_uses_the_sink_does_the_duties() {
    for role in ROLES {
        let (near, mut far): (DuplexStream, _) = duplex(1 << 16);
        let config = Config::new().masking_keys(key);
        let (mut sink, _stream) = StreamExt::split(WebSocket::new(near, role, &config));
        far.write_all(&frame(role.peer(), FIN | PING, b"p"))
            .await
            .unwrap();
        far.write_all(&close(role.peer(), 1000, "")).await.unwrap();
        let mut sent = 0;
        while sink.send("m".into()).await.is_ok() {
            sent += 1;
            assert!(sent < 100, "the Close frame is never seen");
        }
        let mut written = vec![0; 4096];
        let len = far.read(&mut written).await.unwrap();
        let contains = |bytes: &[u8]| written[..len].windows(bytes.len()).any(|it| it == bytes);
        assert!(contains(&frame(role, FIN | PONG, b"p")));
        assert!(contains(&frame(role, FIN | CLOSE, &1000_u16.to_be_bytes())));
    }
}

/// A read of the stream that fails is one item, and the sink fails as well.
#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_is_one_error() {
    for role in ROLES {
        let script = Script::new([Read::Error(std::io::ErrorKind::ConnectionReset)]);
        let (mut ws, _) = connection(role, Config::new(), script);
        let items: Vec<_> = soon((&mut ws).collect()).await;
        assert!(matches!(items[..], [Err(Error::Io(_))]), "{items:?}");
        assert!(soon(SinkExt::close(&mut ws)).await.is_err());
        assert!(Pin::new(&mut ws).start_send("late".into()).is_err());
    }
}
