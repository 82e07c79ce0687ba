//! Large payloads, which are read from the stream straight into the message, behave like small ones.

use wsimd::{Config, Error, ProtocolError, Role, WebSocket};

use crate::support::{
    frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, close_payload, frame},
    poll_once,
    script::{Read, Script},
    soon,
};

const SIZE: usize = 300_000;

fn connection(role: Role, input: &[u8], chunk: usize) -> WebSocket<Script> {
    let script = Script::chunks(input.chunks(chunk)).silent();
    WebSocket::new(script, role, &Config::new().max_frame_size(None))
}

/// `SIZE` bytes of characters of two, three and four bytes.
fn text() -> String {
    let mut text = "κόσμε 😀 € ".repeat(SIZE / 20);
    while text.len() < SIZE {
        text.push('x');
    }
    text
}

#[tokio::test]
async fn a_large_message_and_what_follows_arrive_whole_in_chunks_of_any_size() {
    let text = text();
    let bytes: Vec<u8> = (0..=250_u8).cycle().take(SIZE).collect();
    for role in [Role::Client, Role::Server] {
        let input = [
            frame(role.peer(), FIN | TEXT, text.as_bytes()),
            frame(role.peer(), FIN | BINARY, &bytes),
            frame(role.peer(), FIN | TEXT, b"small"),
        ]
        .concat();
        for chunk in [999, 4096, 65_537, 70_001, 131_071, 262_158, input.len()] {
            let mut ws = connection(role, &input, chunk);
            let message = soon(ws.recv()).await.unwrap().unwrap();
            assert_eq!(message.as_text(), Some(text.as_str()), "chunks of {chunk}");
            let message = soon(ws.recv()).await.unwrap().unwrap();
            assert_eq!(message.as_bytes(), bytes, "chunks of {chunk}");
            assert_eq!(soon(ws.recv()).await.unwrap(), Some("small".into()));
        }
    }
}

#[tokio::test]
async fn control_frames_pass_between_large_fragments() {
    let text = text();
    let (head, tail) = text.as_bytes().split_at(SIZE / 2 + 1);
    let input = [
        frame(Role::Client, TEXT, head),
        frame(Role::Client, FIN | PING, b"between"),
        frame(Role::Client, FIN | CONTINUATION, tail),
    ]
    .concat();
    for chunk in [5000, 66_000, 140_000] {
        let mut ws = connection(Role::Server, &input, chunk);
        let seen = ws.get_ref().seen.clone();
        let message = soon(ws.recv()).await.unwrap().unwrap();
        assert_eq!(message.as_text(), Some(text.as_str()));
        assert_eq!(seen.written(), frame(Role::Server, FIN | 0xA, b"between"));
    }
}

#[tokio::test]
async fn text_is_refused_at_the_chunk_that_proves_it_wrong() {
    let mut text = text().into_bytes();
    text[200_000] = 0xff;
    let input = frame(Role::Client, FIN | TEXT, &text);
    // The rest of the frame never comes.
    let script = Script::chunks(input[..210_000].chunks(70_000)).silent();
    let mut ws = WebSocket::new(script, Role::Server, &Config::new());
    let seen = ws.get_ref().seen.clone();
    while poll_once(ws.recv()).is_pending() && seen.written().is_empty() {}
    let reason = ProtocolError::InvalidUtf8.as_str();
    let close = frame(Role::Server, FIN | CLOSE, &close_payload(1007, reason));
    assert_eq!(seen.written(), close);
}

#[tokio::test]
async fn the_stream_may_end_inside_a_large_payload() {
    let input = frame(Role::Client, FIN | BINARY, &[7; SIZE]);
    let reads = input[..250_000].chunks(80_000);
    let script = Script::new(reads.map(|chunk| Read::Data(chunk.to_vec())));
    let mut ws = WebSocket::new(script, Role::Server, &Config::new());
    assert!(
        matches!(soon(ws.recv()).await, Err(Error::Closed(closed)) if closed.received.is_none())
    );
}

#[tokio::test]
async fn a_connection_may_be_taken_apart_inside_a_large_payload() {
    let text = text();
    let input = frame(Role::Client, FIN | TEXT, text.as_bytes());
    let mut ws = connection(Role::Server, &input, 70_000);
    loop {
        if let std::task::Poll::Ready(message) = poll_once(ws.recv()) {
            let message = message.unwrap().unwrap();
            assert_eq!(message.as_text(), Some(text.as_str()));
            return;
        }
        ws = WebSocket::from_parts(ws.into_parts());
    }
}

#[test]
fn a_large_payload_that_never_pauses_lets_other_tasks_run() {
    let input = frame(Role::Client, FIN | BINARY, &[7; SIZE]);
    let reads = input.chunks(100).map(|chunk| Read::Data(chunk.to_vec()));
    let mut ws = WebSocket::new(Script::new(reads), Role::Server, &Config::new());
    let seen = ws.get_ref().seen.clone();
    let mut polls = 0;
    while poll_once(ws.recv()).is_pending() {
        polls += 1;
        assert!(seen.reads() <= 200 * polls, "{} reads", seen.reads());
    }
    assert!(polls > 10, "{polls} polls");
}
