//! tokio-websockets, set up as its own echo example: an unconstrained task, a frame for every
//! message. Batched by hand: all messages that are ready, then `feed` for each and one flush.

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, MESSAGE_LIMIT, Measured, MemoryTransport,
    Role, accept_loop,
};
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::unconstrained,
};
use tokio_websockets::{
    ClientBuilder, Config, Error, Limits, Message, ServerBuilder, WebSocketStream,
};

/// The library flushes at this many queued bytes; 8 KiB by default.
const FLUSH_THRESHOLD: usize = 64 << 10;

/// How many messages are received at the most before they are sent back.
const MAX_BURST: usize = 64;

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

fn config() -> Config {
    Config::default()
        .frame_size(usize::MAX)
        .flush_threshold(FLUSH_THRESHOLD)
}

fn limits() -> Limits {
    Limits::default().max_payload_len(Some(MESSAGE_LIMIT))
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

async fn accept(stream: TcpStream) -> Result<WebSocketStream<TcpStream>, Error> {
    let builder = ServerBuilder::new().config(config()).limits(limits());
    let (_request, ws) = builder.accept(stream).await?;
    Ok(ws)
}

fn answer(message: Message) -> Option<Message> {
    (message.is_text() || message.is_binary()).then_some(message)
}

async fn echo<const BATCHED: bool>(stream: TcpStream) -> Result<(), Error> {
    // Boxed: the handshake needs room that a connection should not keep.
    let mut ws = Box::pin(accept(stream)).await?;
    if BATCHED {
        return echo_bursts(&mut ws).await;
    }
    while let Some(message) = ws.next().await {
        if let Some(message) = answer(message?) {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Reading flushes what is queued, so a burst is received whole before any of it is sent back.
async fn echo_bursts(ws: &mut WebSocketStream<TcpStream>) -> Result<(), Error> {
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
    fn info() -> Info {
        let (name, note) = if BATCHED {
            (
                "tokio-websockets-batched",
                "all messages that are ready, then feed for each and one flush",
            )
        } else {
            ("tokio-websockets", "next and send")
        };
        Info {
            name,
            package: "tokio-websockets",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note,
        }
    }

    async fn serve() {
        accept_loop(|stream| {
            unconstrained(async {
                let _ = echo::<BATCHED>(stream).await;
            })
        })
        .await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = connection(io, job.role);
        let mut meter = job.meter();
        for _ in 0..job.messages {
            let message = ws.next().await.ok_or("closed")??;
            meter.take(message, |message| message.as_payload());
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Message::text(text.to_owned()),
            |bytes| Message::binary(bytes.clone()),
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
}
