//! tokio-tungstenite with its default buffers of 128 KiB, which its documentation advises for load.

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Role, Settings,
    accept_loop,
};
use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{
        Bytes, Message,
        protocol::{self, WebSocketConfig},
    },
};

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

fn config() -> Option<WebSocketConfig> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    Some(config)
}

async fn connection(io: MemoryTransport, role: Role) -> WebSocketStream<MemoryTransport> {
    let role = role.of(protocol::Role::Server, protocol::Role::Client);
    WebSocketStream::from_raw_socket(io, role, config()).await
}

fn answer(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}

fn payload(message: &Message) -> &[u8] {
    match message {
        Message::Text(text) => text.as_bytes(),
        Message::Binary(bytes) => bytes,
        _ => &[],
    }
}

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), BoxError> {
    // The handshake is boxed so that the connection does not keep room for it.
    let mut ws = Box::pin(accept_async_with_config(stream, config())).await?;
    if BATCHED {
        contestant::echo_batched(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    } else {
        contestant::echo(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    }
    Ok(())
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    const INFO: Info = Info::new(
        "tokio-tungstenite",
        if BATCHED {
            "next and feed, flushed when no more is ready"
        } else {
            "next and send"
        },
    );

    async fn serve(_: Option<Settings>) {
        accept_loop(echo::<BATCHED>).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let ws = connection(io, job.role).await;
        contestant::decode(job, ws, StreamExt::poll_next_unpin, payload).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Message::text(text),
            |bytes| Message::binary(Bytes::clone(bytes)),
        );
        contestant::encode(job, connection(io, job.role).await, pool).await
    }
}
