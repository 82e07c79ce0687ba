//! Clients in every state, which a server shuts down.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use wsimd::{
    ClientBuilder, CloseCode, Config, Error, Opening, Role, ServerBuilder, WebSocket,
    extension::Deflate, net::Stream,
};

use super::{
    frames::{TEXT, close, frame},
    serve::fill,
    served::Served,
    soon,
};

/// The state of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Idle,
    /// The client has sent the first fragment of a message.
    MidMessage,
    /// The client has sent half of its request.
    MidHandshake,
    /// The handler never polls its connection.
    Stuck,
    /// The client never reads, and its socket is full.
    Deaf,
    /// Both sides send compressed messages.
    Compressing,
}

const KINDS: [Kind; 8] = [
    Kind::Idle,
    Kind::MidMessage,
    Kind::MidHandshake,
    Kind::Stuck,
    Kind::Idle,
    Kind::Deaf,
    Kind::Compressing,
    Kind::Idle,
];

/// The number of clients that have reached their state.
type Ready = Arc<AtomicUsize>;

async fn handle(opening: Opening<Stream>, ready: Ready) -> Result<(), Error> {
    let path = opening.path().to_owned();
    let mut ws = opening.upgrade().await?;
    match path.as_str() {
        "/Stuck" => std::future::pending().await,
        "/Deaf" => {
            fill(&mut ws).await;
            ready.fetch_add(1, Ordering::Relaxed);
            while ws.send(vec![0; 30_000]).await.is_ok() {}
        }
        _ => {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
        }
    }
    Ok(())
}

/// Opens a connection. The receive buffer is small, so that a deaf client costs little memory.
async fn connect(uri: &str, address: std::net::SocketAddr) -> WebSocket<Stream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 << 10).unwrap();
    let tcp = socket.connect(address).await.unwrap();
    let config = Config::new()
        .extension(Deflate::new())
        .open_timeout(Duration::from_secs(100));
    let client = ClientBuilder::new().config(config);
    let opened = client.handshake(uri, Stream::from(tcp)).await;
    opened.unwrap().0
}

/// Checks that the server closed with 1001.
async fn is_told(ws: &mut WebSocket<Stream>) -> bool {
    while let Ok(Some(_)) = ws.recv().await {}
    let received = ws.closed().and_then(|closed| closed.received);
    received.and_then(|frame| frame.code()) == Some(CloseCode::GOING_AWAY)
}

struct Client {
    kind: Kind,
    address: std::net::SocketAddr,
    ready: Ready,
    /// The time between two messages.
    pause: Duration,
    /// Set once the server is gone.
    gone: watch::Receiver<bool>,
}

impl Client {
    /// Runs until the end of the connection. Returns whether the server said why.
    async fn run(mut self, connecting: Arc<Semaphore>) -> bool {
        let permit = connecting.acquire().await.unwrap();
        if self.kind == Kind::MidHandshake {
            let mut tcp = tokio::net::TcpStream::connect(self.address).await.unwrap();
            tcp.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
            self.ready.fetch_add(1, Ordering::Relaxed);
            drop(permit);
            let mut answer = String::new();
            tcp.read_to_string(&mut answer).await.unwrap();
            return answer.starts_with("HTTP/1.1 503 ");
        }
        let uri = format!("ws://{}/{:?}", self.address, self.kind);
        let mut ws = connect(&uri, self.address).await;
        drop(permit);
        if self.kind != Kind::Deaf {
            self.ready.fetch_add(1, Ordering::Relaxed);
        }
        match self.kind {
            Kind::Deaf => {
                self.gone.wait_for(|gone| *gone).await.unwrap();
                is_told(&mut ws).await
            }
            Kind::MidMessage => Self::run_unfinished(ws).await,
            Kind::Compressing => {
                let text = "a text that is not random ".repeat(300);
                while ws.send(text.as_str()).await.is_ok() {
                    if !matches!(ws.recv().await, Ok(Some(_))) {
                        break;
                    }
                    sleep(self.pause).await;
                }
                is_told(&mut ws).await
            }
            _ => is_told(&mut ws).await,
        }
    }

    /// Sends the first fragment of a message, and expects a Close frame.
    async fn run_unfinished(ws: WebSocket<Stream>) -> bool {
        let mut io = ws.into_parts().io;
        let fragment = frame(Role::Client, TEXT, b"unfinished");
        io.write_all(&fragment).await.unwrap();
        io.flush().await.unwrap();
        let expected = close(Role::Server, 1001, "maintenance");
        let mut got = vec![0; expected.len()];
        io.read_exact(&mut got).await.unwrap();
        let answer = close(Role::Client, 1001, "");
        io.write_all(&answer).await.unwrap();
        io.flush().await.unwrap();
        let end = io.read_u8().await;
        end.is_err() && got == expected
    }
}

/// Returns the number of clients in a state.
fn number_of(count: usize, state: Kind) -> usize {
    let kinds = (0..count).map(|number| KINDS[number % KINDS.len()]);
    kinds.filter(|kind| *kind == state).count()
}

/// The tasks of the clients. Each returns whether the server said why it ended the connection.
type Clients = JoinSet<(Kind, bool)>;

/// Opens all clients, and waits until each has reached its state.
async fn open(
    server: &Served,
    count: usize,
    ready: &Ready,
    gone: watch::Receiver<bool>,
) -> Clients {
    let connecting = Arc::new(Semaphore::new(64));
    let mut clients = JoinSet::new();
    for number in 0..count {
        let client = Client {
            kind: KINDS[number % KINDS.len()],
            address: server.address,
            ready: Arc::clone(ready),
            pause: Duration::from_micros(25) * u32::try_from(count).unwrap(),
            gone: gone.clone(),
        };
        let connecting = Arc::clone(&connecting);
        clients.spawn(async move { (client.kind, client.run(connecting).await) });
    }
    let opened = async {
        while ready.load(Ordering::Relaxed) < count {
            sleep(Duration::from_millis(5)).await;
        }
        let handshakes = number_of(count, Kind::MidHandshake);
        server.has(handshakes, count - handshakes).await;
    };
    let opened = timeout(Duration::from_secs(100), opened).await;
    opened.expect("all clients connect");
    clients
}

/// Checks that each client was told why its connection ended. A deaf client has no room for that.
async fn check_told(mut clients: Clients, count: usize) {
    let mut ended = 0;
    while let Some(client) = soon(clients.join_next()).await {
        let (kind, is_told) = client.unwrap();
        assert!(is_told || kind == Kind::Deaf, "{kind:?}");
        ended += 1;
    }
    assert_eq!(ended, count);
}

/// Shuts down a server with `count` clients. Checks that all of them are told, and gone by the deadline.
pub(crate) async fn check_shutdown(count: usize, deadline: Duration) {
    let ready = Ready::default();
    let config = Config::new()
        .extension(Deflate::new())
        .ping_interval(Duration::from_secs(1000))
        .close_timeout(Duration::from_secs(100))
        .open_timeout(Duration::from_secs(100));
    let builder = ServerBuilder::new().config(config).max_handshakes(count);
    let shared = Arc::clone(&ready);
    let handler = move |opening| handle(opening, Arc::clone(&shared));
    let mut server = Served::start_openings(builder, handler).await;
    let (tell_gone, gone) = watch::channel(false);
    let clients = open(&server, count, &ready, gone).await;

    let start = Instant::now();
    let handle = server.handle.clone();
    let down = handle.shutdown(CloseCode::GOING_AWAY, "maintenance", deadline);
    let late = async {
        sleep(deadline / 10).await;
        wsimd::connect(&server.uri("/")).await.map(drop)
    };
    let (cut, late) = tokio::join!(down, late);
    let cut = cut.unwrap();
    let (stuck, deaf) = (number_of(count, Kind::Stuck), number_of(count, Kind::Deaf));
    assert_eq!(cut, stuck + deaf);
    let error = late.expect_err("a new client is refused");
    assert!(matches!(error, Error::Connect(_)), "{error:?}");
    server.has(0, 0).await;
    soon(&mut server.task).await.unwrap();
    let end = start.elapsed();
    // The margin is for a busy machine.
    assert!(end <= deadline + Duration::from_secs(1), "{end:?}");
    tell_gone.send(true).unwrap();
    check_told(clients, count).await;
    println!("{count} clients: the server ended after {end:?} of {deadline:?}, {cut} cut");
}
