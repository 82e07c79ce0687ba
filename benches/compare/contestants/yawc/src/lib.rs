//! yawc with its SIMD validation, which is off by default. Batched: the buffers of its own benchmark
//! (128 KiB to read, 64 KiB before it waits), flushed when no more is ready.

use std::task::{Context, Poll};

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, MESSAGE_LIMIT, Measured, MemoryTransport,
    accept_loop, echo_batched,
};
use futures_util::SinkExt;
use http_body_util::Empty;
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use yawc::{Frame, OpCode, Options, Role, UpgradeFut, WebSocket, WebSocketError};

const READ_BUFFER: usize = 128 << 10;
const BACKPRESSURE: usize = 64 << 10;

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

/// The limits are exclusive.
fn options<const BATCHED: bool>() -> Options {
    let options = Options::default()
        .without_compression()
        .with_limits(MESSAGE_LIMIT + 1, MESSAGE_LIMIT + 1)
        .with_no_delay()
        .with_utf8();
    if BATCHED {
        options
            .with_read_buffer_capacity(READ_BUFFER)
            .with_backpressure_boundary(BACKPRESSURE)
    } else {
        options
    }
}

fn memory<const BATCHED: bool>(
    io: MemoryTransport,
    role: contestant::Role,
) -> yawc::Result<WebSocket<MemoryTransport>> {
    let role = match role {
        contestant::Role::Server => Role::Server,
        contestant::Role::Client => Role::Client,
    };
    WebSocket::from_stream(io, role, options::<BATCHED>())
}

fn receive<S: AsyncRead + AsyncWrite + Unpin>(
    ws: &mut WebSocket<S>,
    cx: &mut Context<'_>,
) -> Poll<Option<yawc::Result<Frame>>> {
    ws.poll_next_frame(cx).map(Some)
}

/// Returns what is echoed: a frame of its own, the mask of the received one is not ours.
fn answer(frame: Frame) -> Option<Frame> {
    match frame.opcode() {
        OpCode::Text => Some(Frame::text(frame.into_payload())),
        OpCode::Binary => Some(Frame::binary(frame.into_payload())),
        _ => None,
    }
}

async fn echo<const BATCHED: bool>(upgraded: UpgradeFut) -> Result<(), BoxError> {
    let mut ws = upgraded.await?;
    if BATCHED {
        return Ok(echo_batched(&mut ws, receive, answer).await?);
    }
    loop {
        if let Some(frame) = answer(ws.next_frame().await?) {
            ws.send(frame).await?;
        }
    }
}

async fn upgrade<const BATCHED: bool>(
    mut request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let options = options::<BATCHED>();
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async {
        let _ = echo::<BATCHED>(upgraded).await;
    });
    Ok(response)
}

async fn serve_http<const BATCHED: bool>(stream: TcpStream) {
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service_fn(upgrade::<BATCHED>))
        .with_upgrades();
    let _ = connection.await;
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    fn info() -> Info {
        let (name, note) = if BATCHED {
            (
                "yawc-batched",
                "feed, flushed when no more is ready, 128 KiB read buffer, with_utf8",
            )
        } else {
            ("yawc", "next_frame and send, default buffers, with_utf8")
        };
        Info {
            name,
            package: "yawc",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note,
        }
    }

    async fn serve() {
        accept_loop(serve_http::<BATCHED>).await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let mut ws = memory::<BATCHED>(io, job.role)?;
        let mut meter = job.meter();
        for _ in 0..job.messages {
            let frame = ws.next_frame().await?;
            meter.take(frame, |frame| frame.payload());
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Frame::text(text.to_owned()),
            |bytes| Frame::binary(Bytes::clone(bytes)),
        );
        let mut ws = memory::<BATCHED>(io, job.role)?;
        let meter = job.meter();
        for (frame, flush) in job.send(&pool) {
            ws.feed(frame.clone()).await?;
            if flush {
                ws.flush().await?;
            }
        }
        Ok(meter.stop())
    }
}
