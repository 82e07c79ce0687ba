//! The guard's own scenarios: an echo, an echo by halves, messages of a handle, compressed messages.
//!
//! The peer is a task of the same thread. It sends a chunk of frames and waits for the answers.

use std::env;

use contestant::{BoxError, Job, Mode, Scenario, version, wire};
use contestant_wsimd::{config, messages};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};
use wsimd::{Role::Server, WebSocket};

const USAGE: &str =
    "usage: info | instructions echo|split|handle|inflate:server:SIZE:CONTENT:CHUNK:0:MESSAGES";
/// The payload of the messages that are sent again and again: of 125 B as many as are whole bursts.
const POOL: usize = 125 << 10;
/// The capacity of the stream between the peers.
const PIPE: usize = 64 << 10;
const QUEUE: usize = 16;
const DEFLATE: &str = "6:15:takeover:0";

type Socket = WebSocket<DuplexStream>;

async fn echo(mut ws: Socket) -> Result<(), BoxError> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

/// Echoes with a task for each half.
async fn split(ws: Socket) -> Result<(), BoxError> {
    let (mut reader, mut writer) = ws.split();
    let (queue, mut queued) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        while let Ok(Some(message)) = reader.recv().await {
            queue.send(message).await.expect("the writer outlives it");
        }
    });
    while let Some(message) = queued.recv().await {
        writer.send(message).await?;
    }
    Ok(())
}

/// The peer of a connection: `burst` messages are in flight at once.
struct Peer {
    job: Job,
    /// The length of a message.
    size: usize,
    burst: usize,
}

impl Peer {
    /// Calls `give` for each burst with its first message, and after a burst reads as many frames of the server.
    async fn exchange(
        &self,
        mut io: DuplexStream,
        mut give: impl AsyncFnMut(&mut DuplexStream, usize) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let frame = self.size + wire::header_len(self.size, false);
        let mut answer = vec![0; self.burst * frame];
        for burst in 0..self.job.messages as usize / self.burst {
            give(&mut io, burst * self.burst % self.job.pool.len()).await?;
            io.read_exact(&mut answer).await?;
        }
        let last = (self.job.messages as usize - 1) % self.job.pool.len();
        match answer.ends_with(&self.job.pool[last]) {
            true => Ok(()),
            false => Err("the answer is another message".into()),
        }
    }

    /// Sends the frames of a client to a server that echoes them.
    async fn send_frames(&self, io: DuplexStream) -> Result<(), BoxError> {
        let wire = &self.job.wire;
        let frame = wire.len() / self.job.pool.len();
        self.exchange(io, async |io, first| {
            let burst = &wire[first * frame..][..self.burst * frame];
            Ok(io.write_all(burst).await?)
        })
        .await
    }

    /// Sends messages by the handle of a connection that only receives.
    async fn send_by_handle(&self, mut ws: Socket, io: DuplexStream) -> Result<(), BoxError> {
        let handle = ws.handle();
        tokio::spawn(async move { ws.recv().await });
        let messages = messages(&self.job);
        self.exchange(io, async |_, first| {
            for message in &messages[first..first + self.burst] {
                handle.try_send(message.clone())?;
            }
            Ok(())
        })
        .await
    }
}

/// Receives compressed messages: the same stream again and again. Its start refers to no earlier byte.
async fn inflate(scenario: Scenario) -> Result<(), BoxError> {
    let deflate = Some(DEFLATE.parse()?);
    let scenario = Scenario {
        deflate,
        ..scenario
    };
    let job = Job::new(&scenario, POOL, Mode::Measure)?;
    let io = job.io();
    let written = io.written();
    let measured = contestant_wsimd::decode(&job, io).await?;
    job.check(measured, &written).map(drop)
}

async fn run(op: &str, scenario: Scenario) -> Result<(), BoxError> {
    if op == "inflate" {
        return inflate(scenario).await;
    }
    let job = Job::new(&scenario, POOL, Mode::Bare)?;
    let size = scenario.size;
    let burst = scenario.chunk / (size + wire::header_len(size, true));
    let burst = burst.max(1);
    let peer = Peer { job, size, burst };
    let (client, io) = duplex(PIPE);
    let ws = WebSocket::new(io, Server, &config());
    match op {
        "echo" => drop(tokio::spawn(echo(ws))),
        "split" => drop(tokio::spawn(split(ws))),
        "handle" => return peer.send_by_handle(ws, client).await,
        _ => return Err(USAGE.into()),
    }
    peer.send_frames(client).await
}

/// Runs a scenario. Its words after the first are those of a scenario that decodes.
fn instructions(scenario: &str) -> Result<(), BoxError> {
    let (op, rest) = scenario.split_once(':').ok_or(USAGE)?;
    let scenario = format!("decode:{rest}").parse()?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build()?.block_on(run(op, scenario))
}

fn main() -> Result<(), BoxError> {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["info"] => {
            let version = version("wsimd");
            println!(r#"{{"version":"{version}","validates_text":true}}"#);
        }
        ["instructions", scenario] => instructions(scenario)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}
