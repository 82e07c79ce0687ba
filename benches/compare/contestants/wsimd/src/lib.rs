//! The parts that the programs of the crate under test share.

mod framed;

use std::{future::Future, io};

use bytes::BytesMut;
use contestant::{
    BoxError, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Settings, announce,
    deflate::MEMORY_LEVEL, tls,
};
use tokio::io::AsyncReadExt;
use wsimd::{
    Config, Error, Message, Offer, Parts, Policy, Role, ServerBuilder, WebSocket,
    extension::{Deflate, Extensions},
    handshake::{Target, client, server},
    net::Stream,
};

pub use framed::FramedAdapter;

/// The capacity of a read buffer without a connection: that of the crate's own.
pub const READ_BUFFER: usize = 512 << 10;

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

/// Returns the crate's role.
pub fn role(role: contestant::Role) -> Role {
    role.of(Role::Server, Role::Client)
}

/// Serves with the crate's own server.
pub async fn serve<H, F>(settings: Option<Settings>, handler: H)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut config = config();
    if let Some(settings) = &settings {
        config = config.extension(deflate(settings));
        if let Some(interval) = settings.keepalive {
            config = config.ping_interval(interval);
        }
    }
    run(ServerBuilder::new().config(config), handler).await;
}

/// Serves over TLS with the crate's own server.
pub async fn serve_tls<H, F>(handler: H)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let builder = ServerBuilder::new().config(config());
    run(builder.tls(tls::server()), handler).await;
}

async fn run<H, F>(builder: ServerBuilder, handler: H)
where
    H: Fn(WebSocket<Stream>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let server = builder
        .max_connections(usize::MAX)
        .bind("127.0.0.1:0")
        .await
        .expect("a port of loopback");
    announce(server.local_addr().expect("it is bound").port());
    server.serve(handler).await;
}

/// Creates a connection over a stream after its opening handshake.
pub fn connection(job: &Job, io: MemoryTransport) -> Result<WebSocket<MemoryTransport>, BoxError> {
    let mut parts = Parts::new(io, role(job.role), &config());
    if let Some(settings) = &job.deflate {
        parts = parts.extensions(negotiate(settings)?);
    }
    Ok(WebSocket::from_parts(parts))
}

/// Reads once, behind the bytes that are in the buffer.
pub async fn read(io: &mut MemoryTransport, input: &mut BytesMut) -> io::Result<()> {
    input.reserve(READ_BUFFER - input.len());
    io.read_buf(input).await.map(drop)
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
