//! wtx: frames that borrow its network buffer, written back from where they lie. It has no batching;
//! what its README names for speed is the size allocated beforehand, hence the second program.

use contestant::{
    BOTH, BoxError, Contestant, Decode, Encode, Info, MESSAGE_LIMIT, Measured, MemoryTransport,
    Role, accept_loop,
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
        Frame, OpCode, WebSocketAcceptor, WebSocketBuffer, WebSocketOwned, WebSocketPayloadOrigin,
    },
};

const NETWORK_BUFFER: usize = 64 << 10;

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
    if BUFFERED {
        WebSocketBuffer::with_capacity(NETWORK_BUFFER, 0, 0)
    } else {
        Ok(WebSocketBuffer::new())
    }
}

fn random() -> Xorshift64 {
    Xorshift64::from(simple_seed())
}

type Memory<const IS_CLIENT: bool> = WebSocketOwned<(), Xorshift64, Io, IS_CLIENT>;

fn memory<const BUFFERED: bool, const IS_CLIENT: bool>(
    io: MemoryTransport,
) -> wtx::Result<Memory<IS_CLIENT>> {
    let mut ws = WebSocketOwned::new((), false, random(), Io(io), buffer::<BUFFERED>()?);
    ws.set_max_payload_len(MESSAGE_LIMIT);
    Ok(ws)
}

async fn echo<const BUFFERED: bool>(stream: TcpStream) -> wtx::Result<()> {
    let acceptor = WebSocketAcceptor::default()
        .no_masking(false)
        .wsb(buffer::<BUFFERED>()?);
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

async fn decode<const BUFFERED: bool, const IS_CLIENT: bool>(
    job: &Decode,
    io: MemoryTransport,
) -> Result<Measured, BoxError> {
    let mut ws = memory::<BUFFERED, IS_CLIENT>(io)?;
    let mut continued = Vector::new();
    let mut meter = job.meter();
    for _ in 0..job.messages {
        let origin = WebSocketPayloadOrigin::Adaptive;
        let frame = ws.read_frame(&mut continued, origin).await?;
        if job.keeps() {
            meter.take(frame.to_vector()?, |frame| frame.payload());
        } else {
            meter.look(frame.payload());
        }
    }
    Ok(meter.stop())
}

async fn encode<const BUFFERED: bool, const IS_CLIENT: bool>(
    job: &Encode,
    io: MemoryTransport,
) -> Result<Measured, BoxError> {
    let op_code = if job.text {
        OpCode::Text
    } else {
        OpCode::Binary
    };
    let mut pool: Vec<Vec<u8>> = job.pool.iter().map(|payload| payload.to_vec()).collect();
    let mut ws = memory::<BUFFERED, IS_CLIENT>(io)?;
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
    fn info() -> Info {
        let (name, note) = if BUFFERED {
            (
                "wtx-buffered",
                "lends payloads, masks in place, 64 KiB allocated beforehand",
            )
        } else {
            ("wtx", "lends payloads, masks in place, default buffer")
        };
        Info {
            name,
            package: "wtx",
            validates_text: true,
            raw: false,
            decode: BOTH,
            encode: BOTH,
            note,
        }
    }

    async fn serve() {
        accept_loop(|stream| async {
            let _ = echo::<BUFFERED>(stream).await;
        })
        .await;
    }

    async fn decode(job: &Decode, io: MemoryTransport) -> Result<Measured, BoxError> {
        match job.role {
            Role::Server => decode::<BUFFERED, false>(job, io).await,
            Role::Client => decode::<BUFFERED, true>(job, io).await,
        }
    }

    async fn encode(job: &Encode, io: MemoryTransport) -> Result<Measured, BoxError> {
        match job.role {
            Role::Server => encode::<BUFFERED, false>(job, io).await,
            Role::Client => encode::<BUFFERED, true>(job, io).await,
        }
    }
}
