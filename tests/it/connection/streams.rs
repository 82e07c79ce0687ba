//! `Stream` and `Sink` of connections, halves and handles, with the combinators of futures-util.

use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt, stream};
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use wsimd::{
    CloseCode, CloseFrame, Config, Error, Event, Events, Message, ReadHalf, Role, WebSocket,
    WriteHalf,
};

use crate::support::{
    frames::{FIN, PING, PONG, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Script, Seen, Write},
    soon, with_handle,
};

fn connection(role: Role, script: Script) -> (WebSocket<Script>, Seen) {
    let seen = script.seen.clone();
    let config = Config::new().masking_keys(key);
    (WebSocket::new(script, role, &config), seen)
}

fn pair(size: usize) -> (WebSocket<DuplexStream>, WebSocket<DuplexStream>) {
    let (near, far) = duplex(size);
    let config = Config::new();
    (
        WebSocket::new(near, Role::Client, &config),
        WebSocket::new(far, Role::Server, &config),
    )
}

/// A transport as applications describe it.
trait Transport:
    Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Send + Sync + Unpin
{
}

impl<T> Transport for T where
    T: Stream<Item = Result<Message, Error>> + Sink<Message, Error = Error> + Send + Sync + Unpin
{
}

#[tokio::test]
async fn a_connection_is_a_transport_and_echoes_with_forward() {
    let (client, server) = pair(64);
    let server: Box<dyn Transport> = Box::new(server);
    let echo = tokio::spawn(async move {
        let (sink, stream) = server.split();
        stream.forward(sink).await
    });
    let (mut sink, stream) = StreamExt::split(client);
    let sent: Vec<Message> = (0..100).map(|n| Message::from("x".repeat(n))).collect();
    let mut messages = stream::iter(sent.clone()).map(Ok);
    let send = async {
        sink.send_all(&mut messages).await?;
        sink.close().await
    };
    let (closed, received) =
        soon(futures_util::future::join(send, stream.collect::<Vec<_>>())).await;
    closed.unwrap();
    let received: Result<Vec<Message>, Error> = received.into_iter().collect();
    let received = received.unwrap();
    // The echo of the last messages may come after the Close frame of the client, which ends it.
    assert!(received.len() <= sent.len() && received[..] == sent[..received.len()]);
    // An echo after the Close frame is refused.
    let _ = soon(echo).await.unwrap();
}

#[tokio::test]
async fn a_stream_ends_after_its_first_error() {
    // An adapter that repeats the error makes `for_each` spin.
    for role in ROLES {
        let (ws, _) = connection(role, Script::whole(&[0x83, 0x80, 1, 2, 3, 4]));
        let items: Vec<_> = soon(ws.collect::<Vec<_>>()).await;
        assert!(matches!(items[..], [Err(Error::Protocol(_))]), "{items:?}");
        let (ws, _) = connection(role, Script::whole(&close(role.peer(), 1001, "")));
        assert!(soon(ws.collect::<Vec<_>>()).await.is_empty());
        let (ws, _) = connection(role, Script::whole(&close(role.peer(), 1011, "")));
        let items: Vec<_> = soon(ws.collect::<Vec<_>>()).await;
        assert!(matches!(items[..], [Err(Error::Closed(_))]), "{items:?}");
    }
}

#[tokio::test]
async fn a_sink_batches_until_it_is_flushed_and_closes_once() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Script::new([]).silent());
        for text in ["a", "b", "c"] {
            SinkExt::feed(&mut ws, Message::from(text)).await.unwrap();
        }
        assert_eq!(seen.writes(), 0);
        SinkExt::<Message>::flush(&mut ws).await.unwrap();
        assert_eq!(seen.writes(), 1);
        SinkExt::<Message>::close(&mut ws).await.unwrap();
        SinkExt::<Message>::close(&mut ws).await.unwrap();
        let frames = ["a", "b", "c"].map(|text| frame(role, FIN | TEXT, text.as_bytes()));
        let expected = [frames.concat(), close(role, 1000, "")].concat();
        assert_eq!(seen.written(), expected);
        let refused = SinkExt::send(&mut ws, Message::from("late")).await;
        assert!(matches!(refused, Err(Error::Send(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn events_come_in_order_and_the_close_frame_after_the_closing_handshake() {
    for role in ROLES {
        let input = [
            frame(role.peer(), FIN | PING, b"1"),
            frame(role.peer(), FIN | TEXT, b"text"),
            frame(role.peer(), FIN | PONG, b"2"),
            close(role.peer(), 4000, "bye"),
        ];
        let expected = [
            Event::Ping("1".into()),
            Event::from("text"),
            Event::Pong("2".into()),
            Event::Close(CloseFrame::new(4000, "bye").unwrap()),
        ];
        let (ws, seen) = connection(role, Script::whole(&input.concat()));
        let mut events = ws.into_events();
        for event in expected {
            if let Event::Close(_) = event {
                assert!(!seen.shut_down());
            }
            assert_eq!(soon(events.next()).await.unwrap().unwrap(), event);
        }
        assert!(seen.shut_down());
        let answers = [frame(role, FIN | PONG, b"1"), close(role, 4000, "bye")];
        assert_eq!(seen.written(), answers.concat());
        assert!(matches!(events.next().await, Some(Err(Error::Closed(_)))));
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn events_that_arrive_while_the_task_sends_are_kept_in_order() {
    let (ws, mut far) = {
        let (near, far) = duplex(1 << 16);
        (WebSocket::new(near, Role::Server, &Config::new()), far)
    };
    let mut events = ws.into_events();
    assert!(poll_once(events.next()).is_pending());
    for n in 0..40_u8 {
        far.write_all(&frame(Role::Client, FIN | PING, &[n]))
            .await
            .unwrap();
    }
    far.write_all(&frame(Role::Client, FIN | TEXT, b"last"))
        .await
        .unwrap();
    for _ in 0..3 {
        events.send(Event::from("x")).await.unwrap();
    }
    // The oldest eight were dropped.
    for n in 8..40_u8 {
        let event = events.next().await.unwrap().unwrap();
        assert_eq!(event, Event::Ping(vec![n].into()));
    }
    assert_eq!(events.next().await.unwrap().unwrap(), Event::from("last"));
}

#[tokio::test]
async fn an_event_sink_sends_control_frames() {
    for role in ROLES {
        let (ws, seen) = connection(role, Script::new([]).silent());
        let mut events = ws.into_events();
        events.feed(Event::Ping("a".into())).await.unwrap();
        events.feed(Event::Pong("b".into())).await.unwrap();
        let too_long = events.feed(Event::Ping(vec![0; 126].into())).await;
        assert!(matches!(too_long, Err(Error::Send(_))), "{too_long:?}");
        let frame_4000 = CloseFrame::new(CloseCode::from(4000), "end").unwrap();
        events.send(Event::Close(frame_4000)).await.unwrap();
        SinkExt::<Event>::close(&mut events).await.unwrap();
        let expected = [
            frame(role, FIN | PING, b"a"),
            frame(role, FIN | PONG, b"b"),
            close(role, 4000, "end"),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn halves_are_streams_and_sinks() {
    fn check<R, W>(_: &R, _: &W)
    where
        R: Stream<Item = Result<Message, Error>>,
        W: Sink<Message, Error = Error>,
    {
    }
    let (client, server) = pair(1 << 12);
    let (mut read, mut write) = client.split();
    check(&read, &write);
    let server = tokio::spawn(async move {
        let (read, write): (ReadHalf<_>, WriteHalf<_>) = server.split();
        read.forward(write).await
    });
    SinkExt::send(&mut write, Message::from("echo"))
        .await
        .unwrap();
    assert_eq!(soon(read.next()).await.unwrap().unwrap(), "echo");
    let mut events: Events<ReadHalf<_>> = read.into_events();
    SinkExt::close(&mut write).await.unwrap();
    let close = soon(events.next()).await.unwrap().unwrap();
    assert_eq!(
        close,
        Event::Close(CloseFrame::new(CloseCode::NORMAL, "").unwrap())
    );
    assert!(soon(events.next()).await.is_none());
    soon(server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_handle_sink_waits_for_room_in_the_inbox() {
    for role in ROLES {
        let config = Config::new().masking_keys(key).inbox_size(1);
        let (mut ws, handle, seen) = with_handle(role, config, Script::new([]).silent());
        let mut sink = handle.into_sink();
        for text in ["a", "b"] {
            sink.feed(Message::from(text))
                .now_or_never()
                .unwrap()
                .unwrap();
        }
        assert!(sink.feed(Message::from("c")).now_or_never().is_none());
        assert!(sink.flush().now_or_never().is_none());
        assert!(poll_once(ws.recv()).is_pending());
        sink.flush().now_or_never().unwrap().unwrap();
        assert!(poll_once(ws.recv()).is_pending());
        sink.close().now_or_never().unwrap().unwrap();
        assert!(poll_once(ws.recv()).is_pending());
        let frames = ["a", "b"].map(|text| frame(role, FIN | TEXT, text.as_bytes()));
        let expected = [frames.concat(), close(role, 1000, "")].concat();
        assert_eq!(seen.written(), expected);
    }
}

#[tokio::test]
async fn a_message_that_a_sink_takes_without_room_follows_the_unfinished_one() {
    use std::pin::Pin;

    use futures_util::future::poll_immediate;

    for role in ROLES {
        let script = Script::new([]).silent().writes([
            Write::Pending,
            Write::Pending,
            Write::Some(usize::MAX),
        ]);
        let config = Config::new().masking_keys(key).inbox_bytes(None);
        let (ws, handle, seen) = with_handle(role, config, script);
        let (mut read, mut write) = ws.split();
        poll_immediate(std::future::poll_fn(|cx| write.poll_ready(cx)))
            .await
            .unwrap()
            .unwrap();
        let large = vec![7; 1 << 20];
        handle.try_send(large.clone()).unwrap();
        assert!(poll_once(read.recv()).is_pending());
        let before = write.buffered();
        Pin::new(&mut write).start_send("next".into()).unwrap();
        assert_eq!(write.buffered(), before + 4);
        let mut receiver = wsimd::protocol::Receiver::new(role.peer(), &Config::new());
        assert!(
            write
                .send_close(CloseCode::NORMAL, "")
                .now_or_never()
                .is_none()
        );
        soon(write.flush()).await.unwrap();
        let mut wire = bytes::BytesMut::from(&seen.written()[..]);
        let mut events = std::iter::from_fn(|| receiver.receive(&mut wire).unwrap());
        assert!(events.next() == Some(Event::from(large)));
        assert_eq!(events.next(), Some(Event::from("next")));
        assert!(matches!(events.next(), Some(Event::Close(_))));
    }
}
