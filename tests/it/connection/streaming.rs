//! Messages that are received and sent in chunks.

use std::{future::poll_fn, task::Poll};

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use wsimd::{CloseCode, Config, Error, Role, WebSocket};

use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Script, Seen},
    soon,
};

fn connection(role: Role, script: Script, config: Config) -> (WebSocket<Script>, Seen) {
    let seen = script.seen.clone();
    (
        WebSocket::new(script, role, &config.masking_keys(key)),
        seen,
    )
}

/// Receives a message in chunks. Returns whether it is text, and its bytes.
async fn collect(ws: &mut WebSocket<Script>) -> Result<Option<(bool, Vec<u8>)>, Error> {
    let Some(mut message) = ws.recv_stream().await? else {
        return Ok(None);
    };
    let is_text = message.is_text();
    let mut bytes = Vec::new();
    while let Some(chunk) = message.chunk().await? {
        assert!(
            !chunk.is_empty() && chunk.len() <= 64 << 10,
            "{}",
            chunk.len()
        );
        assert_eq!(chunk.is_text(), is_text);
        bytes.extend_from_slice(chunk.as_bytes());
    }
    Ok(Some((is_text, bytes)))
}

#[tokio::test]
async fn a_message_of_any_shape_arrives_in_chunks() {
    for role in ROLES {
        let peer = role.peer();
        let large: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let input = [
            frame(peer, TEXT, "hé".as_bytes().get(..2).unwrap()),
            frame(peer, FIN | PING, b"p"),
            frame(peer, CONTINUATION, b""),
            frame(
                peer,
                FIN | CONTINUATION,
                &["é".as_bytes()[1..].to_vec(), b"!".to_vec()].concat(),
            ),
            frame(peer, FIN | BINARY, &large),
            frame(peer, FIN | TEXT, b""),
            frame(peer, FIN | TEXT, b"last"),
            close(peer, 1000, ""),
        ]
        .concat();
        for script in [
            Script::whole(&input),
            Script::chunks(input.chunks(1)),
            Script::chunks(input.chunks(70_000)),
        ] {
            let (mut ws, seen) = connection(role, script, Config::new());
            let text = collect(&mut ws).await.unwrap().unwrap();
            assert_eq!(text, (true, "hé!".as_bytes().to_vec()));
            let (is_text, bytes) = collect(&mut ws).await.unwrap().unwrap();
            assert!(!is_text && bytes == large);
            assert_eq!(collect(&mut ws).await.unwrap().unwrap(), (true, Vec::new()));
            assert_eq!(collect(&mut ws).await.unwrap().unwrap().1, b"last");
            assert_eq!(collect(&mut ws).await.unwrap(), None);
            let answers = [frame(role, FIN | PONG, b"p"), close(role, 1000, "")];
            assert_eq!(seen.written(), answers.concat());
        }
    }
}

/// The frames of a message that a writer has sent: payloads, and whether a frame was the last.
fn data_frames(role: Role, wire: &[u8]) -> Vec<(bool, Vec<u8>)> {
    use tokio_util::codec::Decoder as _;
    let mut codec = wsimd::FrameCodec::new(role.peer(), &Config::new().max_frame_size(None));
    let mut wire = bytes::BytesMut::from(wire);
    std::iter::from_fn(|| codec.decode(&mut wire).unwrap())
        .filter(|frame| !frame.opcode.is_control())
        .map(|frame| (frame.fin, frame.payload.to_vec()))
        .collect()
}

#[tokio::test]
async fn small_chunks_share_frames_and_large_ones_are_cut() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Script::new([]).silent(), Config::new());
        let mut writer = ws.binary_writer();
        for _ in 0..10_000 {
            writer.write_chunk("0123456789").await.unwrap();
        }
        assert!(seen.writes() <= 10, "{}", seen.writes());
        writer.finish().await.unwrap();
        let mut writer = ws.text_writer();
        writer.write_chunk("x".repeat(1_000_000)).await.unwrap();
        writer.write_chunk("y").await.unwrap();
        writer.finish().await.unwrap();
        let frames = data_frames(role, &seen.written());
        let first = frames.iter().position(|(fin, _)| *fin).unwrap() + 1;
        let payload = |frames: &[(bool, Vec<u8>)]| {
            frames
                .iter()
                .flat_map(|(_, payload)| payload.clone())
                .collect::<Vec<u8>>()
        };
        assert_eq!(first, 4);
        assert!(payload(&frames[..first]) == "0123456789".repeat(10_000).as_bytes());
        let text = format!("{}y", "x".repeat(1_000_000));
        assert!(payload(&frames[first..]) == text.as_bytes());
        assert!(
            frames[first..]
                .iter()
                .all(|(_, payload)| payload.len() <= 256 << 10)
        );
        assert!(frames.last().unwrap().0);
    }
}

#[tokio::test]
async fn a_flush_sends_what_was_collected() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Script::new([]).silent(), Config::new());
        let mut writer = ws.text_writer();
        writer.write_chunk("a").await.unwrap();
        assert!(seen.written().is_empty());
        writer.flush().await.unwrap();
        writer.flush().await.unwrap();
        writer.write_chunk("b").await.unwrap();
        writer.finish().await.unwrap();
        ws.binary_writer().finish().await.unwrap();
        drop(ws.binary_writer());
        let expected = [
            frame(role, TEXT, b"a"),
            frame(role, FIN | CONTINUATION, b"b"),
            frame(role, FIN | BINARY, b""),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn a_writer_is_an_async_write_and_a_reader_an_async_read() {
    let (near, far) = duplex(5000);
    let (mut client, mut server) = (
        WebSocket::new(near, Role::Client, &Config::new()),
        WebSocket::new(far, Role::Server, &Config::new()),
    );
    let data: Vec<u8> = (0..=250).cycle().take(1_000_000).collect();
    let copy = data.clone();
    let send = async move {
        let mut writer = client.binary_writer();
        tokio::io::copy(&mut &copy[..], &mut writer).await.unwrap();
        writer.shutdown().await.unwrap();
        let again = writer.write_all(b"late").await.unwrap_err();
        assert_eq!(again.kind(), std::io::ErrorKind::BrokenPipe);
        drop(writer);
        client.close(CloseCode::NORMAL, "").await.unwrap();
    };
    let receive = async move {
        let mut received = Vec::new();
        let mut reader = server.recv_stream().await.unwrap().unwrap();
        reader.read_to_end(&mut received).await.unwrap();
        assert!(received == data);
        assert!(server.recv_stream().await.unwrap().is_none());
    };
    soon(async { tokio::join!(send, receive) }).await;
}

#[tokio::test]
async fn a_writer_that_is_dropped_unfinished_fails_the_connection() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Script::new([]).silent(), Config::new());
        let mut writer = ws.text_writer();
        writer.write_chunk("begun").await.unwrap();
        writer.flush().await.unwrap();
        writer.write_chunk("held").await.unwrap();
        drop(writer);
        let refused = ws.send("next").await;
        assert!(matches!(refused, Err(Error::Send(_))), "{refused:?}");
        assert!(poll_once(ws.recv()).is_pending());
        let expected = [
            frame(role, TEXT, b"begun"),
            close(role, 1011, "a message was not finished"),
        ];
        assert_eq!(seen.written(), expected.concat());
    }
}

#[tokio::test]
async fn invalid_text_is_refused_and_changes_nothing() {
    for role in ROLES {
        let (mut ws, seen) = connection(role, Script::new([]).silent(), Config::new());
        let invalid = |result| {
            assert!(matches!(
                result,
                Err(Error::Send(wsimd::SendError::InvalidUtf8))
            ))
        };
        let mut writer = ws.text_writer();
        invalid(writer.write_chunk(vec![0xff]).await);
        drop(writer);
        let mut writer = ws.text_writer();
        writer.write_chunk(vec![0xc3]).await.unwrap();
        invalid(writer.write_chunk("a").await);
        writer.write_chunk(vec![0xa9]).await.unwrap();
        writer.write_chunk("a").await.unwrap();
        writer.finish().await.unwrap();
        assert_eq!(seen.written(), frame(role, FIN | TEXT, "éa".as_bytes()));
        let mut writer = ws.text_writer();
        writer.write_chunk(vec![0xc3]).await.unwrap();
        invalid(writer.finish().await);
        assert!(poll_once(ws.recv()).is_pending());
        assert!(
            seen.written()
                .ends_with(&close(role, 1011, "a message was not finished"))
        );
    }
}

#[tokio::test]
async fn a_leaked_writer_fails_the_next_message() {
    type Next = fn(&mut WebSocket<Script>) -> bool;
    let calls: [Next; 3] = [
        |ws| matches!(poll_once(ws.send("next")), Poll::Ready(Err(Error::Send(_)))),
        |ws| {
            matches!(
                poll_once(ws.reserve()).map(|it| it.map(drop)),
                Poll::Ready(Err(Error::Send(_)))
            )
        },
        |ws| poll_once(poll_fn(|cx| ws.poll_ready(cx))).is_ready(),
    ];
    for role in ROLES {
        for call in calls {
            let (mut ws, _) = connection(role, Script::new([]).silent(), Config::new());
            let mut writer = ws.binary_writer();
            writer.write_chunk("begun").await.unwrap();
            std::mem::forget(writer);
            assert!(call(&mut ws));
        }
    }
}
