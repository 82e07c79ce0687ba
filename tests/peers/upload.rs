//! A large message over a slow connection, to a Python server that closes when a pong is late.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use sha1_smol::Sha1;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::{Duration, Instant, sleep_until, timeout},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Message, WebSocket, extension::Deflate, net::Stream,
};

use super::{LIMIT, Peer, Server};

/// The size of the message in bytes. At [`RATE`] it takes 4 s, which is 8 pings and 4 times their
/// timeout.
const SIZE: usize = 16 << 20;
/// Bytes per second through the relay.
const RATE: usize = 4 << 20;
/// `SO_RCVBUF` and `SO_SNDBUF` of the relay in bytes. They are small, so that few bytes of the message
/// are in the kernel before a pong.
const SOCKET_BUFFER: u32 = 64 << 10;
/// `ping_interval` of the server. Its `ping_timeout` is 1 s.
const PING_INTERVAL: Duration = Duration::from_millis(500);

/// A slow connection to a server.
struct Relay {
    uri: String,
    /// The number of bytes that went to the server.
    passed: Arc<AtomicUsize>,
}

impl Relay {
    async fn start(server: &str) -> Self {
        let server = server.strip_prefix("ws://").unwrap().parse().unwrap();
        let socket = small_socket();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let relay = Self {
            uri: format!("ws://{}", listener.local_addr().unwrap()),
            passed: Arc::default(),
        };
        let (passed, back) = (Arc::clone(&relay.passed), AtomicUsize::new(0));
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.unwrap();
            let server = small_socket().connect(server).await.unwrap();
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::join!(
                pass(from_client, to_server, &passed),
                pass(from_server, to_client, &back),
            );
        });
        relay
    }
}

/// Creates a socket whose buffers are small. The sockets that it accepts inherit them.
fn small_socket() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SOCKET_BUFFER).unwrap();
    socket.set_send_buffer_size(SOCKET_BUFFER).unwrap();
    socket
}

/// Passes bytes on at [`RATE`], and adds their number to `passed`.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, passed: &AtomicUsize) {
    // Timers fire late. The relay catches up by at most this time.
    let slack = Duration::from_millis(20);
    let mut bytes = vec![0; 16 << 10];
    let mut due = Instant::now();
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..len]).await.is_err() {
            break;
        }
        passed.fetch_add(len, Ordering::Relaxed);
        let time = Duration::from_secs_f64(len as f64 / RATE as f64);
        due = due.max(Instant::now() - slack) + time;
        sleep_until(due).await;
    }
    let _ = to.shutdown().await;
}

/// The ways to send a message.
#[derive(Clone, Copy, Debug)]
enum Sender {
    WebSocket,
    WriteHalf,
    Handle,
}

const SENDERS: [Sender; 3] = [Sender::WebSocket, Sender::WriteHalf, Sender::Handle];

impl Sender {
    /// Sends the message, and receives the answer.
    async fn ask(
        self,
        mut ws: WebSocket<Stream>,
        message: Bytes,
    ) -> Result<Option<Message>, Error> {
        match self {
            Self::WebSocket => {
                ws.send(message).await?;
                ws.recv().await
            }
            Self::WriteHalf => {
                let (mut read, mut write) = ws.split();
                let answer = tokio::spawn(async move { read.recv().await });
                write.send(message).await?;
                answer.await.unwrap()
            }
            Self::Handle => {
                let handle = ws.handle();
                let (answer, sent) = tokio::join!(ws.recv(), handle.send(message));
                sent?;
                answer
            }
        }
    }
}

/// Returns a message of random bytes of 7 bits, which DEFLATE makes shorter by about a fifth, because
/// each fourth word repeats the word before it.
fn message() -> Bytes {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let words = (0..SIZE / 8).flat_map(|word| {
        if word % 4 != 3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
        }
        (state & 0x7F7F_7F7F_7F7F_7F7F).to_le_bytes()
    });
    words.collect()
}

/// A message that was sent.
struct Upload {
    sender: Sender,
    answer: Result<Option<Message>, Error>,
    /// The number of bytes that went to the server.
    sent: usize,
    time: Duration,
}

impl Upload {
    /// Sends the message to a server of its own.
    async fn run(sender: Sender, config: Config, message: Bytes) -> Self {
        let server = Server::over(Peer::Python.start(&["upload"])).await;
        let relay = Relay::start(&server.uri).await;
        let client = ClientBuilder::new().config(config);
        let ws = client.connect(&relay.uri).await.unwrap();
        let start = Instant::now();
        let answer = timeout(LIMIT, sender.ask(ws, message)).await;
        Self {
            sender,
            answer: answer.expect("in time"),
            sent: relay.passed.load(Ordering::Relaxed),
            time: start.elapsed(),
        }
    }

    /// Sends the message in these ways at the same time.
    async fn run_all(senders: &[Sender], config: &Config, message: &Bytes) -> Vec<Self> {
        let run = |&sender| tokio::spawn(Self::run(sender, config.clone(), message.clone()));
        let mut done = Vec::new();
        for upload in senders.iter().map(run).collect::<Vec<_>>() {
            done.push(upload.await.unwrap());
        }
        done
    }

    /// Checks that the message arrived, and that the server received at least 5 pongs for 8 intervals.
    fn check(&self, digest: &str) {
        let Self { sender, time, .. } = self;
        let answer = self.answer.as_ref().unwrap().as_ref().unwrap();
        let answer = answer.as_text().unwrap();
        println!("{sender:?}: {answer}, {} bytes in {time:?}", self.sent);
        let [len, received, pongs, _] = answer.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{sender:?}: {answer}");
        };
        assert_eq!(len.parse(), Ok(SIZE), "{sender:?}");
        assert_eq!(received, digest, "{sender:?}");
        let pings = time.as_millis() / PING_INTERVAL.as_millis();
        let pongs: u128 = pongs.parse().unwrap();
        assert!(pongs >= pings * 5 / 8, "{sender:?}: {answer} in {time:?}");
    }
}

/// Checks uploads that run at the same time. Returns the numbers of bytes that went to the servers.
async fn check_uploads(senders: &[Sender], config: &Config) -> Vec<usize> {
    let message = message();
    let digest = Sha1::from(&message).digest().to_string();
    let uploads = Upload::run_all(senders, config, &message).await;
    for upload in &uploads {
        upload.check(&digest);
    }
    uploads.iter().map(|upload| upload.sent).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the peers: run `make peers`"]
async fn a_slow_upload_answers_pings() {
    let sent = check_uploads(&SENDERS, &Config::new()).await;
    assert!(sent.iter().all(|&sent| sent > SIZE), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the peers: run `make peers`"]
async fn a_slow_compressed_upload_answers_pings() {
    let config = Config::new().extension(Deflate::new());
    // One at a time, because DEFLATE without optimization takes a large part of a core.
    for sender in SENDERS {
        let sent = check_uploads(&[sender], &config).await;
        let shorter = SIZE / 10 * 7..SIZE / 10 * 9;
        assert!(shorter.contains(&sent[0]), "{sender:?}: {sent:?}");
    }
}

/// The pong leaves after the frame, which is too late. This shows that the tests above depend on the
/// pongs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the peers: run `make peers`"]
async fn a_slow_upload_in_one_frame_is_closed() {
    let config = Config::new().outgoing_frame_size(None);
    for upload in Upload::run_all(&SENDERS, &config, &message()).await {
        println!("{:?}: {:?} {:?}", upload.sender, upload.answer, upload.time);
        match upload.answer {
            Err(Error::Closed(closed)) => {
                assert_eq!(closed.code(), CloseCode::from(1011));
                assert_eq!(closed.reason(), "keepalive ping timeout");
            }
            answer => panic!("{:?}: {answer:?}", upload.sender),
        }
    }
}
