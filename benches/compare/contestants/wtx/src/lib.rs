//! wtx: frames that borrow its network buffer, written back from where they lie. It has no batching. Its
//! README advises a size allocated beforehand for speed, hence the second variant. It compresses each
//! message by itself.

use contestant::{
    BoxError, Contestant, Info, Job, MESSAGE_LIMIT, Measured, MemoryTransport, Role, Settings,
    accept_loop,
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
        Compression as WtxCompression, DeflateConfig, Frame, OpCode, WebSocketAcceptor,
        WebSocketBuffer, WebSocketOwned, WebSocketPayloadOrigin,
        compression::{
            CompressionLevel, Flate2, NegotiatedCompression, NegotiatedFlate2, WindowBits,
        },
    },
};

const NETWORK_BUFFER: usize = 64 << 10;
const EXTENSIONS: &[u8] = b"sec-websocket-extensions";
/// The library, with or without a buffer allocated beforehand.
pub struct Adapter<const BUFFERED: bool>;

/// The transport in the library's own terms.
struct Io(MemoryTransport);

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
        // The transport takes everything at once, as a vectored write would.
        for slice in slices {
            self.0.write_all(slice).await?;
        }
        Ok(())
    }
}

fn buffer<const BUFFERED: bool>() -> wtx::Result<WebSocketBuffer> {
    match BUFFERED {
        true => WebSocketBuffer::with_capacity(NETWORK_BUFFER, 0, 0),
        false => Ok(WebSocketBuffer::new()),
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

type Memory<N, const IS_CLIENT: bool> = WebSocketOwned<N, Xorshift64, Io, IS_CLIENT>;

fn memory<N: NegotiatedCompression, const IS_CLIENT: bool>(
    io: MemoryTransport,
    negotiated: N,
    buffer: WebSocketBuffer,
) -> Memory<N, IS_CLIENT> {
    let random = Xorshift64::from(simple_seed());
    let mut ws = WebSocketOwned::new(negotiated, false, random, Io(io), buffer);
    ws.set_max_payload_len(MESSAGE_LIMIT);
    ws
}

fn negotiate(settings: &Settings) -> wtx::Result<Option<NegotiatedFlate2>> {
    let offer = settings.offer();
    let header: [&[u8]; 2] = [EXTENSIONS, offer.as_bytes()];
    WtxCompression::<false>::negotiate(flate2(settings)?, [header].into_iter())
}

async fn echo<C: WtxCompression<false>>(
    stream: TcpStream,
    compression: C,
    buffer: WebSocketBuffer,
) -> wtx::Result<()> {
    let acceptor = WebSocketAcceptor::default()
        .compression(compression)
        .no_masking(false)
        .wsb(buffer);
    // The handshake is boxed so that the connection does not keep room for it.
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

async fn decode<N: NegotiatedCompression, const IS_CLIENT: bool>(
    job: &Job,
    mut ws: Memory<N, IS_CLIENT>,
) -> Result<Measured, BoxError> {
    let mut continued = Vector::new();
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let origin = WebSocketPayloadOrigin::Adaptive;
        let frame = ws.read_frame(&mut continued, origin).await?;
        meter.look(frame.payload());
    }
    Ok(meter.stop())
}

async fn encode<N: NegotiatedCompression, const IS_CLIENT: bool>(
    job: &Job,
    mut ws: Memory<N, IS_CLIENT>,
) -> Result<Measured, BoxError> {
    let op_code = match job.text {
        true => OpCode::Text,
        false => OpCode::Binary,
    };
    let mut pool = job.buffers();
    let meter = job.meter();
    let mut next = 0;
    for _ in 0..job.messages {
        // The client masks the sender's own buffer.
        let mut frame = Frame::new_fin(op_code, &mut pool[next][..]);
        ws.write_frame(&mut frame).await?;
        next = (next + 1) % job.pool.len();
    }
    Ok(meter.stop())
}

impl<const BUFFERED: bool> Contestant for Adapter<BUFFERED> {
    const INFO: Info = if BUFFERED {
        Info::new(
            "wtx",
            "lends payloads, masks in place, 64 KiB allocated beforehand",
        )
    } else {
        Info::new(
            "wtx",
            "lends payloads, masks in place, default buffer; compressing each message by itself with \
             zlib-rs through flate2",
        )
        .compressing(false)
    };

    async fn serve(deflate: Option<Settings>) {
        let buffer = || buffer::<BUFFERED>().expect("room");
        match &deflate {
            Some(settings) => {
                let flate2 = || flate2(settings).expect("legal settings");
                accept_loop(|stream| echo(stream, flate2(), buffer())).await;
            }
            None => accept_loop(|stream| echo(stream, (), buffer())).await,
        }
    }

    async fn decode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let buffer = buffer::<BUFFERED>()?;
        match (&job.deflate, job.role) {
            (Some(it), _) => decode(job, memory::<_, false>(io, negotiate(it)?, buffer)).await,
            (None, Role::Server) => decode(job, memory::<_, false>(io, (), buffer)).await,
            (None, Role::Client) => decode(job, memory::<_, true>(io, (), buffer)).await,
        }
    }

    async fn encode(job: &Job, io: MemoryTransport) -> Result<Measured, BoxError> {
        let buffer = buffer::<BUFFERED>()?;
        match (&job.deflate, job.role) {
            (Some(it), _) => encode(job, memory::<_, false>(io, negotiate(it)?, buffer)).await,
            (None, Role::Server) => encode(job, memory::<_, false>(io, (), buffer)).await,
            (None, Role::Client) => encode(job, memory::<_, true>(io, (), buffer)).await,
        }
    }
}
