//! tokio-tungstenite with its default buffers of 128 KiB, which its documentation advises for load.

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, MESSAGE_LIMIT, Measured, MemoryTransport,
    Role, accept_loop, echo_batched,
};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config,
    tungstenite::{
        Bytes, Error, Message,
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
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
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

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), Error> {
    // Boxed: the handshake needs room that a connection should not keep.
    let mut ws = Box::pin(accept_async_with_config(stream, config())).await?;
    if BATCHED {
        return echo_batched(&mut ws, WebSocketStream::poll_next_unpin, answer).await;
    }
    while let Some(message) = ws.next().await {
        if let Some(message) = answer(message?) {
            ws.send(message).await?;
        }
    }
    Ok(())
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    fn info() -> Info {
        let (name, note) = if BATCHED {
            (
                "tokio-tungstenite-batched",
                "next and feed, flushed when no more is ready",
            )
        } else {
            ("tokio-tungstenite", "next and send")
        };
        Info {
            name,
            package: "tokio-tungstenite",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note,
        }
    }

    async fn serve() {
        accept_loop(|stream| async {
            let _ = echo::<BATCHED>(stream).await;
        })
        .await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = connection(io, job.role).await;
        let mut meter = job.meter();
        for _ in 0..job.messages {
            let message = ws.next().await.ok_or("closed")??;
            meter.take(message, payload);
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Message::text(text),
            |bytes| Message::binary(Bytes::clone(bytes)),
        );
        let mut ws = connection(io, job.role).await;
        let meter = job.meter();
        for (message, flush) in job.send(&pool) {
            ws.feed(message.clone()).await?;
            if flush {
                ws.flush().await?;
            }
        }
        Ok(meter.stop())
    }
}
