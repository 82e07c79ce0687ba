//! Errors of an open connection.

use std::{error::Error as _, io};

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
use wsimd::{
    CloseCode, CloseFrame, Config, Error, Fault, Message, ProtocolError, Role, SendError, Timeout,
    WebSocket,
    handshake::{HandshakeError, Target, UriError},
    http::Response,
    protocol::Closing,
};

use crate::support::{
    connection,
    frames::{CONTINUATION, FIN, TEXT, close, frame},
    pinging,
    script::{Read, Script},
    secs, soon,
};

#[track_caller]
fn check(error: &Error, text: &str) {
    assert_eq!(error.to_string(), text);
    assert!(error.source().is_none(), "{error:?}");
}

/// A server, and the raw stream of its client.
fn server(config: &Config) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(4 << 20);
    (WebSocket::new(near, Role::Server, config), far)
}

/// The error of a server that receives these bytes.
async fn violation(config: Config, bytes: &[u8]) -> Error {
    let (mut ws, mut far) = server(&config.close_timeout(secs(1)));
    far.write_all(bytes).await.unwrap();
    soon(ws.recv()).await.unwrap_err()
}

#[tokio::test]
async fn a_message_over_the_limit_names_its_size_and_the_setting() {
    let big = frame(Role::Client, FIN | TEXT, &vec![b'x'; (1 << 20) + 1]);
    let error = violation(Config::new(), &big).await;
    check(
        &error,
        "message too big: frame of 1048577 bytes exceeds the limit of 1048576 bytes \
         (Config::max_message_size)",
    );
    let frames = [
        frame(Role::Client, TEXT, b"12345678"),
        frame(Role::Client, FIN, b"9abc"),
    ];
    check(
        &violation(Config::new().max_message_size(10), &frames.concat()).await,
        "message too big: message of at least 12 bytes exceeds the limit of 10 bytes \
         (Config::max_message_size)",
    );
    check(
        &violation(Config::new().max_frame_size(7), &frames.concat()).await,
        "message too big: frame of 8 bytes exceeds the limit of 7 bytes (Config::max_frame_size)",
    );
    check(
        &violation(Config::new().max_fragments(1), &frames.concat()).await,
        "message too big: message has more frames than the limit of 1 (Config::max_fragments)",
    );
}

#[tokio::test]
async fn the_sender_of_too_much_sees_each_close_frame_once() {
    let (near, far) = duplex(4 << 20);
    let mut client = WebSocket::new(near, Role::Client, &Config::new());
    let mut server = WebSocket::new(far, Role::Server, &Config::new());
    client.send(vec![0; (1 << 20) + 1]).await.unwrap();
    let (sent, received) = tokio::join!(client.recv(), server.recv());
    assert!(received.is_err());
    check(
        &sent.unwrap_err(),
        "the connection is closed: received Close 1009 (message too big) \
         \"message exceeds the size limit\", then sent the same",
    );
}

#[tokio::test]
async fn reserved_bits_are_named() {
    let bytes = frame(Role::Client, FIN | 0x40 | TEXT, b"x");
    check(
        &violation(Config::new(), &bytes).await,
        "the peer violated the protocol: RSV1 is set, but no extension that uses it was negotiated",
    );
}

#[tokio::test]
async fn a_message_too_large_to_send_names_the_setting() {
    let (mut ws, _far) = server(&Config::new());
    let error = ws.send(vec![0; (64 << 20) + 1]).await.unwrap_err();
    check(
        &error,
        "nothing was sent: message of 67108865 bytes exceeds the limit of 67108864 bytes \
         (Config::max_outgoing_message_size)",
    );
    // The handle of the connection has the same limit.
    let error = ws.handle().send(vec![0; (64 << 20) + 1]).await.unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("(Config::max_outgoing_message_size)")
    );
}

#[tokio::test]
async fn close_frames_that_may_not_be_sent_name_the_code_or_the_size() {
    let (mut ws, _far) = server(&Config::new());
    let error = ws.close(CloseCode::NO_STATUS, "").await.unwrap_err();
    check(&error, "nothing was sent: close code 1005 may not be sent");
    let error = ws
        .close(CloseCode::NORMAL, "x".repeat(124))
        .await
        .unwrap_err();
    check(
        &error,
        "nothing was sent: close reason of 124 bytes exceeds 123 bytes",
    );
}

#[tokio::test]
async fn a_send_while_this_side_closes_says_so_and_has_no_code() {
    let (mut ws, mut far) = server(&Config::new());
    ws.send_close(CloseCode::NORMAL, "").await.unwrap();
    let error = ws.send("late").await.unwrap_err();
    check(
        &error,
        "nothing was sent: this side has sent its Close frame",
    );
    assert_eq!((error.is_closed(), error.close_code()), (true, None));
    assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));

    far.write_all(&close(Role::Client, 1000, "")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let error = ws.send("late").await.unwrap_err();
    check(
        &error,
        "the connection is closed: sent Close 1000 (normal closure), then received the same",
    );
    assert_eq!(error.close_code(), Some(CloseCode::NORMAL));
}

#[tokio::test]
async fn a_handle_of_a_connection_that_this_side_closes_says_so_and_has_no_code() {
    let (mut ws, mut far) = server(&Config::new());
    let handle = ws.handle();
    handle.close(CloseCode::NORMAL, "").await.unwrap();
    let text = "nothing was sent: this side has sent its Close frame";
    check(&handle.send("late").await.unwrap_err(), text);
    check(&handle.force_send("late").unwrap_err(), text);
    check(
        &handle.close(CloseCode::NORMAL, "").await.unwrap_err(),
        text,
    );

    far.write_all(&close(Role::Client, 1000, "")).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let error = handle.send("late").await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::NORMAL));
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_names_the_time_and_the_setting() {
    let (mut ws, _far) = server(&pinging(20, 20));
    check(
        &ws.recv().await.unwrap_err(),
        "no data from the peer within 20 s of a ping (Config::ping_timeout)",
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_nothing_names_the_time_and_the_setting() {
    let (near, _far) = duplex(1000);
    let mut ws = WebSocket::new(near, Role::Server, &pinging(20, 20));
    check(
        &ws.send(vec![0; 1 << 20]).await.unwrap_err(),
        "the peer took no data for 20 s (Config::ping_timeout)",
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_inbox_names_the_time_and_the_setting() {
    let (mut ws, _far) = server(&pinging(20, 20).inbox_size(1));
    let handle = ws.handle();
    handle.send("1").await.unwrap();
    check(
        &handle.send("2").await.unwrap_err(),
        "the connection took no message out of its full inbox for 20 s (Config::ping_timeout)",
    );
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_close_names_the_time_and_the_setting() {
    let (mut ws, _far) = server(&Config::new());
    check(
        &ws.close(CloseCode::NORMAL, "").await.unwrap_err(),
        "no end of the closing handshake within 10 s (Config::close_timeout)",
    );
}

#[tokio::test]
async fn the_end_of_tls_without_close_notify_is_an_unclean_end() {
    let message = frame(Role::Client, FIN | TEXT, b"last");
    for written in [false, true] {
        let reads = [
            Read::Data(message.clone()),
            Read::Error(io::ErrorKind::UnexpectedEof),
        ];
        let (mut ws, _) = connection(Role::Server, Config::new(), Script::new(reads));
        assert_eq!(ws.recv().await.unwrap(), Some(Message::from("last")));
        if written {
            ws.feed("answer").await.unwrap();
        }
        // The same each time.
        for _ in 0..2 {
            let error = ws.recv().await.unwrap_err();
            assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
            check(
                &error,
                "the connection is closed: connection lost without a Close frame",
            );
        }
    }
}

#[tokio::test]
async fn the_end_of_tls_inside_a_large_frame_is_an_unclean_end() {
    // The payload is read straight to its place.
    let message = frame(Role::Client, FIN | TEXT, &vec![b'x'; 300_000]);
    let reads = [
        Read::Data(message[..20_000].to_vec()),
        Read::Error(io::ErrorKind::UnexpectedEof),
    ];
    let (mut ws, _) = connection(Role::Server, Config::new(), Script::new(reads));
    let error = ws.recv().await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::ABNORMAL));
}

#[tokio::test]
async fn a_reset_keeps_the_error_of_the_system_once() {
    let reads = [Read::Error(io::ErrorKind::ConnectionReset)];
    let (mut ws, _) = connection(Role::Server, Config::new(), Script::new(reads));
    let error = ws.recv().await.unwrap_err();
    check(&error, "transport failed: connection reset");
    let kind = error.io_error().map(io::Error::kind);
    assert_eq!(kind, Some(io::ErrorKind::ConnectionReset));
    let again = ws.recv().await.unwrap_err();
    check(
        &again,
        "the connection is closed: connection lost without a Close frame",
    );
}

#[tokio::test]
async fn an_error_of_the_application_is_shown_as_it_is() {
    let error = Error::other("no such room");
    check(&error, "no such room");
    assert_eq!((error.fault(), error.is_retryable()), (Fault::Local, false));
}

#[test]
fn an_io_error_has_a_kind_that_fits_and_keeps_the_error() {
    use io::ErrorKind::*;
    let closed = |received: Option<u16>, sent: Option<u16>| {
        let frame = |code: u16| CloseFrame::new(code, "").unwrap();
        let mut closing = Closing::default();
        if let Some(code) = received {
            closing.on_received(frame(code));
        }
        if let Some(code) = sent {
            closing.on_sent(frame(code));
        }
        Error::from(closing.close_frames())
    };
    let limit = secs(1);
    for (error, kind) in [
        (Error::from(ProtocolError::InvalidUtf8), InvalidData),
        (closed(None, None), UnexpectedEof),
        (closed(None, Some(1000)), UnexpectedEof),
        (closed(Some(1000), Some(1000)), BrokenPipe),
        (closed(Some(1011), Some(1011)), ConnectionAborted),
        (Error::ClosedInHandshake(Role::Server), UnexpectedEof),
        (Error::from(SendError::Closed), BrokenPipe),
        (Error::from(SendError::Full), WouldBlock),
        (Error::from(SendError::FragmentedControl), InvalidInput),
        (Error::Timeout(Timeout::Close { limit }), TimedOut),
        (Error::from(UriError::Fragment), InvalidInput),
        (Error::from(HandshakeError::NulInHead), InvalidData),
        (
            Error::from(HandshakeError::OriginRequired),
            PermissionDenied,
        ),
        (Error::from(HandshakeError::NoRandomness), Other),
        (
            Error::from(HandshakeError::refused(Response::new(()), Bytes::new())),
            ConnectionRefused,
        ),
        (Error::Unsupported("no"), Unsupported),
        (Error::other("mine"), Other),
    ] {
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.kind(), kind, "{text}");
        assert_eq!(error.to_string(), text);
        assert_eq!(Error::from(error).to_string(), text);
    }
    let reset = io::Error::from_raw_os_error(104);
    let error = io::Error::from(Error::from(reset));
    assert_eq!(error.raw_os_error(), Some(104));
}

/// `?` after a copy returns the error that the connection itself reports.
#[tokio::test]
async fn the_error_of_a_copy_is_that_of_the_connection() {
    async fn copy(bytes: &[u8]) -> Result<u64, Error> {
        let (mut ws, mut far) = server(&Config::new().close_timeout(secs(1)));
        far.write_all(bytes).await.unwrap();
        drop(far);
        let mut message = ws.recv_stream().await?.unwrap();
        Ok(tokio::io::copy(&mut message, &mut tokio::io::sink()).await?)
    }
    let begin = frame(Role::Client, TEXT, b"Hello");
    let invalid = frame(Role::Client, FIN | CONTINUATION, &[0xFF]);
    let error = copy(&[&begin[..], &invalid].concat()).await.unwrap_err();
    assert!(
        matches!(error, Error::Protocol(ProtocolError::InvalidUtf8)),
        "{error:?}"
    );
    let end = close(Role::Client, 1011, "");
    let error = copy(&[&begin[..], &end].concat()).await.unwrap_err();
    assert_eq!(error.close_code(), Some(CloseCode::INTERNAL_ERROR));
    assert!(error.is_retryable());

    async fn write(ws: &mut WebSocket<DuplexStream>) -> Result<(), Error> {
        let mut message = ws.text_writer();
        message.write_all(b"Hello").await?;
        Ok(message.shutdown().await?)
    }
    let (mut ws, mut far) = server(&Config::new());
    far.write_all(&close(Role::Client, 1011, "")).await.unwrap();
    soon(ws.recv()).await.unwrap_err();
    let error = write(&mut ws).await.unwrap_err();
    assert!(error.is_closed(), "{error:?}");
}

/// The errors within convert to [`Error`] with `?`.
#[test]
fn errors_within_convert() {
    fn parse(uri: &str) -> Result<Target, Error> {
        Ok(Target::parse(uri)?)
    }
    assert!(matches!(parse("x").unwrap_err(), Error::Handshake(_)));
    fn queue(ws: &mut WebSocket<DuplexStream>) -> Result<(), Error> {
        Ok(ws.try_feed("m")?)
    }
    let (mut ws, _far) = server(&Config::new().write_high_water(1));
    queue(&mut ws).unwrap();
    let error = queue(&mut ws).unwrap_err();
    check(&error, "nothing was sent: there is no room");
    assert!(matches!(error, Error::Send(SendError::Full)));
}
