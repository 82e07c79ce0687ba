//! yawc with permessage-deflate: `next_frame` and `send`, as the contestant without compression.

use std::process::ExitCode;

use contestant::{
    BoxError, MESSAGE_LIMIT, accept_loop,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings},
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
use tokio::net::TcpStream;
use yawc::{
    CompressionLevel, DeflatePool, Frame, OpCode, Options, Role, UpgradeFut, WebSocket,
    WebSocketError,
};

/// Contexts that are kept for messages that are compressed by themselves.
const POOL: usize = 16;

struct Compressed;

/// The limits are exclusive.
fn options(settings: &Settings, pool: &DeflatePool) -> Options {
    Options::default()
        .with_compression_level(CompressionLevel::new(settings.level.into()))
        .with_compression_threshold(0)
        .with_deflate_pool(pool.clone())
        .with_limits(MESSAGE_LIMIT + 1, MESSAGE_LIMIT + 1)
        .with_no_delay()
        .with_utf8()
}

fn memory(settings: &Settings, io: Pipe) -> yawc::Result<WebSocket<Pipe>> {
    let options = options(settings, &DeflatePool::new(POOL));
    WebSocket::from_stream_with_extensions(io, Role::Server, Some(&settings.offer()), options)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = upgraded.await?;
    loop {
        let frame = ws.next_frame().await?;
        let answer = match frame.opcode() {
            OpCode::Text => Frame::text(frame.into_payload()),
            OpCode::Binary => Frame::binary(frame.into_payload()),
            _ => continue,
        };
        ws.send(answer).await?;
    }
}

async fn upgrade(
    mut request: Request<Incoming>,
    options: Options,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = WebSocket::upgrade_with_options(&mut request, options)?;
    tokio::spawn(async {
        let _ = echo(upgraded).await;
    });
    Ok(response)
}

async fn serve_http(stream: TcpStream, options: Options) {
    let service = service_fn(move |request| upgrade(request, options.clone()));
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let _ = connection.await;
}

impl Deflating for Compressed {
    fn info() -> Info {
        Info {
            name: "yawc-deflate",
            package: "yawc",
            limit: false,
            takeover: true,
            validates_text: true,
            note: "next_frame and send, with_utf8, a DeflatePool; zlib-rs through flate2 (feature \
                   `zlib`); the memory level is flate2's, 8",
        }
    }

    async fn serve(settings: Settings) {
        let pool = DeflatePool::new(POOL);
        accept_loop(|stream| serve_http(stream, options(&settings, &pool))).await;
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let frames = job.prepare(
            |text| Frame::text(text.to_owned()),
            |bytes| Frame::binary(Bytes::clone(bytes)),
        );
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for frame in &frames {
                ws.send(frame.clone()).await?;
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for _ in 0..job.messages.len() {
                let frame = ws.next_frame().await?;
                meter.take(frame.payload());
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<Compressed>()
}
