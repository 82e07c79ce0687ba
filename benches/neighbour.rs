//! How long a client waits for an echo, and a new client for its opening handshake, beside hostile clients.
//!
//! The server runs in a process of its own. A client sends it 16 bytes each millisecond, and another one connects
//! each 20 ms. Hostile clients of one kind use the same server, and in the control a server in a third process. The
//! wait in the control comes from sharing the CPU, and not from sharing a server. An argument chooses the kinds whose
//! name contains it.

#[path = "common/hostile.rs"]
mod hostile;

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read},
    iter,
    process::{Child, Command, Stdio, exit},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hostile::{Flood, compressed, floods, frame, is_measured, percentiles, text};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    time::{sleep, timeout},
};
use wsimd::{
    ClientBuilder, Config, Message, Opening, ServerBuilder, WebSocket, extension::Deflate,
    net::Stream,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PACE: Duration = Duration::from_millis(1);

/// The time between two opening handshakes.
const OPENING_PACE: Duration = Duration::from_millis(20);

/// A client that has waited for this time gives up.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The open connections, and the handshakes, that the server allows. Two kinds of hostile clients want more.
const MAX_CONNECTIONS: usize = 500;

/// A request without its end.
const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/// A kind of hostile clients. A client whose connection has ended connects again.
struct Kind {
    clients: usize,
    /// The path that is opened before the flood. Without a path, the client runs no opening handshake.
    path: Option<&'static str>,
    flood: Flood,
    /// The pause after each byte of the first bytes.
    pause: Duration,
    end: End,
}

/// How the connection of a hostile client ends.
#[derive(PartialEq)]
enum End {
    /// The client reads until the server ends the connection.
    Read,
    /// The client never reads.
    Deaf,
    /// The client resets the connection.
    Reset,
}

impl Kind {
    fn new(clients: usize, path: Option<&'static str>, flood: Flood) -> Self {
        Self {
            clients: if is_measured() { clients } else { 2 },
            path,
            flood,
            pause: Duration::ZERO,
            end: End::Read,
        }
    }

    /// Creates a kind that writes bytes of its own instead of an opening handshake.
    fn raw(name: &'static str, clients: usize, first: &[u8]) -> Self {
        let (first, again) = (first.to_vec(), Vec::new());
        Self::new(clients, None, Flood { name, first, again })
    }

    /// Creates a kind that sends messages of this length to be echoed.
    fn echo(name: &'static str, clients: usize, len: usize) -> Self {
        let again = frame(0x82, &vec![b'x'; len]).repeat((512 << 10) / len);
        let first = Vec::new();
        Self::new(clients, Some("/echo"), Flood { name, first, again })
    }
}

/// Returns all kinds. The messages of the largest one are `largest` bytes.
fn kinds(largest: usize) -> impl Iterator<Item = Kind> {
    let sent = ["/small", "/large"].map(|name| {
        let (first, again) = (compressed(&text(64 << 10)), Vec::new());
        Kind::new(4, Some(name), Flood { name, first, again })
    });
    let others = [
        Kind::echo("echoed messages, 1 B", 4, 1),
        Kind {
            end: End::Deaf,
            ..Kind::echo("echoed messages, 1 B, deaf", 4, 1)
        },
        Kind {
            end: End::Deaf,
            ..Kind::echo("echoed messages, 16 KiB, deaf", 100, 16 << 10)
        },
        Kind {
            pause: Duration::from_secs(1),
            ..Kind::raw("slow requests", 300, REQUEST)
        },
        Kind::raw("silent", MAX_CONNECTIONS + 100, b""),
        Kind::raw("half a request", MAX_CONNECTIONS + 100, REQUEST),
        Kind {
            end: End::Reset,
            ..Kind::raw("scan: reset", 4, b"")
        },
        Kind::raw(
            "scan: TLS",
            4,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        ),
        Kind::raw("scan: garbage", 4, &[0xA5; 4096]),
    ];
    let received = floods(largest).map(|flood| Kind::new(4, Some("/receive"), flood));
    received.chain(sent).chain(others)
}

fn main() -> Result<()> {
    if let Some(runtime) = env::args().skip_while(|arg| arg != "--server").nth(1) {
        return serve(&runtime);
    }
    let (largest, time) = match is_measured() {
        true => (16 << 20, Duration::from_secs(2)),
        false => (16 << 10, Duration::from_millis(10)),
    };
    let chosen: Vec<_> = env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let is_chosen =
        |kind: &Kind| chosen.is_empty() || chosen.iter().any(|name| kind.flood.name.contains(name));
    let kinds: Vec<_> = kinds(largest).filter(is_chosen).map(Arc::new).collect();
    for runtime in ["multi_thread", "current_thread"] {
        println!(
            "{:30}      p50      p99  longest    ratio  opening      p99  longest | control: the same",
            format!("{runtime} in µs")
        );
        let base = measure(runtime, None, 0, time)?;
        println!("{:30}{}", "undisturbed", columns(base, base));
        for kind in &kinds {
            let [same, control] = [0, 1].map(|target| {
                let waits = measure(runtime, Some(kind), target, time);
                waits.map(|waits| columns(waits, base))
            });
            println!("{:30}{} |{}", kind.flood.name, same?, control?);
        }
    }
    Ok(())
}

/// The waits for an echo, and for an opening handshake.
type Waits = [[Duration; 3]; 2];

fn columns(waits: Waits, base: Waits) -> String {
    let ratio = waits[0][1].as_secs_f64() / base[0][1].as_secs_f64();
    let [[p50, p99, longest], opening] = waits.map(|waits| waits.map(|wait| wait.as_micros()));
    let opening = opening.map(|wait| format!("{wait:9}")).concat();
    format!("{p50:9}{p99:9}{longest:9}{ratio:9.1}{opening}")
}

/// Returns the waits of the clients of the first of two servers. The hostile clients use the server `target`.
fn measure(
    runtime: &str,
    kind: Option<&Arc<Kind>>,
    target: usize,
    time: Duration,
) -> Result<Waits> {
    let [(mut first, port), (mut second, other)] = [start(runtime)?, start(runtime)?];
    let target = [port, other][target];
    let client = || Builder::new_current_thread().enable_all().build();
    let (client, newcomer) = (client()?, client()?);
    let uri = format!("ws://127.0.0.1:{port}/echo");
    let mut ws = client.block_on(wsimd::connect(&uri))?;
    let hostile = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()?;
    let clients = kind.map_or(0, |kind| kind.clients);
    for (kind, number) in kind.into_iter().cycle().zip(1..).take(clients) {
        let kind = Arc::clone(kind);
        hostile.spawn(async move {
            // One after the other. Linux drops clients that do not fit into the queue of the listener.
            sleep(PACE * number).await;
            loop {
                // Pauses so that clients without a free port do not take the CPU.
                if attack(target, &kind).await.is_err() {
                    sleep(PACE).await;
                }
            }
        });
    }
    thread::sleep(time / 8 + PACE * 2 * u32::try_from(clients)?);
    let openings = thread::spawn(move || {
        let connect = async || wsimd::connect(&uri).await.is_ok();
        sample(&newcomer, OPENING_PACE, time, connect)
    });
    let echoes = sample(&client, PACE, time, async || {
        ws.send("16 bytes to send").await.is_ok() && ws.recv().await.is_ok()
    });
    let openings = openings.join().map_err(|_| "the thread panicked")?;
    hostile.shutdown_background();
    first.wait()?;
    second.wait()?;
    Ok([echoes, openings].map(percentiles))
}

/// Runs the step at a fixed pace, and returns the wait for each. Ends at a step that fails or takes [`MAX_WAIT`], and
/// counts it as that.
fn sample(
    runtime: &Runtime,
    pace: Duration,
    time: Duration,
    mut step: impl AsyncFnMut() -> bool,
) -> Vec<Duration> {
    let mut waits = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time {
        let started = Instant::now();
        let done = runtime.block_on(async { timeout(MAX_WAIT, step()).await == Ok(true) });
        let wait = if done { started.elapsed() } else { MAX_WAIT };
        // A long wait stands for the steps that were due meanwhile, too.
        waits.extend(iter::successors(Some(wait), |wait| wait.checked_sub(pace)));
        if !done {
            break;
        }
        // The paces divide a second.
        let late = begin.elapsed().subsec_nanos() % pace.subsec_nanos();
        thread::sleep(pace - Duration::from_nanos(late.into()));
    }
    waits
}

/// Runs one connection of a hostile client.
async fn attack(port: u16, kind: &Kind) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    // An address of their own, where the system has one.
    let _ = socket.bind(([127, 0, 0, 2], 0).into());
    let mut io = socket.connect(([127, 0, 0, 1], port).into()).await?;
    if let Some(path) = kind.path {
        io = open(io, path).await?;
    }
    if kind.end == End::Reset {
        return Ok(io.set_zero_linger()?);
    }
    let (mut input, mut output) = io.into_split();
    let write = async {
        let step = if kind.pause.is_zero() { usize::MAX } else { 1 };
        for bytes in kind.flood.first.chunks(step) {
            output.write_all(bytes).await?;
            sleep(kind.pause).await;
        }
        while !kind.flood.again.is_empty() {
            output.write_all(&kind.flood.again).await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    let mut sink = tokio::io::sink();
    tokio::select! {
        _ = write => {}
        _ = tokio::io::copy(&mut input, &mut sink), if kind.end == End::Read => {}
    }
    Ok(())
}

/// Runs an opening handshake, and returns the stream.
async fn open(io: TcpStream, path: &str) -> Result<TcpStream> {
    let config = Config::new().extension(Deflate::new());
    let client = ClientBuilder::new().config(config);
    let uri = format!("ws://localhost{path}");
    let (ws, _) = client.handshake(&uri, io).await?;
    Ok(ws.into_parts().io)
}

/// Starts the process of a server, which runs until it is waited for. Returns its port.
fn start(runtime: &str) -> Result<(Child, u16)> {
    let mut command = Command::new(env::current_exe()?);
    let args = env::args().skip(1);
    let command = command.args(args).args(["--server", runtime]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let output = child.stdout.take().ok_or("no output")?;
    BufReader::new(output).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

/// Runs a server until the standard input ends.
fn serve(runtime: &str) -> Result<()> {
    thread::spawn(|| {
        let _ = io::stdin().read(&mut [0]);
        exit(0);
    });
    let mut builder = match runtime {
        "current_thread" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(2).enable_all().build()?;
    let deflate = Deflate::new().level(9);
    let config = Config::new().max_message_size(64 << 20).extension(deflate);
    runtime.block_on(async {
        let server = ServerBuilder::new()
            .config(config)
            .max_connections(MAX_CONNECTIONS)
            .max_handshakes(MAX_CONNECTIONS)
            .bind("127.0.0.1:0")
            .await?;
        println!("{}", server.local_addr()?.port());
        server.serve_openings(route).await;
        Ok(())
    })
}

async fn route(opening: Opening<Stream>) -> std::result::Result<(), wsimd::Error> {
    let path = opening.path().to_owned();
    handle(opening.upgrade().await?, &path).await
}

async fn handle(mut ws: WebSocket<Stream>, path: &str) -> std::result::Result<(), wsimd::Error> {
    match path {
        "/small" => loop {
            ws.send("16 bytes to send").await?;
        },
        "/large" => {
            let size = if is_measured() { 4 << 20 } else { 16 << 10 };
            let message = Message::from(text(size));
            loop {
                ws.send(message.clone()).await?;
            }
        }
        "/echo" => {
            while let Some(message) = ws.recv().await? {
                ws.send(message).await?;
            }
        }
        _ => while ws.recv().await?.is_some() {},
    }
    Ok(())
}
