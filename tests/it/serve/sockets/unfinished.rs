//! The memory of unfinished messages over all connections of a server.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use wsimd::{CloseCode, Config, Error, Opening, ProtocolError, Role, ServerBuilder, net::Stream};

use super::{echo, raw};
use crate::support::{
    frames::{BINARY, CONTINUATION, FIN, PING, PONG, frame},
    memory::held,
    serve::Running,
};

const LIMIT: usize = 2 << 20;
/// The echo of it is one frame.
const MOST: usize = 250_000;
const CLIENTS: usize = 40;

/// The errors of a server.
type Errors = Arc<Mutex<Vec<ProtocolError>>>;

/// Starts an echo server. Its connections have a configuration of their own if `replaces`.
async fn start(limit: Option<usize>, replaces: bool) -> (Running, Errors) {
    let errors = Errors::default();
    let reported = Arc::clone(&errors);
    let server = ServerBuilder::new()
        .max_unfinished_bytes(limit)
        .on_error(move |error, _| {
            if let Error::Protocol(error) = error {
                reported.lock().unwrap().push(*error);
            }
        })
        .bind("127.0.0.1:0");
    let server = server.await.unwrap();
    let address: SocketAddr = server.local_addr().unwrap();
    let handler = move |opening: Opening<Stream>| async move {
        let opening = match replaces {
            true => opening.config(Config::new().max_message_size(4 << 20)),
            false => opening,
        };
        echo(opening.upgrade().await?).await
    };
    let task: JoinHandle<()> = tokio::spawn(server.serve_openings(handler));
    (Running { address, task }, errors)
}

/// Opens a connection that sends most of a message. Returns it if the server keeps the message, and
/// `None` if it gets a Close frame with 1013.
async fn stop_in_a_message(server: &Running) -> Option<TcpStream> {
    let mut stream = raw(server).await;
    let mut bytes = frame(Role::Client, BINARY, &vec![7; MOST]);
    bytes.extend(frame(Role::Client, FIN | PING, b"?"));
    stream.write_all(&bytes).await.unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).await.unwrap();
    let mut payload = vec![0; usize::from(head[1])];
    stream.read_exact(&mut payload).await.unwrap();
    if head[0] == FIN | PONG {
        return Some(stream);
    }
    assert_eq!(head[0], 0x88);
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    assert_eq!(code, u16::from(CloseCode::TRY_AGAIN_LATER));
    None
}

/// Sends the rest of the message, and reads the echo.
async fn finish(mut stream: TcpStream) {
    let rest = frame(Role::Client, FIN | CONTINUATION, b"");
    stream.write_all(&rest).await.unwrap();
    let mut message = vec![0; 10 + MOST];
    stream.read_exact(&mut message).await.unwrap();
    assert!(message[10..].iter().all(|byte| *byte == 7));
}

async fn unfinished_messages_stay_within_the_limit(replaces: bool) {
    let (server, errors) = start(Some(LIMIT), replaces).await;
    let before = held();
    let mut kept = Vec::new();
    for _ in 0..CLIENTS {
        kept.extend(stop_in_a_message(&server).await);
    }
    let memory = held() - before;
    let per_client = 4096 * CLIENTS + (1 << 20);
    assert!(
        memory <= (LIMIT + per_client).cast_signed(),
        "{memory} bytes"
    );
    let count = kept.len();
    assert!(
        (LIMIT / MOST / 2..=LIMIT / MOST).contains(&count),
        "{count}"
    );
    until(|| errors.lock().unwrap().len() == CLIENTS - count).await;
    let full = ProtocolError::TooManyUnfinishedBytes {
        limit: LIMIT as u64,
    };
    assert!(errors.lock().unwrap().iter().all(|error| *error == full));
    // The others still work.
    let mut ws = server.client().await;
    ws.send("small").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("small".into()));
    // Two finished messages make room for one more, however its memory grows.
    finish(kept.remove(0)).await;
    finish(kept.remove(0)).await;
    kept.extend(stop_in_a_message(&server).await);
    assert_eq!(kept.len(), count - 1);
    // Connections that end in a message make room too.
    drop(kept);
    let mut kept = Vec::new();
    let again = async {
        while kept.len() < LIMIT / MOST / 2 {
            kept.extend(stop_in_a_message(&server).await);
        }
    };
    timeout(Duration::from_secs(10), again).await.unwrap();
}

async fn until(is_met: impl Fn() -> bool) {
    let met = async {
        while !is_met() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), met).await.unwrap();
}

#[tokio::test]
async fn unfinished_messages_of_all_connections_share_a_limit() {
    unfinished_messages_stay_within_the_limit(false).await;
}

#[tokio::test]
async fn an_opening_with_a_configuration_of_its_own_shares_the_limit() {
    unfinished_messages_stay_within_the_limit(true).await;
}

#[tokio::test]
async fn a_server_without_the_limit_keeps_every_message() {
    let (server, errors) = start(None, false).await;
    let mut kept = Vec::new();
    for _ in 0..CLIENTS {
        kept.extend(stop_in_a_message(&server).await);
    }
    assert_eq!(kept.len(), CLIENTS);
    assert!(errors.lock().unwrap().is_empty());
}

#[tokio::test]
async fn one_slow_frame_counts_as_fragments_do() {
    let (server, _) = start(Some(500_000), false).await;
    let bytes = frame(Role::Client, FIN | BINARY, &vec![7; 1 << 20]);
    let mut stream = raw(&server).await;
    let mut reply = [0; 4];
    for chunk in bytes[..bytes.len() - 1].chunks(10_000) {
        // The server may have failed the connection and closed it.
        if stream.write_all(chunk).await.is_err() {
            break;
        }
    }
    let read = timeout(Duration::from_secs(10), stream.read_exact(&mut reply));
    read.await.expect("no Close frame").unwrap();
    assert_eq!(reply[0], 0x88);
    assert_eq!(
        reply[2..],
        u16::from(CloseCode::TRY_AGAIN_LATER).to_be_bytes()
    );
}
