//! yawc with its SIMD validation, which is off by default. Batched: the buffers of its own benchmark
//! (128 KiB to read, 64 KiB before it waits), flushed when no more is ready.

use std::task::{Context, Poll};

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Settings,
    accept_loop,
};
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
use yawc::{
    CompressionLevel, DeflatePool, Frame, OpCode, Options, Role, UpgradeFut, WebSocket,
    WebSocketError,
};

const READ_BUFFER: usize = 128 << 10;
const BACKPRESSURE: usize = 64 << 10;
/// Contexts that are kept for messages that are compressed by themselves.
const CONTEXTS: usize = 16;

/// The library, with or without batching.
pub struct Adapter<const BATCHED: bool>;

/// The limits are exclusive.
fn options<const BATCHED: bool>(deflate: Option<&Settings>, contexts: &DeflatePool) -> Options {
    let options = Options::default()
        .without_compression()
        .with_limits(MESSAGE_LIMIT + 1, MESSAGE_LIMIT + 1)
        .with_no_delay()
        .with_utf8();
    match deflate {
        Some(settings) => options
            .with_compression_level(CompressionLevel::new(settings.level.into()))
            .with_compression_threshold(0)
            .with_deflate_pool(contexts.clone()),
        None if BATCHED => options
            .with_read_buffer_capacity(READ_BUFFER)
            .with_backpressure_boundary(BACKPRESSURE),
        None => options,
    }
}

fn connection<const BATCHED: bool>(
    job: &Job,
    io: MemoryTransport,
) -> yawc::Result<WebSocket<MemoryTransport>> {
    let role = job.role.of(Role::Server, Role::Client);
    let options = options::<BATCHED>(job.deflate.as_ref(), &DeflatePool::new(CONTEXTS));
    let offer = job.deflate.map(|settings| settings.offer());
    WebSocket::from_stream_with_extensions(io, role, offer.as_deref(), options)
}

/// Keeps the error, which its `Stream` drops.
fn receive<S>(ws: &mut WebSocket<S>, cx: &mut Context<'_>) -> Poll<Option<yawc::Result<Frame>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    ws.poll_next_frame(cx).map(Some)
}

/// Returns the echo as a frame of its own, because the received frame is masked.
fn answer(frame: Frame) -> Option<Frame> {
    match frame.opcode() {
        OpCode::Text => Some(Frame::text(frame.into_payload())),
        OpCode::Binary => Some(Frame::binary(frame.into_payload())),
        _ => None,
    }
}

async fn echo<const BATCHED: bool>(upgraded: UpgradeFut) -> yawc::Result<()> {
    let mut ws = upgraded.await?;
    match BATCHED {
        true => contestant::echo_batched(&mut ws, receive, answer).await,
        false => contestant::echo(&mut ws, receive, answer).await,
    }
}

async fn upgrade<const BATCHED: bool>(
    mut request: Request<Incoming>,
    options: Options,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(echo::<BATCHED>(upgraded));
    Ok(response)
}

async fn serve_http<const BATCHED: bool>(stream: TcpStream, options: Options) {
    let service = service_fn(move |request| upgrade::<BATCHED>(request, options.clone()));
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ = connection.await;
}

impl<const BATCHED: bool> Contestant for Adapter<BATCHED> {
    const INFO: Info = if BATCHED {
        Info::new(
            "yawc",
            "feed, flushed when no more is ready, 128 KiB read buffer, with_utf8",
        )
    } else {
        Info::new(
            "yawc",
            "next_frame and send, default buffers, with_utf8; compressing with a DeflatePool and \
             zlib-rs through flate2 (feature `zlib`)",
        )
        .compressing(true)
    };

    async fn serve(deflate: Option<Settings>) {
        let contexts = DeflatePool::new(CONTEXTS);
        let options = || options::<BATCHED>(deflate.as_ref(), &contexts);
        accept_loop(|stream| serve_http::<BATCHED>(stream, options())).await;
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let ws = connection::<BATCHED>(job, io)?;
        contestant::decode(job, ws, receive, |frame| frame.payload()).await
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let pool = job.prepare(
            |text| Frame::text(text.to_owned()),
            |bytes| Frame::binary(Bytes::clone(bytes)),
        );
        contestant::encode(job, connection::<BATCHED>(job, io)?, pool).await
    }
}
