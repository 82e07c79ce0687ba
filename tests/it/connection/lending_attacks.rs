//! Closures, peers and tasks that try to break lent messages.

use std::{mem, task::Poll};

use bytes::BytesMut;
use tokio::{
    io::{DuplexStream, duplex},
    task::JoinSet,
};
use wsimd::{Config, Message, MessageRef, Parts, ReadHalf, Role, WebSocket, WriteHalf};

use crate::support::{
    connection,
    frames::{BINARY, FIN, ROLES, TEXT, frame},
    poll_once,
    runner::overwrite,
    script::Script,
    soon, with_handle,
};

/// The application keeps the other part of the buffer that it passes to `from_parts`.
#[tokio::test]
async fn padding_never_reaches_memory_of_the_application() {
    for role in ROLES {
        for spare in [0, 1, 64, 1000] {
            let one = frame(role.peer(), FIN | TEXT, "né".as_bytes());
            let mut all = BytesMut::with_capacity(2 * one.len() + 100 + spare);
            all.extend_from_slice(&one.repeat(2));
            let len = all.len();
            all.extend_from_slice(&[9; 100]);
            let mut parts = Parts::new(Script::new([]).silent(), role, &Config::new());
            parts.read_buf = all.split_to(len);
            let mut ws = WebSocket::from_parts(parts);
            for _ in 0..2 {
                assert_eq!(ws.recv_with(overwrite).await.unwrap(), Some("né".into()));
            }
            assert!(poll_once(ws.recv_with(overwrite)).is_pending());
            assert_eq!(all[..], [9; 100]);
        }
    }
}

/// The writer ends the connection while its input is lent. The input must not come back to life.
#[tokio::test]
async fn an_end_while_a_message_is_lent_drops_the_rest() {
    for role in ROLES {
        let input = frame(role.peer(), FIN | TEXT, b"m").repeat(3);
        let (ws, handle, _) = with_handle(role, Config::new(), Script::whole(&input).silent());
        let (mut reader, mut writer) = ws.split();
        let lent = reader.recv_with(|message| {
            handle.abort();
            assert!(matches!(
                poll_once(writer.send("late")),
                Poll::Ready(Err(_))
            ));
            overwrite(message)
        });
        assert_eq!(lent.await.unwrap(), Some("m".into()));
        for _ in 0..2 {
            assert!(reader.recv_with(overwrite).await.is_err());
        }
        let parts = reader.reunite(writer).unwrap().into_parts();
        assert!(parts.read_buf.is_empty() && parts.message.is_none());
    }
}

fn swap<'a>(mut a: MessageRef<'a>, mut b: MessageRef<'a>) -> [Message; 2] {
    mem::swap(&mut a, &mut b);
    [overwrite(b), overwrite(a)]
}

/// Safe code can exchange two lent messages. Each stays text or binary as its bytes are.
#[tokio::test]
async fn lent_messages_that_change_places_stay_whole() {
    let text = frame(Role::Client, FIN | TEXT, "é".as_bytes()).repeat(2);
    let binary = frame(Role::Client, FIN | BINARY, b"\xFF\xFE\xFD").repeat(2);
    let open = |input: &[u8]| connection(Role::Server, Config::new(), Script::whole(input)).0;
    let (mut a, mut b) = (open(&text), open(&binary));
    let swapped = a.recv_with(|outer| poll_once(b.recv_with(|inner| swap(outer, inner))));
    let swapped = swapped.await.unwrap();
    let (text, binary) = (
        Message::from("é"),
        Message::from(b"\xFF\xFE\xFD".as_slice()),
    );
    let Some(Poll::Ready(Ok(Some(swapped)))) = swapped else {
        panic!("{swapped:?}")
    };
    assert_eq!(swapped, [text.clone(), binary.clone()]);
    assert_eq!(a.recv().await.unwrap(), Some(text));
    assert_eq!(b.recv().await.unwrap(), Some(binary));
}

type Halves = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

/// Real threads: the writer floods while the reader lends and overwrites.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_threads_lend_and_flood() {
    const COUNT: usize = 5000;
    let payload = |number: usize| number.to_le_bytes().repeat(number % 40);
    let (near, far) = duplex(3000);
    let ours = WebSocket::new(near, Role::Server, &Config::new().write_high_water(1000)).split();
    let theirs = WebSocket::new(far, Role::Client, &Config::new()).split();
    let mut tasks = JoinSet::new();
    let run = |(mut reader, mut writer): Halves, tasks: &mut JoinSet<_>| {
        tasks.spawn(async move {
            for number in 0..COUNT {
                writer.send(payload(number)).await.unwrap();
            }
            (None, Some(writer))
        });
        tasks.spawn(async move {
            for number in 0..COUNT {
                let lent = reader.recv_with(overwrite).await.unwrap();
                assert_eq!(lent, Some(payload(number).into()));
            }
            (Some(reader), None)
        });
    };
    run(ours, &mut tasks);
    run(theirs, &mut tasks);
    // A half that is done stays, because the end of a connection fails the last send of its peer.
    let mut done = Vec::new();
    soon(async {
        while let Some(half) = tasks.join_next().await {
            done.push(half.unwrap());
        }
    })
    .await;
    assert_eq!(done.len(), 4);
}
