//! sockudo-ws with permessage-deflate: its `CompressedWebSocketStream`. What accepts a connection in
//! the library agrees on no extension, so the answer is put together here from its public parts.

use std::process::ExitCode;

use bytes::{Bytes, BytesMut};
use contestant::{
    BoxError, MESSAGE_LIMIT, accept_loop,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings},
};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, DeflateWindowBits, Message,
    deflate::negotiate_server_deflate,
    handshake::{build_response, generate_accept_key, parse_request},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

struct Compressed;

fn config() -> Config {
    Config::builder()
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .build()
}

/// What the server is ready for; the client's offer says the rest.
fn policy(settings: &Settings) -> DeflateConfig {
    DeflateConfig {
        compression_level: settings.level.into(),
        compression_threshold: 0,
        ..DeflateConfig::default()
    }
}

fn memory(settings: &Settings, io: Pipe) -> Result<CompressedWebSocketStream<Pipe>, BoxError> {
    let bits = DeflateWindowBits::try_from(settings.window_bits)?;
    let deflate = DeflateConfig {
        server_max_window_bits: bits,
        client_max_window_bits: bits,
        server_no_context_takeover: !settings.takeover,
        client_no_context_takeover: !settings.takeover,
        ..policy(settings)
    };
    Ok(CompressedWebSocketStream::server(io, config(), deflate))
}

async fn accept(
    mut stream: TcpStream,
    policy: &DeflateConfig,
) -> Result<CompressedWebSocketStream<TcpStream>, BoxError> {
    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("closed".into());
        }
        if let Some((request, length)) = parse_request(&head)? {
            let offer = request.extensions.ok_or("no extension is offered")?;
            let agreed = negotiate_server_deflate(offer, policy).ok_or("nothing to agree on")?;
            let extension = agreed.to_response_header();
            let key = generate_accept_key(request.key);
            let response = build_response(&key, None, Some(&extension));
            stream.write_all(&response).await?;
            let early = Bytes::copy_from_slice(&head[length..]);
            return Ok(CompressedWebSocketStream::server_with_leftover(
                stream,
                config(),
                agreed.config,
                Some(early).filter(|early| !early.is_empty()),
            ));
        }
    }
}

async fn echo(stream: TcpStream, policy: DeflateConfig) -> Result<(), BoxError> {
    // Boxed: the handshake needs room that a connection should not keep.
    let mut ws = Box::pin(accept(stream, &policy)).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(bytes) | Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

impl Deflating for Compressed {
    fn info() -> Info {
        Info {
            name: "sockudo-ws-deflate",
            package: "sockudo-ws",
            limit: false,
            takeover: true,
            validates_text: true,
            note: "next and send of CompressedWebSocketStream; its own servers for TCP agree on no \
                   extension: the opening handshake is made of its public parts; zlib-rs through \
                   flate2 and libz-rs-sys; the memory level is flate2's, 8",
        }
    }

    async fn serve(settings: Settings) {
        accept_loop(|stream| async move {
            let _ = echo(stream, policy(&settings)).await;
        })
        .await;
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let messages = job.prepare(
            |text| Message::text(text),
            |bytes| Message::binary(bytes.clone()),
        );
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for message in &messages {
                ws.send(message.clone()).await?;
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for _ in 0..job.messages.len() {
                let message = ws.next().await.ok_or("closed")??;
                meter.take(payload(&message));
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<Compressed>()
}
