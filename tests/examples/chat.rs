//! `examples/chat.rs`: rooms, a member that does not read, and Ctrl-C.

use tokio::time::timeout;
use wsimd::{CloseCode, Error, Message, WebSocket, net::Stream};

use crate::{Example, LIMIT};

/// The messages of the test. They exceed the buffers of the kernel for a client that does not read.
const MESSAGES: usize = 600;
const SIZE: usize = 64 << 10;

async fn receive(ws: &mut WebSocket<Stream>) -> Result<Option<Message>, Error> {
    timeout(LIMIT, ws.recv()).await.expect("recv completes")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_with_rooms_a_slow_member_and_ctrl_c() {
    let chat = Example::start("chat");
    let mut alice = wsimd::connect(&chat.uri("/tea")).await.unwrap();
    let mut bob = wsimd::connect(&chat.uri("/tea")).await.unwrap();
    let mut deaf = wsimd::connect(&chat.uri("/tea")).await.unwrap();
    let mut carol = wsimd::connect(&chat.uri("/coffee")).await.unwrap();

    // Each client is a member once its own message comes back.
    for client in [&mut bob, &mut deaf, &mut carol, &mut alice] {
        client.send("here").await.unwrap();
        let echo = receive(client).await.unwrap();
        assert_eq!(echo, Some(Message::from("here")));
    }
    // The messages of those who joined later. Members join in any order, so that their number is not known.
    alice.send("start").await.unwrap();
    for client in [&mut alice, &mut bob] {
        while receive(client).await.unwrap() != Some(Message::from("start")) {}
    }

    for number in 0..MESSAGES {
        let message = Message::from(format!("{number:08}").repeat(SIZE / 8));
        alice.send(message.clone()).await.unwrap();
        for client in [&mut alice, &mut bob] {
            assert_eq!(receive(client).await.unwrap(), Some(message.clone()));
        }
    }

    let mut received = 0;
    let end = loop {
        match receive(&mut deaf).await {
            Ok(Some(_)) => received += 1,
            end => break end,
        }
    };
    assert!(
        matches!(&end, Err(Error::Closed(closed)) if closed.code() == CloseCode::POLICY_VIOLATION),
        "{end:?}"
    );
    assert!(received < MESSAGES, "the slow member missed messages");

    chat.interrupt();
    for client in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(
            receive(client).await.unwrap(),
            None,
            "no message of another room"
        );
        let closed = client.closed().unwrap();
        assert_eq!(closed.code(), CloseCode::GOING_AWAY);
    }
    let status = chat.wait().await;
    assert!(status.success(), "{status}");
}
