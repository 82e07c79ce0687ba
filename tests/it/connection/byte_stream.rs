//! A connection as a stream of bytes.

use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, DuplexStream, copy_bidirectional, duplex,
};
use wsimd::{ByteStream, CloseCode, Config, Role, WebSocket};

use crate::support::{
    frames::{BINARY, FIN, ROLES, TEXT, close, frame, key},
    script::Script,
    soon,
};

fn pair(size: usize) -> (ByteStream<DuplexStream>, ByteStream<DuplexStream>) {
    let (near, far) = duplex(size);
    let stream = |io, role| WebSocket::new(io, role, &Config::new()).into_byte_stream();
    (stream(near, Role::Client), stream(far, Role::Server))
}

#[tokio::test]
async fn bytes_pass_in_both_directions_through_a_tunnel() {
    for size in [64, 100_000] {
        let (client, mut server) = pair(size);
        let (mut local, mut remote) = duplex(size);
        let tunnel =
            tokio::spawn(async move { copy_bidirectional(&mut server, &mut remote).await });
        let echo = tokio::spawn(async move {
            let (mut read, mut write) = tokio::io::split(&mut local);
            tokio::io::copy(&mut read, &mut write).await.unwrap();
            local.shutdown().await.unwrap();
        });
        let data: Vec<u8> = (0..=250).cycle().take(500_000).collect();
        let (mut read, mut write) = tokio::io::split(client);
        let sent = data.clone();
        let writer = tokio::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write
        });
        let mut received = vec![0; data.len()];
        soon(read.read_exact(&mut received)).await.unwrap();
        assert!(received == data);
        soon(writer).await.unwrap().shutdown().await.unwrap();
        assert_eq!(soon(read.read(&mut received)).await.unwrap(), 0);
        soon(echo).await.unwrap();
        let copied = soon(tunnel).await.unwrap().unwrap();
        assert_eq!(copied, (500_000, 500_000));
    }
}

#[tokio::test]
async fn a_write_is_a_message_at_once_and_messages_of_both_kinds_are_read() {
    for role in ROLES {
        let peer = role.peer();
        let input = [
            frame(peer, FIN | TEXT, b"one\ntw"),
            frame(peer, FIN | BINARY, b""),
            frame(peer, FIN | BINARY, b"o\n"),
            close(peer, 1000, ""),
        ];
        let script = Script::whole(&input.concat());
        let seen = script.seen.clone();
        let ws = WebSocket::new(script, role, &Config::new().masking_keys(key));
        let mut stream = ws.into_byte_stream();
        assert_eq!(stream.write(b"HELO").await.unwrap(), 4);
        assert_eq!(seen.written(), frame(role, FIN | BINARY, b"HELO"));
        let mut lines = stream.lines();
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "one");
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "two");
        assert!(lines.next_line().await.unwrap().is_none());
        let mut stream = lines.into_inner();
        assert!(stream.write(b"late").await.is_err());
        stream.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn an_end_that_is_not_clean_is_an_error() {
    for role in ROLES {
        for end in [Vec::new(), close(role.peer(), 1011, "")] {
            let input = [frame(role.peer(), FIN | BINARY, b"ab"), end].concat();
            let ws = WebSocket::new(Script::whole(&input), role, &Config::new());
            let mut stream = ws.into_byte_stream();
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).await.unwrap_err();
            assert_eq!(bytes, b"ab");
            let closed = stream.get_ref().closed().unwrap();
            assert_ne!(closed.code(), CloseCode::NORMAL);
        }
    }
}
