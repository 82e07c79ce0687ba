//! The guard's own scenarios: an echo, an echo by halves, messages of a handle, compressed messages.
//!
//! The peer is a task of the same thread. It sends a chunk of frames and waits for the answers.

use std::{env, hint::black_box, process::ExitCode};

use bytes::Bytes;
use contestant::{
    BoxError, MemoryTransport, Role, Scenario, Settings, corpus, deflate, version, wire,
};
use contestant_wsimd::{compressing, config};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    sync::mpsc,
};
use wsimd::{Message, Role::Server, WebSocket};

const USAGE: &str =
    "usage: info | instructions echo|split|handle|inflate:server:SIZE:CONTENT:CHUNK:0:MESSAGES";
/// The payload of the messages that are sent again and again, and their greatest number.
const POOL: usize = 128 << 10;
const MOST: usize = 1 << 10;
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

/// One run: its messages, and how many of them are in flight at once.
struct Job {
    scenario: Scenario,
    payloads: Vec<Bytes>,
    burst: usize,
}

impl Job {
    fn new(scenario: Scenario) -> Self {
        let Scenario { size, chunk, .. } = scenario;
        let mut payloads = corpus::messages(scenario.content, size, POOL);
        payloads.truncate(MOST);
        Self {
            payloads,
            burst: (chunk / (size + wire::header_len(size, true))).max(1),
            scenario,
        }
    }

    fn messages(&self) -> Vec<Message> {
        let text = self.scenario.content.is_text();
        let message = |payload: &Bytes| match str::from_utf8(payload) {
            Ok(payload) if text => Message::from(payload),
            _ => Message::from(payload.clone()),
        };
        self.payloads.iter().map(message).collect()
    }

    /// Calls `give` for each message, and after a burst reads as many frames of the server.
    async fn exchange(
        &self,
        mut io: DuplexStream,
        mut give: impl AsyncFnMut(&mut DuplexStream, usize) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let size = self.scenario.size;
        let mut answer = vec![0; self.burst * (size + wire::header_len(size, false))];
        for burst in 0..self.scenario.messages as usize / self.burst {
            give(&mut io, burst * self.burst % self.payloads.len()).await?;
            io.read_exact(&mut answer).await?;
        }
        let last = (self.scenario.messages as usize - 1) % self.payloads.len();
        if answer.ends_with(&self.payloads[last]) {
            Ok(())
        } else {
            Err("the answer is another message".into())
        }
    }

    /// Sends the frames of a client to a server that echoes them.
    async fn client(&self, io: DuplexStream) -> Result<(), BoxError> {
        let size = self.scenario.size;
        let first = wire::first_byte(self.scenario.content.is_text(), false);
        let wire = wire::frames(&self.payloads, first, Role::Server);
        let frame = size + wire::header_len(size, true);
        let length = self.burst * frame;
        self.exchange(io, async |io, first| {
            let start = first * frame;
            Ok(io.write_all(&wire[start..start + length]).await?)
        })
        .await
    }

    /// Sends messages by the handle of a connection that only receives.
    async fn handle(&self, mut ws: Socket, io: DuplexStream) -> Result<(), BoxError> {
        let handle = ws.handle();
        tokio::spawn(async move { ws.recv().await });
        let messages = self.messages();
        self.exchange(io, async |_, first| {
            for message in &messages[first..first + self.burst] {
                handle.try_send(message.clone())?;
            }
            Ok(())
        })
        .await
    }

    /// Receives compressed messages: the same stream again and again. Its start refers to no earlier byte.
    async fn inflate(&self) -> Result<(), BoxError> {
        let settings: Settings = DEFLATE.parse()?;
        let compressed = deflate::compress(&self.payloads, &settings)?;
        let first = wire::first_byte(self.scenario.content.is_text(), true);
        let wire = wire::frames(&compressed, first, Role::Server);
        let io = MemoryTransport::new(wire.into(), self.scenario.chunk);
        let mut ws = compressing(io, &settings)?;
        let payloads = self.payloads.iter().cycle();
        for payload in payloads.take(self.scenario.messages as usize) {
            let message = ws.recv().await?.ok_or("closed")?;
            if black_box(message.as_bytes()).len() != payload.len() {
                return Err("another message".into());
            }
        }
        Ok(())
    }
}

async fn run(op: &str, job: Job) -> Result<(), BoxError> {
    let (peer, io) = duplex(PIPE);
    let ws = WebSocket::new(io, Server, &config());
    match op {
        "echo" => drop(tokio::spawn(echo(ws))),
        "split" => drop(tokio::spawn(split(ws))),
        "handle" => return job.handle(ws, peer).await,
        "inflate" => return job.inflate().await,
        _ => return Err(USAGE.into()),
    }
    job.client(peer).await
}

/// Runs a scenario. Its words after the first are those of a scenario that decodes.
fn instructions(scenario: &str) -> Result<(), BoxError> {
    let (op, rest) = scenario.split_once(':').ok_or(USAGE)?;
    let job = Job::new(format!("decode:{rest}").parse()?);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().build()?.block_on(run(op, job))
}

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["info"] => {
            let version = version("wsimd");
            println!(
                "{{\"name\":\"wsimd-guard\",\"version\":\"{version}\",\"validates_text\":true}}"
            );
            Ok(())
        }
        ["instructions", scenario] => instructions(scenario),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wsimd-guard: {error}");
            ExitCode::FAILURE
        }
    }
}
