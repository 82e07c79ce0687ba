//! tokio-websockets, set up as its own echo example: an unconstrained task, a frame for every
//! message. Batched by hand: all messages that are ready, then `feed` for each and one flush.

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Role, Settings,
    accept_loop, tls::accept_tls_loop,
};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
};
use tokio_websockets::{ClientBuilder, Config, Limits, Message, ServerBuilder, WebSocketStream};

/// The library flushes at this many queued bytes. Its default is 8 KiB.
const FLUSH_THRESHOLD: usize = 64 << 10;
/// The most messages that are received before they are sent back.
const MAX_BURST: usize = 64;

/// A transport.
trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Io for S {}

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

fn config() -> Config {
    Config::default()
        .frame_size(usize::MAX)
        .flush_threshold(FLUSH_THRESHOLD)
}

fn server() -> ServerBuilder {
    ServerBuilder::new().config(config()).limits(limits())
}

fn limits() -> Limits {
    Limits::default().max_payload_len(Some(MESSAGE_LIMIT))
}

fn connection(io: MemoryTransport, role: Role) -> WebSocketStream<MemoryTransport> {
    let client = ClientBuilder::new().config(config()).limits(limits());
    match role {
        Role::Server => server().serve(io),
        Role::Client => client.take_over(io),
    }
}

fn answer(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}

/// Drops the request, so that the connection does not keep it.
async fn accept<S: Io>(stream: S) -> Result<WebSocketStream<S>, BoxError> {
    let (_request, ws) = server().accept(stream).await?;
    Ok(ws)
}

async fn echo<const BATCHED: bool, S: Io>(stream: S) -> Result<(), BoxError> {
    // The handshake is boxed so that the connection does not keep room for it.
    let mut ws = Box::pin(accept(stream)).await?;
    if BATCHED {
        return echo_bursts(&mut ws).await;
    }
    contestant::echo(&mut ws, StreamExt::poll_next_unpin, answer).await?;
    Ok(())
}

/// Receives a burst whole before any of it is sent back, because reading flushes queued messages.
async fn echo_bursts<S: Io>(ws: &mut WebSocketStream<S>) -> Result<(), BoxError> {
    let mut burst = Vec::new();
    while let Some(message) = ws.next().await {
        burst.extend(answer(message?));
        while burst.len() < MAX_BURST
            && let Some(Some(message)) = ws.next().now_or_never()
        {
            burst.extend(answer(message?));
        }
        for message in burst.drain(..) {
            ws.feed(message).await?;
        }
        ws.flush().await?;
    }
    Ok(())
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    const INFO: Info = Info::new(
        "tokio-websockets",
        if BATCHED {
            "all messages that are ready, then feed for each and one flush"
        } else {
            "next and send"
        },
    )
    .encrypting();

    async fn serve(_: Option<Settings>) {
        accept_loop(|stream| unconstrained(echo::<BATCHED, _>(stream))).await;
    }

    async fn serve_tls() {
        accept_tls_loop(|stream| unconstrained(echo::<BATCHED, _>(stream))).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let ws = connection(io, job.role);
        contestant::decode(job, ws, StreamExt::poll_next_unpin, |it| it.as_payload()).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Message::text(text.to_owned()),
            |bytes| Message::binary(bytes.clone()),
        );
        contestant::encode(job, connection(io, job.role), pool).await
    }
}
