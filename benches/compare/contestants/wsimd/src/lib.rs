//! The parts that the programs of the crate under test share.

use std::future::Future;

use contestant::{
    BoxError, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Settings, announce,
    deflate::MEMORY_LEVEL, echo_batched,
};
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::codec::Framed;
use wsimd::{
    Codec, Config, Error, Event, Message, Offer, Parts, Policy, Role, ServerBuilder, WebSocket,
    extension::{Deflate, Extensions},
    handshake::{Target, client, server},
    net::Stream,
};

/// The buffer of a `Framed`, as the documentation of `Codec` advises.
const FRAMED_BUFFER: usize = 65_536;
/// The defaults, but for the size of messages.
pub fn config() -> Config {
    Config::new()
        .max_message_size(MESSAGE_LIMIT)
        .max_outgoing_message_size(MESSAGE_LIMIT)
}

/// Returns the extension, which compresses every message.
fn deflate(settings: &Settings) -> Deflate {
    Deflate::new()
        .level(settings.level)
        .memory_level(MEMORY_LEVEL)
        .threshold(0)
}

/// Negotiates with a client that offers these settings.
fn negotiate(settings: &Settings) -> Result<Extensions, BoxError> {
    let mut offered = deflate(settings);
    if !settings.takeover {
        offered = offered.no_context_takeover();
    }
    if settings.window_bits < 15 {
        offered = offered
            .server_max_window_bits(settings.window_bits)
            .client_max_window_bits(settings.window_bits);
    }
    let target = Target::parse("ws://localhost")?;
    let request = client::request(&target, &Offer::new(), &Config::new().extension(offered))?;
    let config = Config::new().extension(deflate(settings));
    let (_, accepted) = server::accept(&request, &Policy::new(), &config)?;
    Ok(accepted.into_extensions())
}

/// Creates a server's connection over a stream whose opening handshake negotiated compression.
pub fn compressing<S>(io: S, settings: &Settings) -> Result<WebSocket<S>, BoxError> {
    let parts = Parts::new(io, Role::Server, &config()).extensions(negotiate(settings)?);
    Ok(WebSocket::from_parts(parts))
}

/// Returns the crate's role.
pub fn role(role: contestant::Role) -> Role {
    match role {
        contestant::Role::Server => Role::Server,
        contestant::Role::Client => Role::Client,
    }
}

/// Serves with the crate's own server.
pub async fn serve<H, F>(settings: Option<Settings>, handler: H)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output: Send> + Send + 'static,
{
    let mut config = config();
    if let Some(settings) = &settings {
        config = config.extension(deflate(settings));
        if let Some(interval) = settings.keepalive {
            config = config.ping_interval(interval);
        }
    }
    let server = ServerBuilder::new()
        .config(config)
        .max_connections(usize::MAX)
        .bind("127.0.0.1:0")
        .await
        .expect("a port of loopback");
    announce(server.local_addr().expect("it is bound").port());
    server.serve(handler).await;
}

/// Creates a `Framed` over a stream after its opening handshake.
fn framed<S: AsyncRead + AsyncWrite>(io: S, role: Role) -> Framed<S, Codec> {
    Framed::with_capacity(io, Codec::new(role, &config()), FRAMED_BUFFER)
}

/// Takes a connection apart after its handshake.
fn into_framed(ws: WebSocket<Stream>) -> Framed<Stream, Codec> {
    let parts = ws.into_parts();
    let mut framed = framed(parts.io, Role::Server);
    *framed.read_buffer_mut() = parts.read_buf;
    framed.read_buffer_mut().reserve(FRAMED_BUFFER);
    framed
}

/// Echoes as the README does: each event is answered at once.
pub async fn echo_framed(ws: WebSocket<Stream>) -> Result<(), Error> {
    let mut framed = into_framed(ws);
    while let Some(event) = framed.next().await {
        if let Some(answer) = answer(event?) {
            framed.send(answer).await?;
        }
    }
    Ok(())
}

/// Echoes, and flushes when no more event is ready.
pub async fn echo_framed_batched(ws: WebSocket<Stream>) -> Result<(), Error> {
    echo_batched(&mut into_framed(ws), Framed::poll_next_unpin, answer).await
}

fn answer(event: Event) -> Option<Event> {
    match event {
        Event::Message(message) => Some(message.into()),
        control => control.reply(),
    }
}

/// Receives all messages of a job through a `Framed`.
pub async fn decode_framed(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
    let mut framed = framed(io, role(job.role));
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let Event::Message(message) = framed.next().await.ok_or("closed")?? else {
            return Err("a control frame".into());
        };
        meter.take(message, Message::as_bytes);
    }
    Ok(meter.stop())
}

/// Sends all messages of a job through a `Framed`.
pub async fn encode_framed(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
    let pool = messages(job);
    let mut framed = framed(io, role(job.role));
    let meter = job.meter();
    for (message, flush) in job.send(&pool) {
        framed.feed(message.clone().into()).await?;
        if flush {
            framed.flush().await?;
        }
    }
    Ok(meter.stop())
}

/// Creates a connection over a stream after its opening handshake.
pub fn connection(job: &Job, io: MemoryTransport) -> Result<WebSocket<MemoryTransport>, BoxError> {
    match &job.deflate {
        Some(settings) => compressing(io, settings),
        None => Ok(WebSocket::new(io, role(job.role), &config())),
    }
}

/// Creates the messages that an encoder sends.
pub fn messages(job: &Job) -> Vec<Message> {
    job.prepare(
        |text| Message::from(text),
        |bytes| Message::from(bytes.clone()),
    )
}

/// Receives all messages of a job.
pub async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
    let mut ws = connection(job, io)?;
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let message = ws.recv().await?.ok_or("closed")?;
        meter.take(message, Message::as_bytes);
    }
    Ok(meter.stop())
}
