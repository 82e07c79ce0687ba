//! `ClientBuilder::reconnect`, in a network in memory with a paused clock.

mod cancellation;
mod ends;
mod errors;
mod pauses;
mod retry_after;
#[cfg(unix)]
mod sockets;
#[cfg(feature = "stream")]
mod stream;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::{Instant, sleep},
};
use wsimd::{ClientBuilder, Config, Error, Reconnect, ServerBuilder, WebSocket, net::Stream};

use crate::support::secs;

const URI: &str = "ws://example.com/";

/// The time by which a timer of tokio may be late.
const TICK: Duration = Duration::from_millis(1);

/// The answer of the server to an attempt.
#[derive(Clone, Copy)]
enum Answer {
    /// No connection is accepted.
    Refuse,
    /// The stream ends before a response.
    Drop,
    /// No response is sent.
    Hang,
    /// The request is answered with this head.
    Respond(&'static str),
    /// A connection is opened, and lost after this time.
    Lose(Duration),
    /// A connection is opened, and closed with 1000 after this time.
    Close(Duration),
    /// A connection is opened after this time, and stays open.
    Late(Duration),
}

impl Answer {
    async fn connect(self) -> io::Result<Stream> {
        let (near, far) = duplex(4096);
        match self {
            Self::Refuse => return Err(io::ErrorKind::ConnectionRefused.into()),
            Self::Drop => {}
            Self::Late(time) => {
                sleep(time).await;
                tokio::spawn(serve(far, None));
            }
            Self::Hang => drop(tokio::spawn(hang(far))),
            Self::Respond(head) => drop(tokio::spawn(respond(far, head))),
            Self::Lose(_) | Self::Close(_) => drop(tokio::spawn(serve(far, Some(self)))),
        }
        Ok(Stream::new(near))
    }
}

async fn hang(_stream: DuplexStream) {
    std::future::pending().await
}

async fn respond(mut stream: DuplexStream, head: &str) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        stream.read_buf(&mut request).await?;
    }
    stream.write_all(head.as_bytes()).await
}

/// Accepts a connection, and ends it in this way.
async fn serve(stream: DuplexStream, end: Option<Answer>) -> Result<(), Error> {
    let server = ServerBuilder::new().config(Config::new().ping_interval(None));
    let mut ws = server.accept(Stream::new(stream)).await?;
    match end {
        Some(Answer::Lose(time)) => sleep(time).await,
        Some(Answer::Close(time)) => {
            sleep(time).await;
            ws.close(1000, "").await?;
        }
        _ => while ws.recv().await?.is_some() {},
    }
    Ok(())
}

/// The attempts of a client: the times at which they started.
#[derive(Clone)]
struct Attempts {
    start: Instant,
    times: Arc<Mutex<Vec<Duration>>>,
}

impl Attempts {
    fn count(&self) -> usize {
        self.times.lock().unwrap().len()
    }

    /// Returns the times since the start of the test.
    fn times(&self) -> Vec<Duration> {
        self.times.lock().unwrap().clone()
    }
}

/// Returns the connections to a server that answers the attempts in this way, and the attempts. The last answer
/// repeats.
fn reconnect(answers: impl Into<Vec<Answer>>) -> (Reconnect, Attempts) {
    let answers = answers.into();
    let log = Attempts {
        start: Instant::now(),
        times: Arc::default(),
    };
    let attempts = log.clone();
    let client = ClientBuilder::new()
        .config(Config::new().ping_interval(None).open_timeout(secs(5)))
        .addresses([SocketAddr::from(([192, 0, 2, 1], 80))])
        .connect_with(move |_| {
            let mut times = attempts.times.lock().unwrap();
            let answer = answers.get(times.len()).or_else(|| answers.last());
            times.push(attempts.start.elapsed());
            answer.copied().unwrap().connect()
        });
    (client.reconnect(URI).unwrap(), log)
}

/// Receives until the end of a connection.
async fn session(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while ws.recv().await?.is_some() {}
    Ok(())
}

/// Opens the next connection, and receives until its end.
async fn one_session(connections: &mut Reconnect) -> Result<(), Error> {
    let ws = connections.next().await?;
    match session(ws).await {
        Ok(()) => Ok(()),
        Err(error) => connections.recover(error),
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_starts_at_once_and_later_ones_after_a_pause() {
    let (mut connections, attempts) = reconnect([Answer::Close(secs(0))]);
    assert_eq!((connections.connections(), attempts.count()), (0, 0));
    assert!(connections.response().is_none() && connections.last_error().is_none());
    for number in 1..4 {
        one_session(&mut connections).await.unwrap();
        assert_eq!(connections.connections(), number);
        assert_eq!(connections.response().unwrap().status(), 101);
    }
    assert!(connections.last_error().is_none());
    let times = attempts.times();
    assert_eq!(times[0], Duration::ZERO);
    assert!(times[2] <= secs(3) + 2 * TICK, "{times:?}");
}

#[test]
fn an_invalid_target_is_reported_before_any_attempt() {
    let client = ClientBuilder::new();
    for target in ["http://example.com/", "ws://", "example.com"] {
        let error = client.reconnect(target).unwrap_err();
        assert!(matches!(error, Error::Handshake(_)), "{error:?}");
    }
}

#[test]
fn a_task_of_any_thread_may_connect_again_and_debug_has_no_password() {
    fn is_send<T: Send + Unpin>(_: &T) {}
    let client = ClientBuilder::new();
    let connections = client.reconnect("ws://user:secret@example.com/").unwrap();
    is_send(&connections);
    let shown = format!("{connections:?}");
    assert!(
        shown.contains("example.com") && !shown.contains("secret"),
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn each_attempt_sends_the_headers_of_the_builder_and_of_the_newest_target() {
    let heads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heads);
    let client = ClientBuilder::new()
        .offer(wsimd::Offer::new().header("x-app", "1").unwrap())
        .addresses([SocketAddr::from(([192, 0, 2, 1], 80))])
        .connect_with(move |_| {
            let log = Arc::clone(&log);
            async move {
                let (near, mut far) = duplex(4096);
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        far.read_buf(&mut head).await.unwrap();
                    }
                    log.lock().unwrap().push(String::from_utf8(head).unwrap());
                });
                Ok(Stream::new(near))
            }
        });
    let request = |path: &str, token: &str| {
        let request = http::Request::get(format!("ws://example.com/{path}"));
        request.header("x-token", token).body(()).unwrap()
    };
    let mut connections = client
        .reconnect(request("a", "one"))
        .unwrap()
        .max_attempts(1);
    connections.next().await.unwrap_err();
    connections.set_target(request("b", "two")).unwrap();
    connections.next().await.unwrap_err();
    connections.set_target("ws://example.com/c").unwrap();
    connections.next().await.unwrap_err();
    connections.set_target("http://example.com/").unwrap_err();
    connections.next().await.unwrap_err();
    let heads = heads.lock().unwrap();
    let paths = heads.iter().map(|head| head.split(' ').nth(1).unwrap());
    assert_eq!(paths.collect::<Vec<_>>(), ["/a", "/b", "/c", "/c"]);
    assert!(heads.iter().all(|head| head.contains("x-app: 1\r\n")));
    let tokens = ["x-token: one", "x-token: two", "x-token", "x-token"];
    let found: Vec<bool> = tokens
        .iter()
        .zip(&*heads)
        .map(|(token, head)| head.contains(token))
        .collect();
    assert_eq!(found, [true, true, false, false]);
}
