//! The methods of a connection that its halves have as well.

use std::time::Duration;

use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::Instant,
};
use wsimd::{
    CloseCode, Config, Error, Message, Parts, ReadHalf, Role, SendError, Timeout, WebSocket,
    WriteHalf,
};

use crate::support::{
    expect,
    frames::{BINARY, FIN, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Script, Write},
    secs, soon,
};

type Halves<S> = (ReadHalf<S>, WriteHalf<S>);

/// The halves of a server's connection, and the client's end of the stream.
fn server() -> (Halves<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 16);
    let config = Config::new().close_timeout(secs(5));
    (WebSocket::new(near, Role::Server, &config).split(), far)
}

#[tokio::test]
async fn halves_know_the_facts_of_their_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let io = TcpStream::connect(address).await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    let parts = Parts::new(io, Role::Client, &Config::new()).subprotocol(Some("chat"));
    let (mut read, write) = WebSocket::from_parts(parts).split();
    for name in [read.subprotocol(), write.subprotocol()] {
        assert_eq!(name.as_deref(), Some("chat"));
    }
    assert_eq!(read.with_io(TcpStream::peer_addr).unwrap(), address);
    assert_eq!(write.with_io(|io| io.peer_addr()).unwrap(), address);
    assert_eq!((read.latency(), write.latency()), (None, None));
    assert_eq!((read.closed(), write.closed()), (None, None));
    far.write_all(&close(Role::Server, 1001, "bye"))
        .await
        .unwrap();
    drop(far);
    assert_eq!(soon(read.recv()).await.unwrap(), None);
    for closed in [read.closed(), write.closed()] {
        assert_eq!(closed.unwrap().code(), CloseCode::GOING_AWAY);
    }
    let ((_, no_name), _far) = server();
    assert_eq!(no_name.subprotocol(), None);
}

#[tokio::test]
async fn both_halves_know_the_latency() {
    let (near, far) = duplex(1024);
    let mut peer = WebSocket::new(far, Role::Client, &Config::new());
    let (mut read, mut write) = WebSocket::new(near, Role::Server, &Config::new()).split();
    let pong = write.ping().await.unwrap();
    let round_trip = tokio::select! {
        round_trip = pong => round_trip.unwrap(),
        message = read.recv() => panic!("{message:?}"),
        message = peer.recv() => panic!("{message:?}"),
    };
    assert_eq!(read.latency(), Some(round_trip));
    assert_eq!(write.latency(), Some(round_trip));
}

#[tokio::test]
async fn only_halves_of_one_connection_are_a_pair() {
    let ((read, write), _far) = server();
    let ((other_read, other_write), _other_far) = server();
    assert!(read.is_pair_of(&write) && write.is_pair_of(&read));
    assert!(!read.is_pair_of(&other_write) && !write.is_pair_of(&other_read));
    assert_eq!(read.handle(), write.handle());
    assert_ne!(read.handle(), other_read.handle());
}

/// The inbox is created while the other half waits, and the task that waits has to watch the inbox.
#[tokio::test]
async fn a_handle_that_is_created_while_the_other_half_waits_is_served() {
    let ((mut read, write), mut far) = server();
    let reader = tokio::spawn(async move { read.recv().await });
    yield_now().await;
    write.handle().send("pushed").await.unwrap();
    let expected = frame(Role::Server, FIN | TEXT, b"pushed");
    soon(expect(&mut far, &expected)).await;
    reader.abort();
}

#[tokio::test]
async fn a_permit_of_a_half_is_room_for_a_message() {
    for role in ROLES {
        let writes = [Write::Pending, Write::Some(usize::MAX)];
        let script = Script::new([]).silent().writes(writes);
        let seen = script.seen.clone();
        let config = Config::new().masking_keys(key).write_high_water(100);
        let (mut read, mut write) = WebSocket::new(script, role, &config).split();
        write.feed(vec![0; 101]).await.unwrap();
        assert!(poll_once(write.reserve()).is_pending());
        let permit = soon(write.reserve()).await.unwrap();
        let before = seen.written();
        // The connection is not locked, and the other half may use the room.
        assert_eq!(read.closed(), None);
        read.handle().try_send(vec![1; 200]).unwrap();
        assert!(poll_once(read.recv()).is_pending());
        permit.feed("for sure").unwrap();
        assert!(poll_once(read.recv()).is_pending());
        let expected = [
            frame(role, FIN | BINARY, &[0; 101]),
            frame(role, FIN | BINARY, &[1; 200]),
            frame(role, FIN | TEXT, b"for sure"),
        ];
        assert!(before.len() < seen.written().len());
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn a_permit_of_a_half_that_is_closed_meanwhile_accepts_nothing() {
    let ((mut read, mut write), _far) = server();
    let permit = write.reserve().await.unwrap();
    read.handle().close(1000, "").await.unwrap();
    assert!(poll_once(read.recv()).is_pending());
    let error = permit.feed("late").unwrap_err();
    assert!(matches!(error, Error::Send(SendError::Closed)), "{error}");
}

#[tokio::test]
async fn a_write_half_closes_while_the_other_half_receives() {
    let ((mut read, mut write), mut far) = server();
    let reader = tokio::spawn(async move {
        let mut messages = Vec::new();
        while let Some(message) = read.recv().await? {
            messages.push(message);
        }
        Ok::<_, Error>(messages)
    });
    yield_now().await;
    let writer = tokio::spawn(async move { write.close(1000, "done").await });
    soon(expect(&mut far, &close(Role::Server, 1000, "done"))).await;
    far.write_all(&close(Role::Client, 1000, "done"))
        .await
        .unwrap();
    soon(writer).await.unwrap().unwrap();
    assert_eq!(
        soon(reader).await.unwrap().unwrap(),
        [""; 0].map(Message::from)
    );
}

#[tokio::test]
async fn a_write_half_alone_discards_messages_while_it_closes() {
    for drops in [false, true] {
        let ((read, mut write), mut far) = server();
        let kept = (!drops).then_some(read);
        for _ in 0..3 {
            far.write_all(&frame(Role::Client, FIN | TEXT, b"late"))
                .await
                .unwrap();
        }
        // The first message is parked.
        write.flush().await.unwrap();
        write.flush().await.unwrap();
        far.write_all(&close(Role::Client, 4000, "")).await.unwrap();
        soon(write.close(1000, "")).await.unwrap();
        assert_eq!(write.closed().unwrap().code(), CloseCode::from(4000));
        soon(write.close(1000, "")).await.unwrap();
        if let Some(mut read) = kept {
            let end = read.recv().await;
            assert!(matches!(end, Err(Error::Closed(_))), "{end:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_close_of_a_write_half_has_a_deadline() {
    let ((_read, mut write), _far) = server();
    let start = Instant::now();
    let error = write.close(1000, "").await.unwrap_err();
    assert!(matches!(error, Error::Timeout(Timeout::Close { .. })));
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    let error = write.close(1005, "").await.unwrap_err();
    assert!(matches!(error, Error::Send(SendError::InvalidCloseCode(_))));
}
