//! The floor for every library on tokio: a task that sends back the bytes that it reads, through one
//! buffer per thread, over TCP or a stream of tokio-rustls. In memory: an allocation and a copy for each message. With compression in memory:
//! zlib in C, without frames.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Poll, ready},
};

use contestant::{
    BoxError, Contestant, Info, Job, Measured, MemoryTransport, Role, Settings, accept_loop,
    deflate::{self, SLACK, TAIL},
    http,
    tls::accept_tls_loop,
    wire,
};
use flate2::{Compress, Decompress, FlushCompress, FlushDecompress};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

const BUFFER: usize = 64 << 10;

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; BUFFER]);
}

struct Adapter;

/// Reads and writes once. Returns the bytes that the socket did not take, or `None` at the end of the
/// stream.
async fn echo_once<S>(stream: &mut S) -> io::Result<Option<Vec<u8>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    poll_fn(|cx| {
        SHARED.with_borrow_mut(|buffer| {
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer))?;
            let filled = buffer.filled();
            if filled.is_empty() {
                return Ok(None).into();
            }
            let written = match Pin::new(&mut *stream).poll_write(cx, filled) {
                Poll::Pending => 0,
                Poll::Ready(written) => written?,
            };
            Ok(Some(filled[written..].to_vec())).into()
        })
    })
    .await
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> Result<(), BoxError> {
    Box::pin(http::accept_on(&mut stream)).await?;
    while let Some(rest) = echo_once(&mut stream).await? {
        if !rest.is_empty() {
            stream.write_all(&rest).await?;
        }
        stream.flush().await?;
    }
    Ok(())
}

/// Returns room for the longest message, compressed or not.
fn room(job: &Job) -> Vec<u8> {
    let longest = job.pool.iter().map(|message| message.len()).max();
    Vec::with_capacity(longest.unwrap_or(0) + SLACK)
}

async fn compress(
    job: &Job,
    settings: &Settings,
    mut io: MemoryTransport,
) -> Result<Measured, BoxError> {
    let mut context = Compress::new_with_window_bits(
        flate2::Compression::new(settings.level.into()),
        false,
        settings.window_bits,
    );
    let first = wire::first_byte(job.text, true);
    let (mut output, mut frame) = (room(job), room(job));
    let meter = job.meter();
    for (message, _) in job.send(&job.pool) {
        output.clear();
        frame.clear();
        context.compress_vec(message, &mut output, FlushCompress::Sync)?;
        output.truncate(output.len() - TAIL.len());
        wire::frame(&mut frame, first, &output, None);
        io.write_all(&frame).await?;
        if !settings.takeover {
            context.reset();
        }
    }
    Ok(meter.stop())
}

fn inflate(job: &Job, settings: &Settings) -> Result<Measured, BoxError> {
    let mut pool: Vec<Vec<u8>> = Vec::new();
    for message in deflate::compress(&job.pool, settings)? {
        pool.push([&message[..], &TAIL].concat());
    }
    let mut context = Decompress::new_with_window_bits(false, settings.window_bits);
    let mut output = room(job);
    let mut meter = job.meter();
    for message in pool.iter().cycle().take(job.messages as usize) {
        output.clear();
        context.decompress_vec(message, &mut output, FlushDecompress::Sync)?;
        meter.look(&output);
        if !settings.takeover {
            context.reset(false);
        }
    }
    Ok(meter.stop())
}

impl Contestant for Adapter {
    const INFO: Info = Info {
        validates_text: false,
        raw: true,
        ..Info::new(
            "tokio",
            "sends back the bytes it reads; in memory malloc and memcpy (decode), memcpy (encode), \
             zlib in C (compressed)",
        )
        .compressing(true)
        .encrypting()
    };

    async fn serve(_: Option<Settings>) {
        accept_loop(echo).await;
    }

    async fn serve_tls() {
        accept_tls_loop(echo).await;
    }

    async fn decode(job: &Job, _: MemoryTransport) -> Result<Measured, BoxError> {
        if let Some(settings) = &job.deflate {
            return inflate(job, settings);
        }
        let mut meter = job.meter();
        for payload in job.pool.iter().cycle().take(job.messages as usize) {
            meter.take(payload.to_vec(), |copy| copy);
        }
        Ok(meter.stop())
    }

    async fn encode(job: &Job, mut io: MemoryTransport) -> Result<Measured, BoxError> {
        if let Some(settings) = &job.deflate {
            return compress(job, settings, io).await;
        }
        let key = (job.role == Role::Client).then_some([1, 2, 3, 4]);
        let first = wire::first_byte(job.text, false);
        let mut buffer = Vec::new();
        let meter = job.meter();
        for (payload, flush) in job.send(&job.pool) {
            wire::header(&mut buffer, first, payload.len(), key);
            buffer.extend_from_slice(payload);
            if flush || buffer.len() >= BUFFER {
                io.write_all(&buffer).await?;
                buffer.clear();
            }
        }
        Ok(meter.stop())
    }
}

contestant::main!(Adapter);
