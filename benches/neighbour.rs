//! How long a client waits for an echo while other clients cost the server the most time.
//!
//! The server runs in a process of its own. A client sends it 16 bytes each millisecond. Four hostile clients of
//! one kind are connected to the same server, and in the control to a server in a third process. The wait in the
//! control comes from sharing the CPU, and not from sharing a server.

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

use hostile::{Flood, compressed, floods, is_measured, percentiles, text};
use tokio::{io::AsyncWriteExt, runtime::Builder, time::timeout};
use wsimd::{
    ClientBuilder, Config, Message, Opening, ServerBuilder, WebSocket, extension::Deflate,
    net::Stream,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PACE: Duration = Duration::from_millis(1);

/// A client that has waited for so long gives up.
const MAX_WAIT: Duration = Duration::from_secs(10);

fn main() -> Result<()> {
    if let Some(runtime) = env::args().skip_while(|arg| arg != "--server").nth(1) {
        return serve(&runtime);
    }
    let (largest, time) = match is_measured() {
        true => (16 << 20, Duration::from_secs(2)),
        false => (16 << 10, Duration::from_millis(10)),
    };
    let sent = ["/small", "/large"].map(|name| Flood {
        name,
        first: compressed(&text(64 << 10)),
        again: Vec::new(),
    });
    let hostile: Vec<_> = floods(largest).chain(sent).map(Arc::new).collect();
    for runtime in ["multi_thread", "current_thread"] {
        println!("{runtime:24} in µs      p50      p99  longest    ratio | control: the same");
        let base = measure(runtime, None, 0, time)?;
        println!("{:30}{}", "undisturbed", columns(base, base));
        for flood in &hostile {
            let [same, control] = [0, 1].map(|target| {
                let waits = measure(runtime, Some(Arc::clone(flood)), target, time);
                waits.map(|waits| columns(waits, base))
            });
            println!("{:30}{} |{}", flood.name, same?, control?);
        }
    }
    Ok(())
}

fn columns(waits: [Duration; 3], base: [Duration; 3]) -> String {
    let ratio = waits[1].as_secs_f64() / base[1].as_secs_f64();
    let [p50, p99, longest] = waits.map(|wait| wait.as_micros());
    format!("{p50:9}{p99:9}{longest:9}{ratio:9.1}")
}

/// Returns the waits of the client of the first of two servers. The hostile clients use the server `target`.
fn measure(
    runtime: &str,
    flood: Option<Arc<Flood>>,
    target: usize,
    time: Duration,
) -> Result<[Duration; 3]> {
    let [(mut first, port), (mut second, other)] = [start(runtime)?, start(runtime)?];
    let target = [port, other][target];
    let client = Builder::new_current_thread().enable_all().build()?;
    let ws = client.block_on(wsimd::connect(&format!("ws://127.0.0.1:{port}/echo")))?;
    let hostile = Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()?;
    for flood in iter::repeat_n(flood, 4).flatten() {
        hostile.spawn(async move {
            // A client that was refused connects again.
            loop {
                let _ = attack(target, &flood).await;
            }
        });
    }
    thread::sleep(time / 8);
    let waits = client.block_on(echo(ws, time));
    hostile.shutdown_background();
    first.wait()?;
    second.wait()?;
    Ok(percentiles(waits))
}

/// Sends messages at a fixed pace and returns the wait for each echo.
async fn echo(mut ws: WebSocket<Stream>, time: Duration) -> Vec<Duration> {
    let mut waits = Vec::new();
    let begin = Instant::now();
    while begin.elapsed() < time {
        let sent = Instant::now();
        let echo = async {
            ws.send("16 bytes to send").await?;
            ws.recv().await
        };
        let echoed = timeout(MAX_WAIT, echo).await;
        let wait = sent.elapsed();
        // A long wait stands for the messages that were due meanwhile, too.
        waits.extend(iter::successors(Some(wait), |wait| wait.checked_sub(PACE)));
        if !matches!(echoed, Ok(Ok(_))) {
            break;
        }
        let late = u64::from(begin.elapsed().subsec_nanos() % 1_000_000);
        thread::sleep(PACE - Duration::from_nanos(late));
    }
    waits
}

/// Writes the flood until the server ends the connection, and discards all input.
async fn attack(port: u16, flood: &Flood) -> Result<()> {
    let path = flood.name.strip_prefix('/').unwrap_or("receive");
    let config = Config::new().extension(Deflate::new());
    let client = ClientBuilder::new().config(config);
    let ws = client
        .connect(&format!("ws://127.0.0.1:{port}/{path}"))
        .await?;
    let (mut input, mut output) = tokio::io::split(ws.into_parts().io);
    let write = async {
        output.write_all(&flood.first).await?;
        while !flood.again.is_empty() {
            output.write_all(&flood.again).await?;
        }
        std::future::pending::<io::Result<()>>().await
    };
    let mut sink = tokio::io::sink();
    tokio::select! {
        _ = write => {}
        _ = tokio::io::copy(&mut input, &mut sink) => {}
    }
    Ok(())
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
