//! A peer still reads our last bytes when this side gives up.
//!
//! A socket that is dropped with unread bytes sends a reset, and the reset makes the peer discard the
//! bytes that it has received and not read. So these peers write far more than this side reads, and
//! read only then.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use wsimd::{ClientBuilder, Config, Error, ProtocolError, Role};

use super::{raw, raw_server, read_to_end, request, start_echo};
use crate::support::frames::{BINARY, FIN, TEXT, close, frame, key};

/// The number of repetitions, because a peer may lose our last bytes only sometimes.
const TIMES: usize = 20;

/// The number of bytes on the wire when the other end gives up. The buffers of the sockets hold fewer.
const IN_FLIGHT: usize = 4 << 20;

/// Small limits.
fn small() -> Config {
    Config::new().max_message_size(1000).max_frame_size(600)
}

/// Checks a client that commits a violation, sends many more bytes, and reads only then.
async fn check_violation(framed: bool, bytes: &[u8], violation: ProtocolError) {
    let (server, mut ends) = start_echo(small(), framed).await;
    let bytes = [bytes, &vec![0; IN_FLIGHT]].concat();
    let expected = close(
        Role::Server,
        violation.close_code().into(),
        violation.as_str(),
    );
    for _ in 0..TIMES {
        let mut client = raw(&server).await;
        client.write_all(&bytes).await.expect("the server reads on");
        assert_eq!(read_to_end(&mut client).await, expected);
        drop(client);
        let end = ends.recv().await.unwrap();
        assert!(
            matches!(end, Err(Error::Protocol(it)) if it == violation),
            "{end:?}"
        );
    }
}

#[tokio::test]
async fn a_client_that_violates_the_protocol_reads_our_close_frame() {
    let unmasked = frame(Role::Server, FIN | TEXT, b"Hello");
    check_violation(false, &unmasked, ProtocolError::MissingMask).await;
}

#[tokio::test]
async fn a_client_that_sends_too_much_reads_our_close_frame() {
    let fragments = [
        frame(Role::Client, TEXT, &[b'x'; 600]),
        frame(Role::Client, FIN, &[b'x'; 401]),
    ];
    let violation = ProtocolError::MessageTooBig {
        size: 1001,
        limit: 1000,
    };
    check_violation(false, &fragments.concat(), violation).await;
}

#[tokio::test]
async fn a_client_that_sends_a_big_frame_reads_our_close_frame() {
    let message = frame(Role::Client, FIN | BINARY, &[0; 601]);
    let violation = ProtocolError::FrameTooBig {
        size: 601,
        limit: 600,
        is_message_limit: false,
    };
    check_violation(false, &message, violation).await;
}

#[tokio::test]
async fn a_client_of_framed_that_violates_the_protocol_reads_our_close_frame() {
    let invalid = frame(Role::Client, FIN | TEXT, b"\xff");
    check_violation(true, &invalid, ProtocolError::InvalidUtf8).await;
}

#[tokio::test]
async fn a_client_of_framed_that_sends_too_much_reads_our_close_frame() {
    let fragments = [
        frame(Role::Client, TEXT, &[b'x'; 600]),
        frame(Role::Client, FIN, &[b'x'; 401]),
    ];
    let violation = ProtocolError::MessageTooBig {
        size: 1001,
        limit: 1000,
    };
    check_violation(true, &fragments.concat(), violation).await;
}

#[tokio::test]
async fn a_client_of_framed_that_sends_a_big_frame_reads_our_close_frame() {
    let message = frame(Role::Client, FIN | BINARY, &[0; 601]);
    let violation = ProtocolError::FrameTooBig {
        size: 601,
        limit: 600,
        is_message_limit: false,
    };
    check_violation(true, &message, violation).await;
}

#[tokio::test]
async fn a_client_that_writes_on_after_its_close_frame_reads_ours() {
    for framed in [false, true] {
        let (server, mut ends) = start_echo(Config::new(), framed).await;
        let bytes = [close(Role::Client, 1001, "away"), vec![0; IN_FLIGHT]].concat();
        for _ in 0..TIMES {
            let mut client = raw(&server).await;
            client.write_all(&bytes).await.unwrap();
            let expected = close(Role::Server, 1001, "away");
            assert_eq!(read_to_end(&mut client).await, expected);
            drop(client);
            ends.recv().await.unwrap().unwrap();
        }
    }
}

#[tokio::test]
async fn the_echo_before_a_violation_arrives_too() {
    // 64 answers and the Close frame after them. The client has read none of these bytes.
    let (server, mut ends) = start_echo(Config::new(), false).await;
    let message = frame(Role::Client, FIN | BINARY, &[7; 1000]);
    let violation = frame(Role::Client, FIN | 3, b"");
    let bytes = [message.repeat(64), violation, vec![0; IN_FLIGHT]].concat();
    let answer = frame(Role::Server, FIN | BINARY, &[7; 1000]);
    let expected = [
        answer.repeat(64),
        close(Role::Server, 1002, "reserved opcode"),
    ]
    .concat();
    for _ in 0..TIMES {
        let mut client = raw(&server).await;
        client.write_all(&bytes).await.unwrap();
        assert_eq!(read_to_end(&mut client).await, expected);
        drop(client);
        assert!(ends.recv().await.unwrap().is_err());
    }
}

#[tokio::test]
async fn a_server_that_violates_the_protocol_reads_our_close_frame() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("ws://{}/", listener.local_addr().unwrap());
    let masked = frame(Role::Client, FIN | TEXT, b"Hello");
    let bytes = [masked, vec![0; IN_FLIGHT]].concat();
    let client = ClientBuilder::new().config(Config::new().masking_keys(key));
    for _ in 0..TIMES {
        let near = async {
            let mut ws = client.connect(&uri).await.unwrap();
            let error = ws.recv().await.unwrap_err();
            assert!(matches!(
                error,
                Error::Protocol(ProtocolError::UnexpectedMask)
            ));
        };
        let far = async {
            let mut stream = raw_server(&listener).await;
            stream.write_all(&bytes).await.expect("the client reads on");
            let expected = close(Role::Client, 1002, "frame from a server is masked");
            let mut got = vec![0; expected.len()];
            stream
                .read_exact(&mut got)
                .await
                .expect("a Close frame, not a reset");
            assert_eq!(got, expected);
            // The client waits for the server to close first (§7.1.1).
            stream.shutdown().await.unwrap();
            assert_eq!(read_to_end(&mut stream).await, b"");
        };
        tokio::join!(near, far);
    }
}

#[tokio::test]
async fn a_client_whose_request_is_refused_reads_the_whole_answer() {
    let (server, _) = start_echo(Config::new(), false).await;
    let body = vec![b'x'; IN_FLIGHT];
    let head = request(server.address).replace("GET", "POST");
    let head = head.replace(
        "\r\n\r\n",
        &format!("\r\nContent-Length: {IN_FLIGHT}\r\n\r\n"),
    );
    for _ in 0..TIMES {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.expect("the server reads on");
        let answer = String::from_utf8(read_to_end(&mut client).await).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"),
            "{answer}"
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
        assert!(
            head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())),
            "{head}"
        );
        assert_eq!(body, "the method is \"POST\", not GET\n");
    }
}

#[tokio::test]
async fn a_client_whose_head_is_too_long_reads_the_whole_answer() {
    let (server, _) = start_echo(Config::new(), false).await;
    let head = [b"GET / HTTP/1.1\r\nX: ", &vec![b'x'; IN_FLIGHT][..]].concat();
    for _ in 0..TIMES {
        let mut client = TcpStream::connect(server.address).await.unwrap();
        client.write_all(&head).await.expect("the server reads on");
        let answer = String::from_utf8(read_to_end(&mut client).await).unwrap();
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert!(
            answer.ends_with("the head exceeds 16384 bytes (Config::max_head_size)\n"),
            "{answer}"
        );
    }
}
