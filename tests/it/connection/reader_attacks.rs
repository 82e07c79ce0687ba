//! Messages that are received in chunks, and everything that ends them.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex},
    time::{sleep, timeout},
};
use wsimd::{CloseCode, Config, Error, Message, Parts, ProtocolError, Role, WebSocket};

use crate::support::{
    connection,
    deflate::{RSV1, agree, deflate, noise},
    frames::{BINARY, CONTINUATION, FIN, PING, ROLES, TEXT, close, frame, key},
    poll_once,
    script::{Read, Script},
    secs, soon, with_handle,
    zlib::Zlib,
};

/// Reads a message to its end. Returns the bytes, and the error if there was one.
async fn read_all(ws: &mut WebSocket<Script>) -> (Vec<u8>, Option<Error>) {
    let mut bytes = Vec::new();
    let mut reader = match ws.recv_stream().await {
        Ok(Some(reader)) => reader,
        Ok(None) => panic!("the connection has ended"),
        Err(error) => return (bytes, Some(error)),
    };
    loop {
        match reader.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(chunk.as_bytes()),
            Ok(None) => return (bytes, None),
            Err(error) => {
                assert!(reader.chunk().await.is_err(), "not repeated");
                return (bytes, Some(error));
            }
        }
    }
}

/// Fragments of the message, each of `size` bytes.
fn fragments(peer: Role, first: u8, message: &[u8], size: usize) -> Vec<u8> {
    let count = message.len().div_ceil(size).max(1);
    let mut wire = Vec::new();
    for number in 0..count {
        let end = message.len().min((number + 1) * size);
        let fin = if number + 1 == count { FIN } else { 0 };
        let opcode = if number == 0 { first } else { CONTINUATION };
        wire.extend(frame(peer, fin | opcode, &message[number * size..end]));
    }
    wire
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_streamed_messages_is_exact() {
    const LIMIT: usize = 1000;
    for role in ROLES {
        let config = Config::new()
            .max_message_size(10)
            .max_streamed_message_size(LIMIT);
        for size in [1, 7, 300, 999, 1000, 1001, 5000] {
            for (len, is_fine) in [(LIMIT, true), (LIMIT + 1, false)] {
                let message = noise(len, 1);
                let wire = fragments(role.peer(), BINARY, &message, size);
                for script in [Script::whole(&wire), Script::chunks(wire.chunks(1))] {
                    let (mut ws, seen) = connection(role, config.clone(), script.silent());
                    let (bytes, error) = soon(read_all(&mut ws)).await;
                    assert!(message.starts_with(&bytes));
                    if is_fine {
                        assert!(error.is_none() && bytes == message, "{error:?}");
                        continue;
                    }
                    assert!(bytes.len() <= LIMIT);
                    let Some(Error::Protocol(error @ ProtocolError::StreamTooBig { .. })) = error
                    else {
                        panic!("{error:?}")
                    };
                    let reason = close(role, 1009, error.as_str());
                    assert!(seen.written().ends_with(&reason));
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_inflated_bytes() {
    for role in ROLES {
        for (len, is_fine) in [(1000, true), (1001, false), (1_000_000, false)] {
            let config = Config::new()
                .max_streamed_message_size(1000)
                .masking_keys(key);
            let with_deflate = config.clone().extension(deflate(15, true));
            let (client, server) = agree(&with_deflate, &with_deflate);
            let message = vec![b'x'; len];
            let wire = frame(
                role.peer(),
                FIN | RSV1 | TEXT,
                &Zlib::new(6, 15).message(&message),
            );
            let ours = if role == Role::Client { client } else { server };
            let parts = Parts::new(Script::whole(&wire).silent(), role, &config);
            let mut ws = WebSocket::from_parts(parts.extensions(ours));
            let (bytes, error) = soon(read_all(&mut ws)).await;
            assert!(message.starts_with(&bytes) && bytes.len() <= 1000);
            assert_eq!(error.is_none(), is_fine, "{error:?}");
        }
    }
}

/// The bytes before the end have arrived, so that they are received. The end is never that of the message.
#[tokio::test(start_paused = true)]
async fn every_end_in_the_middle_of_a_message_is_an_error() {
    for role in ROLES {
        let peer = role.peer();
        let begun = frame(peer, TEXT, b"begun");
        let half = &frame(peer, FIN | BINARY, &[7; 50])[..30];
        let ends = [
            vec![],
            close(peer, 1000, ""),
            close(peer, 1011, ""),
            frame(peer, FIN | 3, b""),
            frame(peer, FIN | CONTINUATION, &[0xff]),
            frame(peer, FIN | TEXT, b"another"),
        ];
        for (number, end) in ends.into_iter().enumerate() {
            for is_cut in [false, true] {
                let first = Read::Data(begun.clone());
                let script = match is_cut {
                    false => Script::new([first, Read::Data(end.clone())]),
                    true => Script::whole(&[&begun[..], &end].concat()),
                };
                let (mut ws, _) = connection(role, Config::new(), script);
                let (bytes, error) = soon(read_all(&mut ws)).await;
                assert_eq!(bytes, b"begun", "end {number}");
                assert!(error.is_some(), "end {number}");

                let script = Script::whole(&[&begun[..], &end].concat());
                let (mut ws, _) = connection(role, Config::new(), script);
                let mut reader = ws.recv_stream().await.unwrap().unwrap();
                let mut bytes = Vec::new();
                let error = soon(reader.read_to_end(&mut bytes)).await.unwrap_err();
                assert_eq!(bytes, b"begun", "end {number}: {error}");
            }
        }
        let script = Script::new([
            Read::Data(half.to_vec()),
            Read::Error(std::io::ErrorKind::ConnectionReset),
        ]);
        let (mut ws, _) = connection(role, Config::new(), script);
        let (bytes, error) = soon(read_all(&mut ws)).await;
        assert!(!bytes.is_empty() && bytes.iter().all(|byte| *byte == 7));
        assert!(matches!(error, Some(Error::Io(_))), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_and_a_deadline_in_the_middle_of_a_message_are_errors() {
    for role in ROLES {
        for aborts in [true, false] {
            let begun = frame(role.peer(), TEXT, b"begun");
            let (mut ws, handle, _) =
                with_handle(role, Config::new(), Script::whole(&begun).silent());
            let mut reader = ws.recv_stream().await.unwrap().unwrap();
            match aborts {
                true => handle.abort(),
                false => handle.close(CloseCode::NORMAL, "").await.unwrap(),
            }
            let chunk = reader.chunk().await.unwrap();
            assert_eq!(chunk, Some("begun".into()));
            let end = timeout(Duration::from_secs(60), reader.chunk())
                .await
                .unwrap();
            assert!(end.is_err(), "{end:?}");
            assert!(reader.chunk().await.is_err());
        }
    }
}

/// Chunks of text are whole characters, wherever the text is cut, and wrong bytes fail at their place.
#[tokio::test(start_paused = true)]
async fn text_in_chunks_is_whole_characters_and_fails_where_it_is_wrong() {
    let text = "aé日😀".repeat(3);
    for role in ROLES {
        for cut in 1..text.len() {
            let (head, tail) = text.as_bytes().split_at(cut);
            let wire = [
                frame(role.peer(), TEXT, head),
                frame(role.peer(), FIN | PING, b""),
                frame(role.peer(), FIN | CONTINUATION, tail),
            ];
            let (mut ws, _) = connection(
                role,
                Config::new(),
                Script::chunks(wire.iter().map(|it| &it[..])),
            );
            let mut reader = ws.recv_stream().await.unwrap().unwrap();
            let mut whole = String::new();
            while let Some(chunk) = reader.chunk().await.unwrap() {
                whole.push_str(chunk.as_text().expect("text"));
            }
            assert_eq!(whole, text);

            let mut wrong = text.clone().into_bytes();
            wrong[cut] = 0xff;
            let wire = frame(role.peer(), FIN | TEXT, &wrong);
            let (mut ws, _) = connection(role, Config::new(), Script::chunks(wire.chunks(1)));
            let (bytes, error) = soon(read_all(&mut ws)).await;
            let whole = text
                .char_indices()
                .map(|(start, _)| start)
                .rfind(|start| *start <= cut);
            assert_eq!(bytes, &text.as_bytes()[..whole.unwrap()]);
            assert!(
                matches!(error, Some(Error::Protocol(ProtocolError::InvalidUtf8))),
                "{error:?}"
            );
        }
    }
}

/// Each use that follows a reader which was dropped after its first chunk begins with the next message.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_message_is_skipped_by_whatever_follows() {
    let rest: Vec<u8> = noise(200_000, 2);
    for role in ROLES {
        let peer = role.peer();
        let wire = [
            frame(peer, BINARY, b"begun"),
            frame(peer, CONTINUATION, &rest),
            frame(peer, FIN | PING, b""),
            frame(peer, FIN | CONTINUATION, b"end"),
            frame(peer, FIN | TEXT, b"next"),
            close(peer, 1000, ""),
        ]
        .concat();
        let open = async || {
            let script = Script::chunks(wire.chunks(50_000));
            let (mut ws, _) = connection(role, Config::new(), script);
            let mut reader = ws.recv_stream().await.unwrap().unwrap();
            let chunk = reader.chunk().await.unwrap().unwrap();
            assert!(chunk.as_bytes().starts_with(b"begun"));
            ws
        };
        let next = Some(Message::from("next"));
        assert_eq!(open().await.recv().await.unwrap(), next);
        let lent = open().await.recv_with(|it| it.to_message()).await;
        assert_eq!(lent.unwrap(), next);
        assert_eq!(read_all(&mut open().await).await.0, b"next");
        let (mut reader, _writer) = open().await.split();
        assert_eq!(reader.recv().await.unwrap(), next);
        let mut ws = WebSocket::from_parts(open().await.into_parts());
        assert_eq!(ws.recv().await.unwrap(), next);
        let mut ws = open().await;
        // The task that sends leaves the rest to the task that receives.
        for _ in 0..5 {
            ws.send("m").await.unwrap();
        }
        let mut ws = WebSocket::from_parts(ws.into_parts());
        assert_eq!(ws.recv().await.unwrap(), next);
        let mut ws = open().await;
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), None);
    }
}

/// A peer that sends a message without an end is skipped within the limit.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_skipped_has_the_same_limit() {
    for role in ROLES {
        let config = Config::new().max_streamed_message_size(100_000);
        let wire = fragments(role.peer(), BINARY, &noise(100_001, 3), 10_000);
        let (mut ws, _) = connection(role, config, Script::whole(&wire).silent());
        drop(
            ws.recv_stream()
                .await
                .unwrap()
                .unwrap()
                .chunk()
                .await
                .unwrap(),
        );
        let end = soon(ws.recv()).await;
        let error = ProtocolError::StreamTooBig { size: 0, limit: 0 }.close_code();
        assert_eq!(end.unwrap_err().close_code(), Some(error));
    }
}

/// A large frame that was begun as a stream and is then received whole has the limits of whole messages.
#[tokio::test(start_paused = true)]
async fn a_message_that_is_received_whole_after_all_has_the_limit_of_messages() {
    for role in ROLES {
        for (len, is_fine) in [(1000, true), (1001, false), (200_000, false)] {
            let message = noise(len, 4);
            let wire = frame(role.peer(), FIN | BINARY, &message);
            let config = Config::new().max_message_size(1000);
            let (mut ws, _) = connection(role, config, Script::chunks(wire.chunks(90)).silent());
            drop(ws.recv_stream().await.unwrap().unwrap());
            let received = soon(ws.recv()).await;
            match is_fine {
                true => assert_eq!(received.unwrap(), Some(message.into())),
                false => {
                    let error = received.unwrap_err();
                    assert_eq!(error.close_code(), Some(CloseCode::MESSAGE_TOO_BIG));
                }
            }
        }
    }
}

/// The other half parks the chunk that it reads, and the reader takes it.
#[tokio::test(start_paused = true)]
async fn the_other_half_that_sends_loses_nothing_of_a_stream() {
    for role in ROLES {
        let (near, mut far) = duplex(200);
        let ws = WebSocket::new(near, role, &Config::new().masking_keys(key));
        let (mut read, mut write) = ws.split();
        let message = noise(20_000, 5);
        let wire = fragments(role.peer(), BINARY, &message, 33);
        let writer = tokio::spawn(async move {
            for _ in 0..200 {
                write.send(vec![1; 50]).await.unwrap();
            }
            write
        });
        let reader = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let mut reader = read.recv_stream().await.unwrap().unwrap();
            reader.read_to_end(&mut bytes).await.unwrap();
            drop(reader);
            (bytes, read)
        });
        let (mut input, mut output) = tokio::io::split(&mut far);
        let mut sink = vec![0; 200 * frame(role, FIN | BINARY, &[1; 50]).len()];
        let (wrote, taken) =
            soon(async { tokio::join!(output.write_all(&wire), input.read_exact(&mut sink)) })
                .await;
        wrote.unwrap();
        taken.unwrap();
        let (bytes, _read) = soon(reader).await.unwrap();
        assert!(bytes == message);
        drop(soon(writer).await.unwrap());
    }
}

/// Polls that are dropped at every place lose nothing.
#[tokio::test(start_paused = true)]
async fn chunks_are_not_lost_by_dropped_polls() {
    for role in ROLES {
        let message = noise(3000, 6);
        let wire = fragments(role.peer(), BINARY, &message, 100);
        let (mut ws, _) = connection(
            role,
            Config::new(),
            Script::chunks(wire.chunks(37)).silent(),
        );
        let mut bytes = Vec::new();
        while poll_once(ws.recv_stream()).is_pending() {}
        let std::task::Poll::Ready(Ok(Some(mut reader))) = poll_once(ws.recv_stream()) else {
            panic!("a chunk has arrived")
        };
        loop {
            match poll_once(reader.chunk()) {
                std::task::Poll::Pending => {}
                std::task::Poll::Ready(Ok(Some(chunk))) => {
                    bytes.extend_from_slice(chunk.as_bytes())
                }
                std::task::Poll::Ready(end) => break assert_eq!(end.unwrap(), None),
            }
        }
        assert!(bytes == message);
    }
}

/// Returns the lengths of the chunks of the next message.
async fn chunk_lens<S: AsyncRead + AsyncWrite + Unpin>(ws: &mut WebSocket<S>) -> Vec<usize> {
    let mut lens = Vec::new();
    let mut reader = ws.recv_stream().await.unwrap().unwrap();
    while let Some(chunk) = reader.chunk().await.unwrap() {
        lens.push(chunk.len());
    }
    lens
}

/// Highly compressible data and noise, at once and in pieces.
#[tokio::test(start_paused = true)]
async fn chunks_are_short_however_much_a_message_inflates() {
    const LEN: usize = 3 << 20;
    for role in ROLES {
        for message in [vec![0; LEN], noise(LEN, 7), b"abc".repeat(LEN / 3)] {
            let config = Config::new().masking_keys(key).extension(deflate(15, true));
            let wire = frame(
                role.peer(),
                FIN | RSV1 | BINARY,
                &Zlib::new(6, 15).message(&message),
            );
            let (client, server) = agree(&config, &config);
            let extensions = if role == Role::Client { client } else { server };
            let script = Script::chunks(wire.chunks(100_000)).silent();
            let parts = Parts::new(script, role, &config).extensions(extensions);
            let mut ws = WebSocket::from_parts(parts);
            let lens = soon(chunk_lens(&mut ws)).await;
            assert_eq!(lens.iter().sum::<usize>(), message.len());
            assert!(lens.iter().all(|len| *len <= 192 << 10), "{lens:?}");
            assert!(lens.len() < 1000, "{} chunks", lens.len());
        }
        let message = noise(LEN, 8);
        let wire = frame(role.peer(), FIN | BINARY, &message);
        for piece in [1000, 40_000, 1 << 20] {
            let script = Script::chunks(wire.chunks(piece)).silent();
            let (mut ws, _) = connection(role, Config::new(), script);
            let lens = soon(chunk_lens(&mut ws)).await;
            assert_eq!(lens.iter().sum::<usize>(), LEN);
            assert!(lens.iter().all(|len| *len <= 64 << 10), "{lens:?}");
        }
    }
}

/// Bytes that had arrived for a call which receives whole messages are one chunk.
#[tokio::test(start_paused = true)]
async fn a_stream_continues_a_message_that_has_begun_as_a_whole() {
    for role in ROLES {
        let message = noise(900_000, 9);
        let wire = frame(role.peer(), FIN | BINARY, &message);
        for arrived in [1, 10, 70_000, 500_000, wire.len() - 1, wire.len()] {
            let (head, tail) = wire.split_at(arrived);
            let script = Script::new([
                Read::Data(head.to_vec()),
                Read::Pending,
                Read::Data(tail.to_vec()),
            ]);
            let (mut ws, _) = connection(role, Config::new(), script.silent());
            // The message is assembled or parked.
            for _ in 0..3 {
                ws.send("m").await.unwrap();
            }
            let mut reader = soon(ws.recv_stream()).await.unwrap().unwrap();
            let mut bytes = Vec::new();
            while let Some(chunk) = soon(reader.chunk()).await.unwrap() {
                bytes.extend_from_slice(chunk.as_bytes());
            }
            assert!(bytes == message, "{arrived}");
        }
    }
}

/// The other half discards the rest of the message. The reader must not continue behind the gap, or with the next
/// message.
#[tokio::test(start_paused = true)]
async fn a_reader_beside_a_close_of_the_other_half_gets_no_message_with_a_gap() {
    for role in ROLES {
        let peer = role.peer();
        for taken in [0, 1, 2] {
            let (near, mut far) = duplex(1 << 16);
            let ws = WebSocket::new(near, role, &Config::new().masking_keys(key));
            let (mut read, mut write) = ws.split();
            far.write_all(&frame(peer, BINARY, b"1")).await.unwrap();
            let mut reader = read.recv_stream().await.unwrap().unwrap();
            for number in 1..=taken {
                let chunk = reader.chunk().await.unwrap();
                assert_eq!(chunk, Some(number.to_string().into_bytes().into()));
                let next = (number + 1).to_string();
                far.write_all(&frame(peer, CONTINUATION, next.as_bytes()))
                    .await
                    .unwrap();
            }
            let closer = tokio::spawn(async move { write.close(CloseCode::NORMAL, "").await });
            sleep(secs(1)).await;
            let wire = [
                frame(peer, FIN | CONTINUATION, b"end"),
                frame(peer, FIN | BINARY, b"next"),
                frame(peer, BINARY, b"begun"),
            ];
            for (number, bytes) in wire.iter().enumerate() {
                far.write_all(bytes).await.unwrap();
                if number == 0 {
                    // The task that closes discards the first frame, and this one sees the others first.
                    sleep(secs(1)).await;
                }
                assert!(poll_once(reader.chunk()).is_pending(), "{taken}");
                sleep(secs(1)).await;
            }
            far.write_all(&close(peer, 1000, "")).await.unwrap();
            drop(far);
            assert!(soon(reader.chunk()).await.is_err(), "{taken}");
            soon(closer).await.unwrap().unwrap();
            assert_eq!(soon(read.recv()).await.unwrap(), None);
        }
    }
}

/// A close that was dropped: the next call that receives begins with the next message.
#[tokio::test(start_paused = true)]
async fn messages_arrive_again_after_a_close_that_was_dropped() {
    for role in ROLES {
        let peer = role.peer();
        for in_chunks in [true, false] {
            let (near, mut far) = duplex(1 << 16);
            let mut ws = WebSocket::new(near, role, &Config::new().masking_keys(key));
            far.write_all(&frame(peer, BINARY, b"1")).await.unwrap();
            let mut reader = ws.recv_stream().await.unwrap().unwrap();
            reader.chunk().await.unwrap();
            assert!(poll_once(ws.close(CloseCode::NORMAL, "")).is_pending());
            let wire = [
                frame(peer, FIN | CONTINUATION, b"end"),
                frame(peer, FIN | BINARY, b"next"),
                close(peer, 1000, ""),
            ];
            far.write_all(&wire.concat()).await.unwrap();
            let next = match in_chunks {
                true => ws
                    .recv_stream()
                    .await
                    .unwrap()
                    .unwrap()
                    .chunk()
                    .await
                    .unwrap(),
                false => ws.recv().await.unwrap(),
            };
            assert_eq!(next, Some(b"next".to_vec().into()));
            drop(far);
            assert_eq!(soon(ws.recv()).await.unwrap(), None);
        }
    }
}
