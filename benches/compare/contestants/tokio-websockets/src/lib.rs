//! What the two programs of tokio-websockets share: its server with a frame for every message, as
//! its own echo example sets it up, and the jobs in memory.

use contestant::{BoxError, Decode, Encode, MESSAGE_LIMIT, Measured, MemoryTransport, Role};
use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_websockets::{
    ClientBuilder, Config, Limits, Message, Payload, ServerBuilder, WebSocketStream,
};

/// Flushes at this many queued bytes instead of 8 KiB: `flush_threshold` is there to be raised.
const FLUSH_THRESHOLD: usize = 64 << 10;

fn config() -> Config {
    Config::default()
        .frame_size(usize::MAX)
        .flush_threshold(FLUSH_THRESHOLD)
}

fn limits() -> Limits {
    Limits::default().max_payload_len(Some(MESSAGE_LIMIT))
}

/// Does the opening handshake.
pub async fn accept(stream: TcpStream) -> Option<WebSocketStream<TcpStream>> {
    let builder = ServerBuilder::new().config(config()).limits(limits());
    let (_request, ws) = builder.accept(stream).await.ok()?;
    Some(ws)
}

/// Returns what is echoed.
pub fn answer(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}

fn connection<S>(io: S, role: Role) -> WebSocketStream<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match role {
        Role::Server => ServerBuilder::new()
            .config(config())
            .limits(limits())
            .serve(io),
        Role::Client => ClientBuilder::new()
            .config(config())
            .limits(limits())
            .take_over(io),
    }
}

/// Receives all messages of a job.
pub async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
    let mut ws = connection(io, job.role);
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let message = ws.next().await.ok_or("closed")??;
        meter.take(message, |message| message.as_payload());
    }
    Ok(meter.stop())
}

/// Sends all messages of a job.
pub async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
    let pool = job.prepare(
        |text| Message::text(text.to_owned()),
        |bytes| Message::binary(Payload::from(bytes.clone())),
    );
    let mut ws = connection(io, job.role);
    let meter = job.meter();
    for (message, flush) in job.send(&pool) {
        ws.feed(message.clone()).await?;
        if flush {
            ws.flush().await?;
        }
    }
    Ok(meter.stop())
}
