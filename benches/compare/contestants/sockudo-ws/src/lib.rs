//! sockudo-ws with the default configuration, which validates text. Compressing it is another type. The
//! library's own accept function negotiates no extension, so the answer is put together here from its
//! public parts.

use bytes::{Bytes, BytesMut};
use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Settings,
    accept_loop,
};
use futures_util::StreamExt;
use sockudo_ws::{
    CompressedWebSocketStream, Config, DeflateConfig, DeflateWindowBits, Error, Message, Role,
    WebSocketStream,
    deflate::negotiate_server_deflate,
    handshake::{build_response, generate_accept_key, parse_request, server_handshake},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

fn config() -> Config {
    Config::builder()
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .build()
}

/// The server's side of the negotiation. The client's offer sets the rest.
fn policy(settings: &Settings) -> DeflateConfig {
    DeflateConfig {
        compression_level: settings.level.into(),
        compression_threshold: 0,
        ..DeflateConfig::default()
    }
}

fn connection(io: MemoryTransport, role: contestant::Role) -> WebSocketStream<MemoryTransport> {
    let role = role.of(Role::Server, Role::Client);
    WebSocketStream::from_raw(io, role, config())
}

fn compressing(
    io: MemoryTransport,
    settings: &Settings,
) -> Result<CompressedWebSocketStream<MemoryTransport>, BoxError> {
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

async fn accept(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    let result = server_handshake(&mut stream).await?;
    let role = Role::Server;
    Ok(match result.leftover {
        None => WebSocketStream::from_raw(stream, role, config()),
        early => WebSocketStream::from_raw_with_leftover(stream, role, config(), early),
    })
}

async fn accept_compressing(
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
            let negotiated = negotiate_server_deflate(offer, policy).ok_or("a wrong offer")?;
            let extension = negotiated.to_response_header();
            let key = generate_accept_key(request.key);
            let response = build_response(&key, None, Some(&extension));
            stream.write_all(&response).await?;
            let early = Bytes::copy_from_slice(&head[length..]);
            return Ok(CompressedWebSocketStream::server_with_leftover(
                stream,
                config(),
                negotiated.config,
                Some(early).filter(|early| !early.is_empty()),
            ));
        }
    }
}

fn answer(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(bytes) | Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), BoxError> {
    // The handshake is boxed so that the connection does not keep room for it.
    let mut ws = Box::pin(accept(stream)).await?;
    if BATCHED {
        contestant::echo_batched(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    } else {
        contestant::echo(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    }
    Ok(())
}

async fn echo_compressing(stream: TcpStream, policy: DeflateConfig) -> Result<(), BoxError> {
    let mut ws = Box::pin(accept_compressing(stream, &policy)).await?;
    contestant::echo(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    Ok(())
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    const INFO: Info = if BATCHED {
        Info::new("sockudo-ws", "next and feed, flushed when no more is ready")
    } else {
        Info::new(
            "sockudo-ws",
            "next and send; compressing CompressedWebSocketStream with zlib-rs through flate2 and \
             libz-rs-sys, its opening handshake made of public parts",
        )
        .compressing(true)
    };

    async fn serve(deflate: Option<Settings>) {
        match &deflate {
            Some(settings) => {
                accept_loop(|stream| echo_compressing(stream, policy(settings))).await;
            }
            None => accept_loop(echo::<BATCHED>).await,
        }
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        if let Some(settings) = &job.deflate {
            let ws = compressing(io, settings)?;
            return contestant::decode(job, ws, StreamExt::poll_next_unpin, payload).await;
        }
        let ws = connection(io, job.role);
        contestant::decode(job, ws, StreamExt::poll_next_unpin, payload).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Message::text(text),
            |bytes| Message::binary(bytes.clone()),
        );
        match &job.deflate {
            Some(settings) => contestant::encode(job, compressing(io, settings)?, pool).await,
            None => contestant::encode(job, connection(io, job.role), pool).await,
        }
    }
}
