//! sockudo-ws: its `WebSocketStream` with the default configuration, which validates text.

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, MESSAGE_LIMIT, Measured, MemoryTransport,
    accept_loop, echo_batched,
};
use futures_util::{SinkExt, StreamExt};
use sockudo_ws::{Config, Error, Message, Role, WebSocketStream, handshake::server_handshake};
use tokio::net::TcpStream;

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

fn config() -> Config {
    Config::builder()
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .build()
}

fn memory(io: MemoryTransport, role: contestant::Role) -> WebSocketStream<MemoryTransport> {
    let role = match role {
        contestant::Role::Server => Role::Server,
        contestant::Role::Client => Role::Client,
    };
    WebSocketStream::from_raw(io, role, config())
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

async fn accept(mut stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    let result = server_handshake(&mut stream).await?;
    let role = Role::Server;
    Ok(match result.leftover {
        None => WebSocketStream::from_raw(stream, role, config()),
        early => WebSocketStream::from_raw_with_leftover(stream, role, config(), early),
    })
}

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), Error> {
    // Boxed: the handshake needs room that a connection should not keep.
    let mut ws = Box::pin(accept(stream)).await?;
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
                "sockudo-ws-batched",
                "next and feed, flushed when no more is ready",
            )
        } else {
            ("sockudo-ws", "next and send")
        };
        Info {
            name,
            package: "sockudo-ws",
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
        let mut ws = memory(io, job.role);
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
            |bytes| Message::binary(bytes.clone()),
        );
        let mut ws = memory(io, job.role);
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
