//! The end of the stream under a `Codec`.

use std::{future::ready, time::Duration};

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{DuplexStream, duplex},
    sync::oneshot,
    time::Instant,
};
use tokio_util::codec::{Decoder, Framed};
use wsimd::{
    CloseCode, Codec, Config, Error, Event, Frame, FrameCodec, ProtocolError, Role, WebSocket,
};

use super::{close_event, config, framed, violation};
use crate::support::{
    frames::{BINARY, FIN, ROLES, TEXT, close, frame},
    script::Script,
};

#[tokio::test]
async fn a_stream_that_ends_without_close_is_1006() {
    for role in ROLES {
        let peer = role.peer();
        let whole = frame(peer, FIN | BINARY, &[7; 300]);
        let fragment = frame(peer, TEXT, b"begun");
        let header = 4 + if peer == Role::Client { 4 } else { 0 };
        // At the start, between messages and fragments, inside headers, masks and payloads.
        let mut inputs = vec![(Vec::new(), 0), (whole.repeat(2), 2), (fragment, 0)];
        inputs.extend((1..=header).map(|len| (whole[..len].to_vec(), 0)));
        inputs.extend((1..=header).map(|len| ([&whole, &whole[..len]].concat(), 1)));
        inputs.push((whole[..whole.len() - 1].to_vec(), 0));
        for (input, messages) in inputs {
            let (mut framed, seen) = framed(role, Script::whole(&input));
            for _ in 0..messages {
                assert_eq!(framed.next().await.unwrap().unwrap(), vec![7; 300].into());
            }
            let error = framed.next().await.unwrap().unwrap_err();
            assert!(error.is_closed(), "{error:?}");
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
            assert_eq!(error.close_frame(), None, "there is nobody to tell");
            assert!(framed.next().await.is_none());
            assert_eq!(seen.written(), b"");
        }
    }
}

#[tokio::test]
async fn the_error_of_an_early_end_knows_the_close_frame_that_was_sent() {
    let (mut framed, _) = framed(Role::Client, Script::new([]));
    framed.send(close_event(1001, "away")).await.unwrap();
    let Error::Closed(closed) = framed.next().await.unwrap().unwrap_err() else {
        panic!("not closed");
    };
    assert_eq!(closed.received, None);
    assert_eq!(closed.sent.as_ref().unwrap().reason(), "away");
    assert_eq!(*closed, framed.codec().close_frames());
}

#[tokio::test]
async fn a_stream_that_ends_after_close_is_at_its_end() {
    for role in ROLES {
        let close = close(role.peer(), 1001, "away");
        // Bytes after a Close frame are discarded, whether they are legal or not.
        for behind in [&b""[..], b"\xff", &close[..], &[0; 10_000]] {
            let (mut framed, _) = framed(role, Script::chunks([&close[..], behind]));
            assert_eq!(
                framed.next().await.unwrap().unwrap(),
                close_event(1001, "away")
            );
            assert!(framed.next().await.is_none());
            assert!(framed.next().await.is_none());
            assert!(framed.read_buffer().is_empty());
        }
    }
}

#[test]
fn the_last_bytes_of_a_stream_are_judged_like_any_others() {
    let mut codec = Codec::new(Role::Client, &config());
    let event = frame(Role::Server, FIN | TEXT, b"last");
    let mut input = BytesMut::from(&[&event[..], &[FIN | 3]].concat()[..]);
    assert_eq!(codec.decode_eof(&mut input).unwrap(), Some("last".into()));
    for _ in 0..2 {
        let error = violation(codec.decode_eof(&mut input));
        assert_eq!(error, ProtocolError::ReservedOpcode(3));
    }
}

/// The example of `forward` in the documentation of `Codec`.
async fn echo_by_forward(io: DuplexStream) -> Result<(), Error> {
    let (sink, events) = Framed::with_capacity(io, Codec::server(), 65_536).split();
    let (open, closed) = oneshot::channel::<()>();
    let mut open = Some(open);
    let answers = events.take_until(closed).filter_map(move |event| {
        if let Ok(Event::Close(_)) | Err(_) = event {
            drop(open.take());
        }
        ready(match event {
            Ok(Event::Message(message)) => Some(Ok(message.into())),
            Ok(control) => control.reply().map(Ok),
            Err(error) => error.close_frame().map(|frame| Ok(frame.into())),
        })
    });
    answers.forward(sink).await
}

/// The client waits for the server to close the stream, at most until its close timeout.
#[tokio::test(start_paused = true)]
async fn a_server_that_forwards_its_events_ends_at_the_close_frame() {
    let (near, far) = duplex(1 << 16);
    let server = tokio::spawn(echo_by_forward(far));
    let mut client = WebSocket::new(near, Role::Client, &Config::new());
    for message in ["one", "two"] {
        client.send(message).await.unwrap();
        assert_eq!(client.recv().await.unwrap().unwrap(), message);
    }
    let start = Instant::now();
    client.close(1000, "bye").await.unwrap();
    assert_eq!(client.closed().unwrap().reason(), "bye");
    server.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forwards_its_events_reports_a_violation() {
    let (near, far) = duplex(1 << 16);
    let server = tokio::spawn(echo_by_forward(far));
    let mut client = Framed::new(near, FrameCodec::new(Role::Client, &Config::new()));
    client
        .send(Frame::continuation("of nothing"))
        .await
        .unwrap();
    let start = Instant::now();
    let frame = client.next().await.unwrap().unwrap();
    let error = ProtocolError::UnexpectedContinuation;
    assert_eq!(frame, Frame::close(&error.close_frame()));
    assert!(client.next().await.is_none());
    server.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}
