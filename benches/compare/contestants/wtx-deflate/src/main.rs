//! wtx with permessage-deflate: its `Flate2`, which compresses each message by itself.

use std::process::ExitCode;

use contestant::{
    BoxError, MESSAGE_LIMIT, accept_loop,
    deflate::{Deflating, Info, Job, Meter, Pipe, Settings},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use wtx::{
    collection::Vector,
    rng::{Xorshift64, simple_seed},
    stream::{StreamReader, StreamWriter},
    web_socket::{
        Compression, DeflateConfig, Frame, OpCode, WebSocketAcceptor, WebSocketBuffer,
        WebSocketOwned, WebSocketPayloadOrigin,
        compression::{CompressionLevel, Flate2, NegotiatedFlate2, WindowBits},
    },
};

const EXTENSIONS: &[u8] = b"sec-websocket-extensions";
const TAKEOVER: &str = "it has no context takeover";

struct Compressed;

/// The transport in the library's own terms.
struct Io(Pipe);

impl StreamReader for Io {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.0.read(bytes).await?)
    }
}

impl StreamWriter for Io {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    async fn write_all_vectored(&mut self, slices: &[&[u8]]) -> wtx::Result<()> {
        for slice in slices {
            self.0.write_all(slice).await?;
        }
        Ok(())
    }
}

fn flate2(settings: &Settings) -> wtx::Result<Flate2> {
    let bits = WindowBits::try_from(settings.window_bits)?;
    Ok(Flate2::from(DeflateConfig {
        client_max_window_bits: bits,
        compression_level: CompressionLevel::try_from(settings.level)?,
        server_max_window_bits: bits,
    }))
}

type Memory = WebSocketOwned<Option<NegotiatedFlate2>, Xorshift64, Io, false>;

fn memory(settings: &Settings, io: Pipe) -> Result<Memory, BoxError> {
    if settings.takeover {
        return Err(TAKEOVER.into());
    }
    let offer = settings.offer();
    let header: [&[u8]; 2] = [EXTENSIONS, offer.as_bytes()];
    let agreed = Compression::<false>::negotiate(flate2(settings)?, [header].into_iter())?;
    let random = Xorshift64::from(simple_seed());
    let mut ws = WebSocketOwned::new(agreed, false, random, Io(io), WebSocketBuffer::new());
    ws.set_max_payload_len(MESSAGE_LIMIT);
    Ok(ws)
}

async fn echo(stream: TcpStream, settings: Settings) -> wtx::Result<()> {
    let acceptor = WebSocketAcceptor::default()
        .compression(flate2(&settings)?)
        .no_masking(false)
        .wsb(WebSocketBuffer::new());
    // Boxed: the handshake needs room that a connection should not keep.
    let mut ws = Box::pin(acceptor.accept(stream)).await?;
    ws.set_max_payload_len(MESSAGE_LIMIT);
    let (mut common, mut reader, mut writer) = ws.split_mut();
    let mut continued = Vector::new();
    loop {
        let origin = WebSocketPayloadOrigin::Adaptive;
        let mut frame = reader
            .read_frame(&mut continued, &mut common, origin)
            .await?;
        match frame.op_code() {
            OpCode::Text | OpCode::Binary => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

impl Deflating for Compressed {
    fn info() -> Info {
        Info {
            name: "wtx-deflate",
            package: "wtx",
            limit: false,
            takeover: false,
            validates_text: true,
            note: "lends payloads, default buffer; each message by itself, whatever is offered; \
                   zlib-rs through flate2; memory level 8 and no threshold, which cannot be set",
        }
    }

    async fn serve(settings: Settings) {
        accept_loop(|stream| async move {
            if let Err(error) = echo(stream, settings).await {
                eprintln!("{error}");
            }
        })
        .await;
    }

    async fn compress(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let op_code = if job.text {
            OpCode::Text
        } else {
            OpCode::Binary
        };
        let mut pool: Vec<Vec<u8>> = job.messages.iter().map(|it| it.to_vec()).collect();
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        while meter.pass() {
            for payload in &mut pool {
                let mut frame = Frame::new_fin(op_code, &mut payload[..]);
                ws.write_frame(&mut frame).await?;
            }
        }
        Ok(meter)
    }

    async fn inflate(job: &Job, io: Pipe) -> Result<Meter, BoxError> {
        let mut meter = job.meter(&io);
        let mut ws = memory(&job.settings, io)?;
        let mut continued = Vector::new();
        while meter.pass() {
            for _ in 0..job.messages.len() {
                let origin = WebSocketPayloadOrigin::Adaptive;
                let frame = ws.read_frame(&mut continued, origin).await?;
                meter.take(frame.payload());
            }
        }
        Ok(meter)
    }
}

fn main() -> ExitCode {
    contestant::deflate::run::<Compressed>()
}
