//! Both sides of the Autobahn suite: sends every message back, with the part of the API that WAY names.
//!
//! ```text
//! cargo run --release --features stream --example autobahn -- server WAY       a server, until Ctrl-C
//! cargo run --release --features stream --example autobahn -- client WAY URL   case after case of the suite at URL
//! ```
//!
//! `make autobahn` runs the suite.

use std::process::exit;

use futures_util::{SinkExt, StreamExt};
use tokio::{io, spawn, sync::mpsc};
use wsimd::{
    ClientBuilder, Config, Error, Event, Message, MessageReader, MessageWriter, Origins, Policy,
    ServerBuilder, WebSocket, WriteHalf, extension::Deflate, net::Stream,
};

const AGENT: &str = "wsimd";

/// A part of the API.
#[derive(Clone, Copy)]
enum Way {
    /// `recv` and `send`.
    Recv,
    /// `Stream` and `Sink`.
    Stream,
    /// `Stream` and `Sink` of messages and control frames.
    Events,
    /// `StreamExt::split`, for two tasks that a channel joins.
    Split,
    /// Messages in chunks, which are sent back as they arrive.
    Chunks,
    /// The same as `AsyncRead` and `AsyncWrite`.
    Bytes,
}

impl Way {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "recv" => Self::Recv,
            "stream" => Self::Stream,
            "events" => Self::Events,
            "split" => Self::Split,
            "chunks" => Self::Chunks,
            "bytes" => Self::Bytes,
            _ => return None,
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match (args.get(1).and_then(|name| Way::parse(name)), &args[..]) {
        (Some(way), ["server", _]) => serve(way).await,
        (Some(way), ["client", _, url]) => run_cases(way, url).await,
        _ => {
            eprintln!("usage: autobahn server WAY | client WAY URL");
            eprintln!("WAY: recv, stream, events, split, chunks or bytes");
            exit(2);
        }
    }
}

fn config() -> Config {
    Config::new()
        .max_message_size(16 << 20)
        .extension(Deflate::new().threshold(0))
}

async fn serve(way: Way) -> Result<(), Error> {
    let server = ServerBuilder::new()
        .config(config())
        .policy(Policy::new().origins(Origins::any()))
        .bind("127.0.0.1:0")
        .await?;
    println!("listening on ws://{}", server.local_addr()?);
    server.serve(move |ws| echo(ws, way)).await;
    Ok(())
}

async fn run_cases(way: Way, suite: &str) -> Result<(), Error> {
    let client = ClientBuilder::new().config(config());
    let mut ws = client.connect(&format!("{suite}/getCaseCount")).await?;
    let count = ws.recv().await?;
    let count = count.as_ref().and_then(|message| message.as_text());
    let count: u32 = count.and_then(|text| text.parse().ok()).unwrap_or(0);
    for case in 1..=count {
        let uri = format!("{suite}/runCase?case={case}&agent={AGENT}");
        // Many cases end with a violation by the suite. The report judges our answer.
        if let Err(error) = echo(client.connect(&uri).await?, way).await {
            println!("case {case}: {error}");
        }
    }
    let uri = format!("{suite}/updateReports?agent={AGENT}");
    let mut ws = client.connect(&uri).await?;
    while ws.recv().await?.is_some() {}
    Ok(())
}

async fn echo(ws: WebSocket<Stream>, way: Way) -> Result<(), Error> {
    match way {
        Way::Recv => echo_recv(ws).await,
        Way::Stream => echo_stream(ws).await,
        Way::Events => echo_events(ws).await,
        Way::Split => echo_split(ws).await,
        Way::Chunks => echo_chunks(ws).await,
        Way::Bytes => echo_bytes(ws).await,
    }
}

async fn echo_recv(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.recv().await? {
        ws.send(message).await?;
    }
    Ok(())
}

async fn echo_stream(mut ws: WebSocket<Stream>) -> Result<(), Error> {
    while let Some(message) = ws.next().await {
        SinkExt::send(&mut ws, message?).await?;
    }
    SinkExt::close(&mut ws).await
}

async fn echo_events(ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut events = ws.into_events();
    while let Some(event) = events.next().await {
        if let Event::Message(message) = event? {
            events.send(message.into()).await?;
        }
    }
    events.close().await
}

/// The reader waits until the writer has sent the echo. If it read on, a violation after the message would end the
/// connection before the echo, and the suite would report the case as not strict.
async fn echo_split(ws: WebSocket<Stream>) -> Result<(), Error> {
    let (mut sink, mut stream) = StreamExt::split(ws);
    let (to_writer, mut messages) = mpsc::channel::<Message>(1);
    let (to_reader, mut sent) = mpsc::channel(1);
    let writer = spawn(async move {
        while let Some(message) = messages.recv().await {
            sink.send(message).await?;
            let _ = to_reader.send(()).await;
        }
        sink.close().await
    });
    while let Some(message) = stream.next().await {
        let _ = to_writer.send(message?).await;
        if sent.recv().await.is_none() {
            break;
        }
    }
    drop(to_writer);
    writer.await.map_err(Error::other)?
}

async fn echo_chunks(ws: WebSocket<Stream>) -> Result<(), Error> {
    let (mut reader, mut writer) = ws.split();
    while let Some(mut message) = reader.recv_stream().await? {
        let mut answer = answer(&message, &mut writer);
        while let Some(chunk) = message.chunk().await? {
            answer.write_chunk(chunk).await?;
        }
        answer.finish().await?;
    }
    Ok(())
}

async fn echo_bytes(ws: WebSocket<Stream>) -> Result<(), Error> {
    let (mut reader, mut writer) = ws.split();
    while let Some(mut message) = reader.recv_stream().await? {
        let mut answer = answer(&message, &mut writer);
        io::copy_buf(&mut message, &mut answer).await?;
        answer.finish().await?;
    }
    Ok(())
}

/// Returns a writer for a message of the same kind.
fn answer<'a>(
    message: &MessageReader<'_, Stream>,
    writer: &'a mut WriteHalf<Stream>,
) -> MessageWriter<'a, Stream> {
    match message.is_text() {
        true => writer.text_writer(),
        false => writer.binary_writer(),
    }
}
