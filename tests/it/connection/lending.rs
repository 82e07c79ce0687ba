//! Lent messages: `recv_with` on a whole connection and on its half.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    task::unconstrained,
};
use wsimd::{Config, Message, MessageRef, Role, ServerBuilder, TrySendError, WebSocket};

use crate::support::{
    connection,
    frames::{
        BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame, mixed_traffic,
    },
    memory, poll_once,
    runner::overwrite,
    script::{Read, Script},
};

/// Frames of a peer: two messages, a ping and a third message.
fn burst(peer: Role) -> Vec<u8> {
    [
        frame(peer, FIN | TEXT, "first é".as_bytes()),
        frame(peer, FIN | BINARY, b"second"),
        frame(peer, FIN | PING, b"p"),
        frame(peer, FIN | TEXT, b"third"),
    ]
    .concat()
}

#[tokio::test]
async fn lent_messages_are_the_owned_ones_on_both_halves_and_the_whole() {
    for role in ROLES {
        let (mut input, messages) = mixed_traffic(role.peer());
        input.extend(close(role.peer(), 1000, ""));
        for size in [1, 2, 3, 7, 50, 1000, input.len()] {
            let script = || Script::chunks(input.chunks(size));
            let (mut ws, _) = connection(role, Config::new(), script());
            let (half, _) = connection(role, Config::new(), script());
            let (mut half, _writer) = half.split();
            for message in &messages {
                assert_eq!(
                    ws.recv_with(overwrite).await.unwrap().as_ref(),
                    Some(message)
                );
                assert_eq!(
                    half.recv_with(overwrite).await.unwrap().as_ref(),
                    Some(message)
                );
            }
            assert_eq!(ws.recv_with(overwrite).await.unwrap(), None);
            assert_eq!(half.recv_with(overwrite).await.unwrap(), None);
        }
    }
}

#[tokio::test]
async fn recv_with_dropped_at_every_poll_loses_nothing_and_does_not_call_the_closure() {
    for role in ROLES {
        let (mut input, messages) = mixed_traffic(role.peer());
        input.extend(close(role.peer(), 1000, ""));
        let reads = input
            .iter()
            .flat_map(|byte| [Read::Pending, Read::Data(vec![*byte])]);
        let (mut ws, _) = connection(role, Config::new(), Script::new(reads));
        let mut received = Vec::new();
        let mut calls = 0;
        let end = loop {
            let polled = poll_once(ws.recv_with(|message| {
                calls += 1;
                message.to_message()
            }));
            match polled {
                Poll::Pending => assert_eq!(calls, received.len()),
                Poll::Ready(Ok(Some(message))) => received.push(message),
                Poll::Ready(end) => break end,
            }
        };
        assert!(matches!(end, Ok(None)), "{end:?}");
        assert_eq!(received, messages);
    }
}

#[test]
fn a_message_that_arrives_whole_is_lent_without_an_allocation() {
    for role in ROLES {
        let payload = vec![7; 1000];
        let one = frame(role.peer(), FIN | BINARY, &payload);
        let (mut ws, _) = connection(role, Config::new(), Script::whole(&one.repeat(100)));
        let mut cx = Context::from_waker(Waker::noop());
        let mut receive = || {
            let polled = ws.poll_recv_with(&mut cx, |message| {
                message
                    .with_padding(|bytes, len| bytes[..len].iter().map(|it| u64::from(*it)).sum())
            });
            assert!(matches!(polled, Poll::Ready(Ok(Some(7000_u64)))));
        };
        // The first call reads, and registers the task.
        receive();
        let ((), allocated) = memory::peak(|| (0..98).for_each(|_| receive()));
        assert_eq!(allocated, 0);
    }
}

#[tokio::test]
async fn a_closure_that_panics_loses_its_message_and_no_other() {
    for role in ROLES {
        let (mut ws, _) = connection(role, Config::new(), Script::whole(&burst(role.peer())));
        panics(|| poll_once(ws.recv_with(|_| panic!("as the test wants it"))));
        assert_eq!(
            ws.recv().await.unwrap(),
            Some(Message::from(b"second".as_slice()))
        );
        panics(|| {
            poll_once(ws.recv_with(|message| {
                message.with_padding(|bytes, _| {
                    bytes.fill(0xFF);
                    panic!("as the test wants it")
                })
            }))
        });
        assert!(
            ws.recv().await.is_err(),
            "the stream has ended without a Close frame"
        );

        let (ws, _) = connection(role, Config::new(), Script::whole(&burst(role.peer())));
        let (mut reader, mut writer) = ws.split();
        panics(|| poll_once(reader.recv_with(|_| panic!("as the test wants it"))));
        assert_eq!(reader.recv_with(overwrite).await.unwrap().unwrap().len(), 6);
        assert_eq!(reader.recv().await.unwrap(), Some("third".into()));
        writer.try_feed("still open").unwrap();
    }
}

fn panics<T>(f: impl FnOnce() -> T) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

#[tokio::test]
async fn invalid_text_is_never_lent() {
    for role in ROLES {
        let input = [
            frame(role.peer(), FIN | TEXT, b"ok"),
            frame(role.peer(), FIN | TEXT, b"\xFF"),
            frame(role.peer(), FIN | TEXT, b"never"),
        ]
        .concat();
        let (mut ws, seen) = connection(role, Config::new(), Script::whole(&input));
        assert_eq!(ws.recv_with(overwrite).await.unwrap(), Some("ok".into()));
        let error = ws.recv_with(overwrite).await.unwrap_err();
        assert_eq!(error.close_code().map(u16::from), Some(1007));
        assert_eq!(seen.written()[0], FIN | CLOSE);
    }
}

#[tokio::test]
async fn control_frames_before_a_lent_message_are_answered() {
    for role in ROLES {
        let peer = role.peer();
        let input = [
            frame(peer, FIN | PING, b"1"),
            frame(peer, TEXT, b"in "),
            frame(peer, FIN | PING, b"2"),
            frame(peer, FIN | CONTINUATION, b"two"),
            frame(peer, FIN | PING, b"3"),
            frame(peer, FIN | TEXT, b"one"),
        ]
        .concat();
        let (mut ws, seen) = connection(role, Config::new(), Script::whole(&input).silent());
        assert_eq!(
            ws.recv_with(overwrite).await.unwrap(),
            Some("in two".into())
        );
        assert_eq!(ws.recv_with(overwrite).await.unwrap(), Some("one".into()));
        assert!(poll_once(ws.recv_with(overwrite)).is_pending());
        let pong = |payload: &[u8]| frame(role, FIN | PONG, payload);
        assert_eq!(
            seen.written(),
            [pong(b"1"), pong(b"2"), pong(b"3")].concat()
        );
    }
}

#[tokio::test]
async fn a_parked_message_is_lent() {
    let input = burst(Role::Client);
    let (mut ws, _) = connection(Role::Server, Config::new(), Script::whole(&input).silent());
    ws.send("a").await.unwrap();
    ws.send("the second send in a row parks a message")
        .await
        .unwrap();
    assert_eq!(
        ws.recv_with(overwrite).await.unwrap(),
        Some("first é".into())
    );
    assert_eq!(ws.recv_with(overwrite).await.unwrap().unwrap().len(), 6);
}

#[tokio::test]
async fn the_other_half_can_be_used_while_a_message_is_lent() {
    let (near, mut far) = duplex(1 << 16);
    far.write_all(&burst(Role::Client)).await.unwrap();
    let config = Config::new().write_high_water(64);
    let (mut reader, mut writer) = WebSocket::new(near, Role::Server, &config).split();
    let first = reader.recv_with(|message| {
        writer.try_feed("fed while a message is lent").unwrap();
        let full = (0..10).find_map(|_| writer.try_feed(vec![0; 50]).err());
        assert!(matches!(full, Some(TrySendError::Full(_))));
        // The writer drives the connection, but must not read past the lent message.
        assert!(poll_once(writer.flush()).is_ready());
        overwrite(message)
    });
    assert_eq!(first.await.unwrap(), Some("first é".into()));
    assert_eq!(
        reader.recv().await.unwrap(),
        Some(Message::from(b"second".as_slice()))
    );
    assert_eq!(
        reader.recv_with(overwrite).await.unwrap(),
        Some("third".into())
    );
    let mut output = [0; 29];
    far.read_exact(&mut output).await.unwrap();
    assert_eq!(output[2..], *b"fed while a message is lent");
}

/// A task that counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A writer that waits while a message is lent reads nothing. It has to be woken afterwards, because it may be the
/// only task that polls the connection from then on.
#[tokio::test]
async fn a_writer_that_has_waited_for_a_lent_input_is_woken() {
    for waits in [false, true] {
        let (near, mut far) = duplex(64);
        far.write_all(&burst(Role::Client)[..40]).await.unwrap();
        let (mut reader, mut writer) = WebSocket::new(near, Role::Server, &Config::new()).split();
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        // More than the pipe holds: the writer has to wait.
        let mut sending = pin!(unconstrained(writer.send(vec![7; 1000])));
        let lent = poll_once(reader.recv_with(|message| {
            if waits {
                assert!(
                    sending
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            overwrite(message)
        }));
        assert!(matches!(lent, Poll::Ready(Ok(Some(_)))));
        assert_eq!(wakes.0.load(Ordering::Relaxed), usize::from(waits));
    }
}

#[tokio::test]
async fn a_message_may_be_lent_from_within_another() {
    let (mut outer, _) = connection(
        Role::Server,
        Config::new(),
        Script::whole(&burst(Role::Client)),
    );
    let (mut inner, _) = connection(
        Role::Client,
        Config::new(),
        Script::whole(&burst(Role::Server)),
    );
    let lengths = outer.recv_with(|message: MessageRef<'_>| {
        let inner = poll_once(inner.recv_with(|message| overwrite(message).len()));
        let Poll::Ready(Ok(Some(len))) = inner else {
            panic!("{inner:?}")
        };
        (overwrite(message).len(), len)
    });
    assert_eq!(lengths.await.unwrap(), Some((8, 8)));
    assert_eq!(
        outer.recv().await.unwrap(),
        Some(Message::from(b"second".as_slice()))
    );
    assert_eq!(
        inner.recv().await.unwrap(),
        Some(Message::from(b"second".as_slice()))
    );
}

#[tokio::test]
async fn under_serve_a_closure_that_panics_closes_with_1011() {
    let server = ServerBuilder::new().bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}", server.local_addr().unwrap());
    let serving = tokio::spawn(server.serve(async |mut ws| {
        ws.recv_with(|_| panic!("as the test wants it")).await?;
        Ok(())
    }));
    let mut ws = wsimd::connect(&uri).await.unwrap();
    ws.send("a message").await.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.close_code().map(u16::from), Some(1011));
    serving.abort();
}
